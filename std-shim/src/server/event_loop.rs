//! The event loop: one thread reads requests, runs them, syncs once, and sends the replies.
//!
//! # A tick
//!
//! 1. Wait until something was read, or can be.
//! 2. Each such connection has one turn: what was read, at most 80 KiB, and the whole requests in it are run, until
//!    [`TURN_TIME`] is over; what is left has its turn in the next tick. A connection in use has the ring read into a
//!    small buffer, which saves the look before the read; one that was idle for a second has it wait for readiness, without a
//!    buffer; what the small buffer did not hold is read into the one large buffer that all share.
//!    Who asks for a count of the keys (`DBSIZE`) waits for it alone, while each tick counts for a millisecond.
//! 3. What the tick wrote is handed to the log's file, and with `always` to the disk, in one call.
//! 4. Only then do replies leave.
//! 5. Timers: the sync of `everysec`, expiry, tidying.
//!
//! So group commit is what a tick is, and one client who sends without end gets one turn per tick like everyone.
//!
//! # Invariants
//!
//! I1: no byte of a reply leaves before the sync of the tick that wrote it; if that sync fails, every connection that had
//! a turn in the tick is closed without its replies, and no later write is taken. I2: a connection without unsent output and without further input waits
//! for exactly one thing: `reading` is pending. I3: a completion whose generation is not its place's is of a
//! connection that is gone.
//!
//! # Bounds
//!
//! Connections: [`Options::clients_max`]. A client whose replies pile up over the soft limit is not read from until it takes
//! them. Buffers of all clients together: [`Options::clients_memory_max`]; over it the largest is closed, of those that did not say
//! `CLIENT NO-EVICT ON`. As in Redis those stay even when they alone are over it; each has its own bounds still. Running out of
//! handles pauses accepting for a tenth of a second.
#![forbid(unsafe_code)]

use super::client::Client;
use super::command::{self, Context, Dispatch};
use super::command_stats::Statistics;
use super::connection::{Connection, Connections, RECEIVE_BYTES};
use super::error::Error;
use super::housekeeper::Housekeeper;
use super::metrics;
use super::options::{AppendFsync, Options};
use super::read_buffer::ReadBuffer;
use super::resp::{Parsed, Reply};
use super::slow_log::SlowLog;
use super::state::{Counters, State, Stop};
use super::store::{self, Store};
use super::work::{Housekeeping, Inline, Progress, Work, Worker};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;
use underpin_core::Kind;
use underpin_core::db::{self, Db, Maintenance, WriteLevel};
use underpin_core::platform::{
    Buffer, ClockId, Completion, Files, Instant, Interest, ListenOptions, Op, OpId, Outcome,
    Reactor, Ring, RingOptions, ShutdownHow, Threads,
};

/// The token of the listener for clients, and of that for metrics; connections' tokens have a smaller index.
const LISTENER: u64 = u64::MAX;
const METRICS_LISTENER: u64 = u64::MAX - 1;
/// Connections accepted in one tick.
const ACCEPTS_MAX: usize = 256;
/// How long requests of one connection are begun in its turn: many slow ones must not keep the others waiting.
const TURN_TIME: Duration = Duration::from_millis(5);
/// How long accepting rests when handles have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time between two looks for expired values, while there are values that expire.
const SWEEP_PERIOD: Duration = Duration::from_millis(100);
/// Time that one look may take.
const SWEEP_TIME: Duration = Duration::from_millis(1);
/// Time that a tick counts keys.
const COUNT_TIME: Duration = Duration::from_millis(1);
/// The period of `everysec`, and of tidying.
const SECOND: Duration = Duration::from_secs(1);
/// Seconds without progress after which a connection that is to end is closed although its peer has not taken all of its replies.
const LAST_SECONDS: u64 = 60;
/// How long clients are given to take their last replies when the server ends.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// The server. See the [module](self).
pub struct EventLoop<P: Files + Reactor> {
    state: State<P>,
    ring: P::Ring,
    listener: Listener<P::Socket>,
    metrics_listener: Listener<P::Socket>,
    /// Connections that ask for metrics.
    http_count: usize,
    /// Accepting rests until then.
    accept_after: Option<Instant>,
    connections: Connections<P::Socket>,
    next_id: u64,
    read_buffer: ReadBuffer,
    /// Connections with a turn in the next tick.
    turns: Vec<usize>,
    /// Empty between ticks, kept for their memory.
    next_turns: Vec<usize>,
    completions: Vec<Completion<P::Socket>>,
    /// Who waits for the count that goes on, and who asked after it had begun: index and generation.
    counting: Vec<(usize, u32)>,
    count_waiters: Vec<(usize, u32)>,
    /// When the present turn is over.
    turn_until: Instant,
    /// When the last request was done, or the turn began.
    request_start: Instant,
    /// Connections that had a turn or became writable in this tick.
    touched: Vec<usize>,
    housekeeping: Box<dyn Housekeeping + Send>,
    now: Instant,
    /// The oldest write that `everysec` has not asked a sync for.
    undurable_since: Option<Instant>,
    /// When a sync was asked for that was not known to have begun.
    sync_asked: Option<Instant>,
    sweep_at: Instant,
    tidy_at: Instant,
    commands_at_tidy: u64,
    /// Ending: nothing is read any more.
    draining: bool,
}

