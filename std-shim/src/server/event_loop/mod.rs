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
//! a turn in the tick is closed without its replies, and no later write is taken; nor, with `always`, is any command on keys answered later. I2: a connection without unsent output and without further input waits
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

mod accept;
mod count;
mod open;
mod requests;
mod timers;

use super::client::Wait;
use super::connection::{Connection, Connections, RECEIVE_BYTES};
use super::error::Error;
use super::options::AppendFsync;
use super::read_buffer::ReadBuffer;
use super::state::{State, Stop};
use super::work::{Housekeeping, Work};
use accept::Listener;
use core::net::SocketAddr;
use core::time::Duration;
use requests::account;
use underpin_core::Kind;
use underpin_core::db::WriteLevel;
use underpin_core::platform::{
    Buffer, ClockId, Completion, Files, Instant, Interest, Op, Outcome, Reactor, Ring, ShutdownHow,
};

/// The token of the listener for clients, and of that for metrics; connections' tokens have a smaller index.
const LISTENER: u64 = u64::MAX;
const METRICS_LISTENER: u64 = u64::MAX - 1;
/// How long requests of one connection are begun in its turn: many slow ones must not keep the others waiting.
const TURN_TIME: Duration = Duration::from_millis(5);
/// The period of `everysec`, and of tidying.
const SECOND: Duration = Duration::from_secs(1);
/// How long clients are given to take their last replies when the server ends.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// The server: one thread that reads requests, runs them, syncs once and replies.
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
    /// The oldest write that no sync was asked for.
    undurable_since: Option<Instant>,
    /// When a sync was asked for that was not known to have begun.
    sync_asked: Option<Instant>,
    sweep_at: Instant,
    tidy_at: Instant,
    commands_at_tidy: u64,
    /// Ending: nothing is read any more.
    draining: bool,
}

impl<P: Files + Reactor> EventLoop<P> {
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
        let sweep = self.may_sweep().then_some(self.sweep_at);
        let pause = self.state.pause.map(|pause| pause.until);
        let second_after = |since: Option<Instant>| since.map(|since| since.saturating_add(SECOND));
        let syncs = [self.undurable(), self.sync_asked].map(second_after);
        let tidy = (self.connections.len() > 0).then_some(self.tidy_at);
        [sweep, pause, syncs[0], syncs[1], tidy, self.accept_after]
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
                    // With what it waits for there is nobody to tell.
                    (Err(_), _) => connection.cut_off(),
                }
                queue_turn(&mut self.turns, connection, index);
            }
            Interest::Write => {
                connection.writing = None;
                self.touched.push(index);
            }
        }
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
        if connection.client.waits == Some(Wait::Pause) {
            connection.hold_received();
        }
        if !self.draining && !connection.client.closing && connection.client.waits.is_none() {
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
        account(&mut self.state, &mut connection);
        let waits = connection.client.waits == Some(Wait::Count);
        self.connections.put_back(index, connection);
        if waits && let Some(generation) = self.connections.generation(index) {
            let place = (index, generation);
            if !self.counting.contains(&place) && !self.count_waiters.contains(&place) {
                self.count_waiters.push(place);
            }
        }
        self.touched.push(index);
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
        if level == WriteLevel::Os {
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
            account(&mut self.state, connection);
            let has_output = connection.unsent() > 0;
            let waits = connection.client.waits.is_some();
            let over = connection.ended && !waits && !connection.has_more;
            if !has_output && (connection.client.closing || over) {
                self.close(index);
                continue;
            }
            let is_full = self.state.is_full(connection.unsent());
            let done = connection.client.closing || self.draining;
            if waits {
                // That it breaks must be seen, or a long pause keeps its place for nobody.
                if !done && connection.may_be_held_more() {
                    self.wait_read(index);
                }
            } else if !done && !is_full {
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
        let client = &connection.client;
        let watchers = &mut self.state.store.watchers;
        watchers.unwatch(client.id, client.watched.iter());
        self.state.clients_memory = self.state.clients_memory.saturating_sub(connection.memory);
        self.http_count -= usize::from(connection.http);
        self.connections.release(index);
        if self.accept_after.is_some() {
            // A handle came free.
            self.accept_after = Some(self.now);
        }
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
mod tests;