/// A listening socket, if there is one (any more), and the pending wait for connections to it.
#[derive(Debug)]
struct Listener<S> {
    socket: Option<S>,
    waiting: Option<OpId>,
}

/// Listens at `address` and returns the socket with the address, port 0 resolved.
fn listen<P: Files + Reactor>(
    platform: &P,
    address: SocketAddr,
    backlog: u32,
) -> Result<(P::Socket, SocketAddr), Error> {
    let failed = |error| Error::Listen { address, error };
    let mut options = ListenOptions::default();
    options.backlog = backlog;
    let socket = platform.listen(&address, &options).map_err(failed)?;
    let resolved = platform.local_address(&socket).map_err(failed)?;
    Ok((socket, resolved))
}

impl<P: Files + Reactor> EventLoop<P> {
    /// Opens the database and listens; what happens beside the loop is done on its own thread.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Listen`], [`Error::Reactor`].
    pub fn open(platform: P, options: Options) -> Result<Self, Error> {
        Self::open_with(platform, options, |worker| {
            Ok(Box::new(Inline(Some(worker))))
        })
    }

    /// As [`open`](Self::open), with a thread of the platform's for what happens beside the loop.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_threaded(platform: P, options: Options) -> Result<Self, Error>
    where
        P: Threads,
    {
        Self::open_with(platform, options, |worker| {
            Ok(Box::new(Housekeeper::start(worker)?))
        })
    }

    fn open_with(
        platform: P,
        options: Options,
        start: impl FnOnce(Worker<P>) -> Result<Box<dyn Housekeeping + Send>, Error>,
    ) -> Result<Self, Error> {
        let mut db_options = db::Options::default();
        db_options.maintenance = Maintenance::Caller;
        let db = Db::open(platform.clone(), &options.directory, db_options).map_err(|error| {
            Error::Database {
                directory: options.directory.clone(),
                error,
            }
        })?;
        let (listener, address) = listen(&platform, options.listen, options.backlog)?;
        let metrics_listener = options
            .metrics
            .map(|address| listen(&platform, address, 16))
            .transpose()?;
        let (metrics_listener, metrics_address) = metrics_listener.unzip();
        let mut ring_options = RingOptions::default();
        // A read and a write for each, and as much again for those that were cancelled and not delivered yet.
        let connections_max = options.clients_max.saturating_add(metrics::CONNECTIONS_MAX);
        ring_options.pending_max = connections_max.saturating_mul(4).saturating_add(16);
        let ring = platform.ring(&ring_options)?;
        let progress = Arc::new(Progress::default());
        let housekeeping = start(Worker {
            platform: platform.clone(),
            db: db.clone(),
            progress: Arc::clone(&progress),
            backups: options.backups.clone(),
        })?;
        let now = platform.now(ClockId::Monotonic);
        let started_ms = platform.now(ClockId::Real).as_ns() / 1_000_000;
        progress.saved(started_ms);
        let seed = platform.random_u64().unwrap_or(started_ms);
        let dispatch = Dispatch::new();
        let run_id = (0..3)
            .map(|_| format!("{:016x}", platform.random_u64().unwrap_or(started_ms)))
            .collect::<String>();
        let mut this = Self {
            ring,
            listener: Listener {
                socket: Some(listener),
                waiting: None,
            },
            metrics_listener: Listener {
                socket: metrics_listener,
                waiting: None,
            },
            http_count: 0,
            accept_after: None,
            connections: Connections::new(),
            next_id: 1,
            read_buffer: ReadBuffer::new(),
            turns: Vec::new(),
            next_turns: Vec::new(),
            completions: Vec::new(),
            counting: Vec::new(),
            count_waiters: Vec::new(),
            turn_until: now,
            request_start: now,
            touched: Vec::new(),
            housekeeping,
            now,
            undurable_since: None,
            sync_asked: None,
            sweep_at: now,
            tidy_at: now.saturating_add(SECOND),
            commands_at_tidy: 0,
            draining: false,
            state: State {
                store: Store::new(db, options.rows_bytes_max, seed),
                address,
                metrics_address,
                started_ms,
                run_id: run_id.chars().take(40).collect(),
                counters: Counters::default(),
                statistics: Statistics::new(dispatch.all().len()),
                dispatch,
                slow_log: SlowLog::default(),
                last_ran: None,
                commands_per_second: 0,
                clients_memory: 0,
                clients_max_at_start: options.clients_max,
                kills_pending: false,
                requested: Work::empty(),
                progress,
                stop: Stop::default(),
                sync_failed: false,
                platform,
                options,
            },
        };
        this.state.store.set_now(started_ms);
        this.listen_on(LISTENER);
        this.listen_on(METRICS_LISTENER);
        Ok(this)
    }

    /// Where the server listens, port 0 resolved.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Where metrics are told, port 0 resolved; `None`: nowhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.state.metrics_address
    }

    /// Asks the server to end.
    #[must_use]
    pub fn stop_flag(&self) -> Stop {
        self.state.stop.clone()
    }

    /// Ends the wait of [`run`](Self::run), so that it looks at the flag.
    #[must_use]
    pub fn waker(&self) -> <P::Ring as Ring>::Waker {
        self.ring.waker()
    }

    /// Serves until [`stop_flag`](Self::stop_flag) is set, then makes everything durable and closes the database.
    ///
    /// # Errors
    /// [`Error::Reactor`]; [`Error::Database`] if the last sync fails.
    pub fn run(mut self) -> Result<(), Error> {
        while !self.state.stop.is_set() {
            let until = self.next_deadline();
            self.tick(until)?;
        }
        self.finish()
    }

    /// One round: waits until something happens or until `until`, and deals with it.
    ///
    /// # Errors
    /// [`Error::Reactor`].
    pub fn tick(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let counts = !self.counting.is_empty() || !self.count_waiters.is_empty();
        let until = if self.turns.is_empty() && !counts {
            until
        } else {
            Some(Instant::ZERO)
        };
        let mut completions = core::mem::take(&mut self.completions);
        self.ring.wait(until, &mut completions)?;
        self.now = self.state.platform.now(ClockId::Monotonic);
        let real_ms = self.state.platform.now(ClockId::Real).as_ns() / 1_000_000;
        self.state.store.set_now(real_ms);
        for completion in completions.drain(..) {
            self.complete(completion);
        }
        self.completions = completions;
        let mut turns = core::mem::replace(&mut self.turns, core::mem::take(&mut self.next_turns));
        for index in turns.drain(..) {
            self.turn(index);
        }
        self.next_turns = turns;
        self.count();
        self.sync();
        self.send();
        self.timers();
        let requested = core::mem::take(&mut self.state.requested);
        if !requested.is_empty() {
            self.housekeeping.request(requested);
        }
        Ok(())
    }

    /// When the loop has to wake although nothing comes in; `None`: never.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let sweep = self.state.store.needs_sweep().then_some(self.sweep_at);
        let second_after = |since: Option<Instant>| since.map(|since| since.saturating_add(SECOND));
        let syncs = [self.undurable_since, self.sync_asked].map(second_after);
        let tidy = (self.connections.len() > 0).then_some(self.tidy_at);
        [sweep, syncs[0], syncs[1], tidy, self.accept_after]
            .into_iter()
            .flatten()
            .min()
    }

    fn complete(&mut self, completion: Completion<P::Socket>) {
        if matches!(completion.token, LISTENER | METRICS_LISTENER) {
            self.listener_of(completion.token).waiting = None;
            self.accept(completion.token);
            return;
        }
        let (index, generation, interest) = read_token(completion.token);
        // I3.
        if self.connections.generation(index) != Some(generation) {
            return;
        }
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        match interest {
            Interest::Read => {
                connection.reading = None;
                connection.reading_with_buffer = false;
                match (completion.result, completion.buffer) {
                    // It was idle for a while, so its buffer goes.
                    (Err(error), _) if error.kind() == Kind::Cancelled => {
                        self.wait_ready(index);
                        return;
                    }
                    (Ok(Outcome::Transferred { bytes: 0 }), _) => connection.ended = true,
                    (Ok(Outcome::Transferred { bytes }), Some(buffer)) => {
                        self.state.counters.input_bytes += bytes as u64;
                        connection.readable = bytes == buffer.capacity();
                        connection.received = Some(buffer);
                    }
                    (Ok(_), _) => connection.readable = true,
                    (Err(_), _) => connection.fail(),
                }
                queue_turn(&mut self.turns, connection, index);
            }
            Interest::Write => {
                connection.writing = None;
                self.touched.push(index);
            }
        }
    }

    fn listener_of(&mut self, token: u64) -> &mut Listener<P::Socket> {
        match token {
            METRICS_LISTENER => &mut self.metrics_listener,
            _ => &mut self.listener,
        }
    }

    /// Waits for a listener, unless that is being done or accepting rests.
    fn listen_on(&mut self, token: u64) {
        let rests = self.accept_after.is_some();
        let Listener { socket, waiting } = self.listener_of(token);
        let (Some(listener), None, false) = (&*socket, *waiting, rests) else {
            return;
        };
        let op = Op::Ready {
            socket: listener.clone(),
            interest: Interest::Read,
        };
        match self.ring.submit(op, token) {
            Ok(id) => self.listener_of(token).waiting = Some(id),
            Err(_) => self.accept_after = Some(self.now.saturating_add(ACCEPT_PAUSE)),
        }
    }

    fn accept(&mut self, token: u64) {
        let Some(listener) = self.listener_of(token).socket.clone() else {
            return;
        };
        for _ in 0..ACCEPTS_MAX {
            match self.state.platform.try_accept(&listener) {
                Ok((socket, peer)) => self.welcome(socket, peer, token == METRICS_LISTENER),
                // The peer went away before its turn came.
                Err(error) if error.kind() == Kind::ConnectionAborted => {}
                Err(error) if error.kind() == Kind::WouldBlock => break,
                Err(_) => {
                    self.accept_after = Some(self.now.saturating_add(ACCEPT_PAUSE));
                    break;
                }
            }
        }
        self.listen_on(token);
    }

    fn welcome(&mut self, socket: P::Socket, peer: SocketAddr, http: bool) {
        let platform = &self.state.platform;
        if http && self.http_count >= metrics::CONNECTIONS_MAX {
            return;
        }
        let clients = self.connections.len() - self.http_count;
        if !http && clients >= self.state.options.clients_max {
            self.state.counters.rejected += 1;
            // As much as fits; the connection ends either way.
            let _ = platform.try_send(&socket, b"-ERR max number of clients reached\r\n");
            return;
        }
        // Without it replies are merely slower.
        let _ = platform.set_no_delay(&socket, true);
        let local = platform
            .local_address(&socket)
            .unwrap_or(self.state.address);
        let mut client = Client::new(self.next_id, peer, local, self.state.store.now_ms());
        client.authenticated = self.state.options.password.is_none();
        self.next_id += 1;
        self.state.counters.connections += u64::from(!http);
        self.http_count += usize::from(http);
        let mut connection = Connection::new(socket, client, self.state.options.limits);
        connection.http = http;
        let index = self.connections.insert(Box::new(connection));
        self.wait_read(index);
    }

    /// Asks for what a connection in use sends next.
    fn wait_read(&mut self, index: usize) {
        self.submit(index, Interest::Read, |connection| {
            let mut buffer = connection
                .received
                .take()
                .unwrap_or_else(|| Buffer::with_capacity(RECEIVE_BYTES));
            buffer.clear();
            connection.reading_with_buffer = true;
            Op::Receive {
                socket: connection.socket.clone(),
                buffer,
            }
        });
    }

    /// Asks for the completion that says that an idle connection can be read.
    fn wait_ready(&mut self, index: usize) {
        self.submit(index, Interest::Read, |connection| Op::Ready {
            socket: connection.socket.clone(),
            interest: Interest::Read,
        });
    }

    /// Asks for the completion that says that a connection can be written.
    fn wait_write(&mut self, index: usize) {
        self.submit(index, Interest::Write, |connection| Op::Ready {
            socket: connection.socket.clone(),
            interest: Interest::Write,
        });
    }

    /// Hands an operation of a connection to the ring, unless one in its direction is pending.
    fn submit(
        &mut self,
        index: usize,
        interest: Interest,
        op: impl FnOnce(&mut Connection<P::Socket>) -> Op<P::Socket>,
    ) {
        let Some(generation) = self.connections.generation(index) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let pending = match interest {
            Interest::Read => connection.reading,
            Interest::Write => connection.writing,
        };
        if pending.is_some() {
            return;
        }
        let op = op(connection);
        let submitted = self.ring.submit(op, token(index, generation, interest));
        match submitted {
            Ok(id) if interest == Interest::Read => connection.reading = Some(id),
            Ok(id) => connection.writing = Some(id),
            // The ring is sized for all clients; a connection that it does not take cannot be served.
            Err(_) => self.close(index),
        }
    }

    /// One connection's turn: requests that waited, then one read.
    fn turn(&mut self, index: usize) {
        let Some(mut connection) = self.connections.take(index) else {
            return;
        };
        connection.queued = false;
        let now = self.state.platform.now(ClockId::Monotonic);
        self.turn_until = now.saturating_add(TURN_TIME);
        self.request_start = now;
        if !self.draining && !connection.client.closing && !connection.client.waits_for_count {
            if connection.has_more {
                self.feed(&mut connection, &[]);
            }
            if let Some(mut buffer) = connection.received.take() {
                if !buffer.as_slice().is_empty() {
                    self.feed(&mut connection, buffer.as_slice());
                    buffer.clear();
                }
                connection.received = Some(buffer);
            }
            if connection.readable && self.may_read(&connection) {
                self.read(&mut connection);
            }
            connection.client.active_ms = self.state.store.now_ms();
        }
        self.account(&mut connection);
        let waits = connection.client.waits_for_count;
        self.connections.put_back(index, connection);
        if waits && let Some(generation) = self.connections.generation(index) {
            let place = (index, generation);
            if !self.counting.contains(&place) && !self.count_waiters.contains(&place) {
                self.count_waiters.push(place);
            }
        }
        self.touched.push(index);
    }

    /// Counts keys for a while, if somebody waits for it, and answers when they are counted. Whoever asked after the count had
    /// begun waits for the next one, which sees what it had written.
    fn count(&mut self) {
        if self.counting.is_empty() {
            if self.count_waiters.is_empty() {
                return;
            }
            self.counting = core::mem::take(&mut self.count_waiters);
            if let Err(error) = self.state.store.begin_count() {
                self.counted(Err(error));
                return;
            }
        }
        let until = self.now.saturating_add(COUNT_TIME);
        loop {
            match self.state.store.step_count() {
                Ok(None) if self.state.platform.now(ClockId::Monotonic) < until => {}
                Ok(None) => return,
                Ok(Some(keys)) => return self.counted(Ok(keys)),
                Err(error) => return self.counted(Err(error)),
            }
        }
    }

    fn counted(&mut self, result: Result<usize, store::Error>) {
        let result = result.map_err(command::Failure::from);
        for (index, generation) in core::mem::take(&mut self.counting) {
            if self.connections.generation(index) != Some(generation) {
                continue;
            }
            let Some(connection) = self.connections.get_mut(index) else {
                continue;
            };
            connection.client.waits_for_count = false;
            if connection.client.closing {
                // It was killed meanwhile.
                continue;
            }
            let mut reply = Reply::new(&mut connection.output, connection.client.protocol);
            match &result {
                Ok(keys) => reply.integer(i64::try_from(*keys).unwrap_or(i64::MAX)),
                Err(failure) => {
                    reply.error(failure.as_bytes());
                    self.state.note_error(failure.as_bytes());
                }
            }
            self.touched.push(index);
        }
    }

    /// Requests that wait come before more of them.
    fn may_read(&self, connection: &Connection<P::Socket>) -> bool {
        let waits = connection.has_more || self.is_full(connection);
        !connection.client.closing && !connection.ended && !waits
    }

    /// Whether so much output is unsent that further requests wait.
    fn is_full(&self, connection: &Connection<P::Socket>) -> bool {
        connection.unsent() >= self.state.options.client_output_bytes_soft
    }

    fn read(&mut self, connection: &mut Connection<P::Socket>) {
        // The buffer is lent to the requests while they run, so it cannot stay inside self.
        let mut buffer = core::mem::replace(&mut self.read_buffer, ReadBuffer::empty());
        match buffer.receive(&self.state.platform, &connection.socket) {
            Ok([]) => connection.ended = true,
            Ok(bytes) => {
                self.state.counters.input_bytes += bytes.len() as u64;
                let is_full = ReadBuffer::is_full(bytes.len());
                self.feed(connection, bytes);
                connection.readable = is_full;
                connection.has_more |= is_full;
            }
            Err(error) if error.kind() == Kind::WouldBlock => connection.readable = false,
            Err(_) => connection.fail(),
        }
        self.read_buffer = buffer;
    }

    /// Runs the whole requests in what is kept of the input and `bytes` after it; keeps the rest.
    fn feed(&mut self, connection: &mut Connection<P::Socket>, bytes: &[u8]) {
        connection.has_more = false;
        if connection.http {
            self.feed_http(connection, bytes);
            return;
        }
        let mut kept = core::mem::take(&mut connection.input);
        if kept.is_empty() {
            let taken = self.run_requests(connection, bytes);
            connection.input = bytes.get(taken..).unwrap_or_default().to_vec();
        } else {
            kept.extend_from_slice(bytes);
            let taken = self.run_requests(connection, &kept);
            kept.drain(..taken);
            connection.input = kept;
        }
        if connection.client.closing {
            connection.input = Vec::new();
        } else if connection.input.len() > self.state.options.client_input_bytes_max {
            connection.client.closing = true;
            self.state.counters.evicted += 1;
        }
    }

    /// Answers a whole request for metrics; the connection then ends.
    fn feed_http(&mut self, connection: &mut Connection<P::Socket>, bytes: &[u8]) {
        connection.input.extend_from_slice(bytes);
        let request = metrics::read(&connection.input);
        if request != metrics::Request::Incomplete {
            // The connection whose turn it is stands outside of the table.
            let connected = self.connections.clients().count();
            metrics::answer(request, &self.state, connected, &mut connection.output);
            connection.input = Vec::new();
            connection.client.closing = true;
        }
    }

    /// Runs requests from the start of `input` until there is no whole one, the output is full, the turn is over, or
    /// the client is done with; returns how many bytes they took.
    fn run_requests(&mut self, connection: &mut Connection<P::Socket>, input: &[u8]) -> usize {
        let mut taken = 0;
        while !connection.client.closing && !self.state.stop.is_set() {
            if connection.client.waits_for_count {
                connection.has_more = true;
                break;
            }
            if self.is_full(connection) {
                connection.has_more = true;
                break;
            }
            let rest = input.get(taken..).unwrap_or_default();
            connection
                .parser
                .set_untrusted(!connection.client.authenticated);
            match connection.parser.parse(rest) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Request { bytes }) => {
                    let args = connection.parser.args(rest);
                    let protocol = connection.client.protocol;
                    if !args.is_empty() {
                        let mut context = Context {
                            state: &mut self.state,
                            client: &mut connection.client,
                            others: &mut self.connections,
                            in_exec: false,
                        };
                        let mut reply = Reply::new(&mut connection.output, protocol);
                        command::execute(&mut context, args, &mut reply);
                    }
                    taken += bytes;
                    let now = self.state.platform.now(ClockId::Monotonic);
                    if let Some(command) = self.state.last_ran.take() {
                        let ns = now.as_ns().saturating_sub(self.request_start.as_ns());
                        self.state.statistics.took(command, ns);
                        if self.state.slow_log.wants(ns / 1000) {
                            let now_ms = self.state.store.now_ms();
                            let args = connection.parser.args(rest);
                            let slow_log = &mut self.state.slow_log;
                            slow_log.push(args, ns / 1000, now_ms, &connection.client);
                        }
                    }
                    self.request_start = now;
                    if now >= self.turn_until {
                        connection.has_more = true;
                        break;
                    }
                }
                Err(error) => {
                    let text = format!("ERR {error}");
                    Reply::new(&mut connection.output, connection.client.protocol)
                        .error(text.as_bytes());
                    self.state.note_error(text.as_bytes());
                    connection.client.closing = true;
                }
            }
        }
        taken
    }

    /// Brings the connection's share of the clients' memory up to date.
    fn account(&mut self, connection: &mut Connection<P::Socket>) {
        connection.client.input_bytes = connection.input.len();
        connection.client.output_bytes = connection.unsent();
        let bytes = connection.memory_bytes();
        self.state.clients_memory =
            (self.state.clients_memory + bytes).saturating_sub(connection.memory);
        connection.memory = bytes;
    }

    /// Hands what the tick wrote to the system, and to the disk if the policy is `always`.
    fn sync(&mut self) {
        if !self.state.store.take_unsynced() {
            return;
        }
        let db = self.state.store.db();
        let level = match self.state.options.appendfsync {
            AppendFsync::Always => WriteLevel::Data,
            AppendFsync::EverySec | AppendFsync::No => WriteLevel::Os,
        };
        let result = db.sync(level);
        if db.maintenance_needed() {
            self.state.requested |= Work::MAINTAIN;
        }
        if self.state.options.appendfsync == AppendFsync::EverySec {
            self.undurable_since.get_or_insert(self.now);
        }
        // I1: nobody may be told that what is perhaps lost was done, nor what others read of it. After the first failure the
        // database refuses writes before anybody can read them, so their errors may be told.
        if result.is_err() && !core::mem::replace(&mut self.state.sync_failed, true) {
            for index in core::mem::take(&mut self.touched) {
                self.close(index);
            }
        }
    }

    /// Sends what there is and decides what each connection that had a turn waits for next.
    fn send(&mut self) {
        if core::mem::take(&mut self.state.kills_pending) {
            self.touched.extend(self.connections.indices());
        }
        let mut touched = core::mem::take(&mut self.touched);
        for index in touched.drain(..) {
            let Some(connection) = self.connections.get_mut(index) else {
                continue;
            };
            if connection.writing.is_none() && !flush(&mut self.state, connection) {
                self.close(index);
                continue;
            }
            let has_output = connection.unsent() > 0;
            let waits = connection.client.waits_for_count;
            let over = connection.ended && !waits && !connection.has_more;
            if !has_output && (connection.client.closing || over) {
                self.close(index);
                continue;
            }
            let is_full = connection.unsent() >= self.state.options.client_output_bytes_soft;
            let done = connection.client.closing || self.draining || waits;
            if !done && !is_full {
                if connection.has_more {
                    queue_turn(&mut self.turns, connection, index);
                } else if !connection.ended {
                    self.wait_read(index);
                }
            }
            if has_output {
                self.wait_write(index);
            }
        }
        self.touched = touched;
        while self.state.clients_memory > self.state.options.clients_memory_max {
            let largest = self
                .connections
                .evictable()
                .max_by_key(|index| self.connections.memory(*index));
            let Some(index) = largest else { break };
            self.state.counters.evicted += 1;
            self.close(index);
        }
    }

    fn close(&mut self, index: usize) {
        let Some(connection) = self.connections.take(index) else {
            return;
        };
        for id in [connection.reading, connection.writing]
            .into_iter()
            .flatten()
        {
            self.ring.cancel(id);
        }
        // The ring may hold the socket for a moment longer; the peer should not wait for that. It may be gone already.
        let _ = self
            .state
            .platform
            .shutdown(&connection.socket, ShutdownHow::Both);
        let watched = connection.client.watched.iter().map(|key| &**key);
        self.state
            .store
            .watchers
            .unwatch(connection.client.id, watched);
        self.state.clients_memory = self.state.clients_memory.saturating_sub(connection.memory);
        self.http_count -= usize::from(connection.http);
        self.connections.release(index);
        if self.accept_after.is_some() {
            // A handle came free.
            self.accept_after = Some(self.now);
        }
    }

    fn timers(&mut self) {
        if self.accept_after.is_some_and(|after| after <= self.now) {
            self.accept_after = None;
            self.listen_on(LISTENER);
            self.listen_on(METRICS_LISTENER);
        }
        self.sync_later();
        if self.tidy_at <= self.now {
            self.tidy();
        }
        if self.state.store.needs_sweep() && self.sweep_at <= self.now {
            self.sweep_at = self.now.saturating_add(SWEEP_PERIOD);
            self.sweep();
        }
    }

    /// Has what `everysec` left undurable for a second synced by the thread. If a second later that has not begun, because the
    /// thread is at something long, such as a merge, the loop does it itself: so no write waits longer than two seconds.
    fn sync_later(&mut self) {
        let now = self.now;
        let is_due =
            |since: Option<Instant>| since.is_some_and(|since| since.saturating_add(SECOND) <= now);
        let mut overdue = false;
        if is_due(self.sync_asked) {
            self.sync_asked = None;
            overdue = self.state.progress.sync_waits();
        }
        if !overdue && is_due(self.undurable_since) {
            self.undurable_since = None;
            if self.state.progress.want_sync() {
                self.state.requested |= Work::SYNC;
                self.sync_asked = Some(now);
            } else {
                overdue = self.sync_asked.is_none();
            }
        }
        if overdue {
            self.undurable_since = None;
            // A failure poisons the database, which tells every writer.
            let result = self.state.store.db().sync(WriteLevel::Data);
            self.state.progress.synced(result.is_ok());
        }
    }

    /// Removes expired values for a short time. What it writes is synced with the next tick's writes.
    fn sweep(&mut self) {
        let until = self.now.saturating_add(SWEEP_TIME);
        while self.state.store.needs_sweep() {
            // A database that refuses writes keeps its expired values, which nobody can read.
            if self.state.store.sweep().is_err()
                || self.state.store.somewhere().is_none()
                || self.state.platform.now(ClockId::Monotonic) >= until
            {
                break;
            }
        }
    }

    fn tidy(&mut self) {
        self.tidy_at = self.now.saturating_add(SECOND);
        self.state.commands_per_second = self
            .state
            .counters
            .commands
            .saturating_sub(self.commands_at_tidy);
        self.commands_at_tidy = self.state.counters.commands;
        let mut freed = 0;
        let now_ms = self.state.store.now_ms();
        let options = &self.state.options;
        for connection in self.connections.iter_mut() {
            let (soft_bytes, soft_seconds) = options.client_output_soft;
            if soft_bytes == 0 || connection.unsent() <= soft_bytes {
                connection.client.over_soft_since_ms = None;
            }
            let over_since = (soft_bytes > 0 && connection.unsent() > soft_bytes)
                .then(|| *connection.client.over_soft_since_ms.get_or_insert(now_ms));
            let is_older =
                |since_ms: u64, seconds: u64| now_ms.saturating_sub(since_ms) / 1000 >= seconds;
            // Who asks for metrics has a minute for it, and so has who is only to take its last replies.
            let idle_seconds_max = match connection.http || connection.client.closing {
                true => LAST_SECONDS,
                false => options.idle_seconds_max,
            };
            let is_idle =
                idle_seconds_max > 0 && is_older(connection.client.active_ms, idle_seconds_max);
            let is_deaf = over_since.is_some_and(|since_ms| is_older(since_ms, soft_seconds));
            if is_idle || is_deaf {
                connection.cut_off();
                self.state.kills_pending = true;
                self.state.counters.evicted += u64::from(is_deaf);
            }
            connection.tidy();
            // Its completion asks for readiness in its place.
            if connection.reading_with_buffer
                && is_older(connection.client.active_ms, 1)
                && let Some(id) = connection.reading
            {
                self.ring.cancel(id);
            }
            let bytes = connection.memory_bytes();
            freed += connection.memory.saturating_sub(bytes);
            connection.memory = bytes.min(connection.memory);
        }
        self.state.clients_memory = self.state.clients_memory.saturating_sub(freed);
    }

    /// Stops accepting and reading, sends the last replies, makes everything durable and closes the database.
    fn finish(mut self) -> Result<(), Error> {
        for token in [LISTENER, METRICS_LISTENER] {
            let Listener { socket, waiting } = self.listener_of(token);
            *socket = None;
            if let Some(id) = waiting.take() {
                self.ring.cancel(id);
            }
        }
        self.draining = true;
        self.touched.extend(self.connections.indices());
        let until = self
            .state
            .platform
            .now(ClockId::Monotonic)
            .saturating_add(DRAIN_TIME);
        self.tick(Some(Instant::ZERO))?;
        while self.now < until
            && self
                .connections
                .iter_mut()
                .any(|connection| connection.unsent() > 0)
        {
            self.tick(Some(until))?;
        }
        let open: Vec<usize> = self.connections.indices().collect();
        for index in open {
            self.close(index);
        }
        let Self {
            state,
            mut housekeeping,
            ..
        } = self;
        let directory = state.options.directory;
        // First: it stops a merge, which the housekeeper would finish before it ends.
        let closed = state.store.into_db().close();
        housekeeping.stop();
        closed.map_err(|error| Error::Database { directory, error })
    }
}

impl<P: Files + Reactor> core::fmt::Debug for EventLoop<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EventLoop")
            .field("address", &self.state.address)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// Puts a connection on the list for a turn, once.
fn queue_turn<S>(turns: &mut Vec<usize>, connection: &mut Connection<S>, index: usize) {
    if !connection.queued {
        connection.queued = true;
        turns.push(index);
    }
}

/// Sends as much as the system takes; false if the connection is broken.
fn flush<P: Files + Reactor>(state: &mut State<P>, connection: &mut Connection<P::Socket>) -> bool {
    while connection.unsent() > 0 {
        let unsent = connection.output.get(connection.sent..).unwrap_or_default();
        match state.platform.try_send(&connection.socket, unsent) {
            Ok(bytes) => {
                state.counters.output_bytes += bytes as u64;
                connection.advance(bytes, state.store.now_ms());
            }
            Err(error) if error.kind() == Kind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
    true
}

/// A connection's token: index, generation, interest.
fn token(index: usize, generation: u32, interest: Interest) -> u64 {
    let interest = match interest {
        Interest::Read => 0,
        Interest::Write => 1,
    };
    // An index is below `clients_max`, which is far below 2^30.
    ((index as u64) << 33) | (u64::from(generation) << 1) | interest
}

fn read_token(token: u64) -> (usize, u32, Interest) {
    let interest = match token & 1 {
        0 => Interest::Read,
        _ => Interest::Write,
    };
    let generation = u32::try_from((token >> 1) & u64::from(u32::MAX)).unwrap_or(0);
    let index = usize::try_from(token >> 33).unwrap_or(usize::MAX);
    (index, generation, interest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_none_is_the_listener() {
        for index in [0, 1, 9_999, 1 << 30] {
            for generation in [0, 7, u32::MAX] {
                for interest in [Interest::Read, Interest::Write] {
                    let token = token(index, generation, interest);
                    assert_eq!(read_token(token), (index, generation, interest));
                    assert!(token < METRICS_LISTENER);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "event_loop_tests.rs"]
mod loop_tests;
