//! Random operations on many sockets against a model: every operation completes once, in order, and no byte is lost.
//!
//! The model keeps, per connection and direction, the tokens that wait, in order, and the bytes that were sent and not yet received.
//! Sockets are made by one ring and used by another, have small buffers so that sends block, are used inside and outside of the ring, and
//! are closed with operations pending. A failing run prints its seed and repeats from `UNDERPIN_SEED`.
#![allow(unsafe_code, reason = "reads fill uninitialised memory")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test"
)]

extern crate alloc;

#[path = "rings/mod.rs"]
mod rings;

use alloc::collections::{BTreeMap, VecDeque};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{
    Buffer, Cancel, Clock, ClockId, Completion, Entropy, Instant, Interest, ListenOptions, Net, Op,
    OpId, Outcome, Ring, RingBackend, RingOptions, ShutdownHow,
};
use underpin_linux::{Linux, LinuxRing, Socket};

const PAIRS: usize = 24;
const STEPS: usize = 30_000;
const READ: usize = 0;
const WRITE: usize = 1;

/// Prints the seed when the test fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "the seed must reach a person")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("UNDERPIN_SEED={}", self.0);
        }
    }
}

struct Random(u64);

impl Random {
    /// Splitmix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// One end of a connection.
struct End {
    socket: Socket,
    /// Tokens that wait, per direction.
    waiting: [VecDeque<u64>; 2],
    /// Bytes that this end sent, as far as the model knows, and the other has not received.
    in_flight: VecDeque<u8>,
    /// Bytes that this end received before the model knew that they were sent.
    early: VecDeque<u8>,
    ended: bool,
}

/// What the model remembers of a pending operation.
struct Pending {
    id: OpId,
    pair: usize,
    /// Which life of that pair: a closed pair's operations may end anyhow.
    life: u64,
    end: usize,
    direction: usize,
    /// First byte of a send's buffer that is to be sent.
    start: usize,
    cancelled: bool,
}

struct Model {
    ring: LinuxRing,
    maker: LinuxRing,
    listener: Socket,
    random: Random,
    pairs: Vec<[End; 2]>,
    lives: Vec<u64>,
    pending: BTreeMap<u64, Pending>,
    next_token: u64,
    /// Names of operations that completed, which must name nothing any more.
    dead: Vec<OpId>,
    counts: BTreeMap<&'static str, u64>,
}

fn deadline() -> Option<Instant> {
    Some(
        Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_secs(20)),
    )
}

fn shrink_buffers(socket: &Socket) {
    let bytes: libc::c_int = 4096;
    for option in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
        let value = (&raw const bytes).cast();
        // SAFETY: the descriptor is open and the option is an int.
        let result =
            unsafe { libc::setsockopt(socket.raw_fd(), libc::SOL_SOCKET, option, value, 4) };
        assert_eq!(result, 0);
    }
}

fn connect(maker: &mut LinuxRing, listener: &Socket) -> [End; 2] {
    let address = Linux.local_address(listener).unwrap();
    let accept = Op::Accept {
        listener: listener.clone(),
    };
    maker.submit(accept, 1).unwrap();
    maker.submit(Op::Connect { address }, 2).unwrap();
    let mut done: Vec<Completion<Socket>> = Vec::new();
    while done.len() < 2 {
        assert!(maker.wait(deadline(), &mut done).unwrap() > 0);
    }
    done.sort_by_key(|completion| completion.token);
    let mut ends = done.into_iter().map(|completion| {
        let socket = match completion.result.unwrap() {
            Outcome::Accepted { socket, .. } | Outcome::Connected { socket } => socket,
            other => panic!("{other:?}"),
        };
        shrink_buffers(&socket);
        End {
            socket,
            waiting: [VecDeque::new(), VecDeque::new()],
            in_flight: VecDeque::new(),
            early: VecDeque::new(),
            ended: false,
        }
    });
    [ends.next().unwrap(), ends.next().unwrap()]
}

impl Model {
    /// Lets everything finish: all bytes arrive, all operations complete.
    fn drain(&mut self) {
        while self
            .pending
            .values()
            .any(|pending| pending.direction == WRITE)
        {
            self.read_everywhere();
            self.progress();
        }
        for pair in 0..PAIRS {
            for end in 0..2 {
                Linux
                    .shutdown(&self.pairs[pair][end].socket, ShutdownHow::Write)
                    .unwrap();
            }
        }
        while self.pairs.iter().flatten().any(|end| !end.ended) || !self.pending.is_empty() {
            self.read_everywhere();
            self.progress();
        }
        for end in self.pairs.iter().flatten() {
            assert!(
                end.in_flight.is_empty(),
                "{} bytes lost",
                end.in_flight.len()
            );
            assert!(
                end.early.is_empty(),
                "{} bytes out of nothing",
                end.early.len()
            );
            assert!(end.waiting.iter().all(VecDeque::is_empty));
        }
    }

    fn read_everywhere(&mut self) {
        for pair in 0..PAIRS {
            for end in 0..2 {
                let state = &self.pairs[pair][end];
                if state.waiting[READ].is_empty() && !state.ended {
                    let socket = state.socket.clone();
                    let buffer = Buffer::with_capacity(9000);
                    self.submit(pair, end, READ, Op::Receive { socket, buffer });
                }
            }
        }
    }

    fn new(seed: u64, backend: RingBackend) -> Self {
        let mut maker = rings::ring_with(backend, RingOptions::default());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Linux.listen(&address, &ListenOptions::default()).unwrap();
        let pairs = (0..PAIRS).map(|_| connect(&mut maker, &listener)).collect();
        Self {
            ring: rings::ring_with(backend, RingOptions::default()),
            maker,
            listener,
            random: Random(seed),
            pairs,
            lives: vec![0; PAIRS],
            pending: BTreeMap::new(),
            next_token: 0,
            dead: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn submit(&mut self, pair: usize, end: usize, direction: usize, op: Op<Socket>) {
        let token = self.next_token;
        self.next_token += 1;
        let start = match &op {
            Op::Send { start, .. } => *start,
            _ => 0,
        };
        let id = self.ring.submit(op, token).unwrap();
        self.pairs[pair][end].waiting[direction].push_back(token);
        let life = self.lives[pair];
        let pending = Pending {
            id,
            pair,
            life,
            end,
            direction,
            start,
            cancelled: false,
        };
        self.pending.insert(token, pending);
        assert_eq!(self.ring.pending(), self.pending.len());
    }

    fn step(&mut self) {
        let (pair, end) = (self.random.below(PAIRS), self.random.below(2));
        let socket = self.pairs[pair][end].socket.clone();
        match self.random.below(100) {
            0..=24 => {
                let buffer = Buffer::with_capacity(1 + self.random.below(3000));
                self.submit(pair, end, READ, Op::Receive { socket, buffer });
            }
            25..=49 => {
                let bytes: Vec<u8> = (0..1 + self.random.below(6000))
                    .map(|_| self.random.next() as u8)
                    .collect();
                let start = self.random.below(bytes.len());
                let buffer = Buffer::from(bytes);
                self.submit(
                    pair,
                    end,
                    WRITE,
                    Op::Send {
                        socket,
                        buffer,
                        start,
                    },
                );
            }
            50..=57 => {
                let (interest, direction) = if self.random.below(2) == 0 {
                    (Interest::Read, READ)
                } else {
                    (Interest::Write, WRITE)
                };
                self.submit(pair, end, direction, Op::Ready { socket, interest });
            }
            58..=63 => self.send_outside(pair, end),
            64..=69 => self.receive_outside(pair, end),
            70..=77 => self.cancel_one(),
            78..=79 => self.close(pair),
            _ => self.pump(Some(Instant::ZERO)),
        }
        if self.pending.len() > 400 {
            self.pump(Some(Instant::ZERO));
            self.cancel_one();
        }
    }

    fn send_outside(&mut self, pair: usize, end: usize) {
        // With a send waiting in the ring, the order of the bytes would be the kernel's secret.
        if !self.pairs[pair][end].waiting[WRITE].is_empty() {
            return;
        }
        let bytes: Vec<u8> = (0..50).map(|_| self.random.next() as u8).collect();
        match Linux.try_send(&self.pairs[pair][end].socket, &bytes) {
            Ok(sent) => self.sent(pair, end, &bytes[..sent]),
            Err(error) => assert_eq!(error.kind(), Kind::WouldBlock),
        }
        self.count("sent outside");
    }

    fn receive_outside(&mut self, pair: usize, end: usize) {
        if !self.pairs[pair][end].waiting[READ].is_empty() {
            return;
        }
        let mut place = [MaybeUninit::uninit(); 100];
        match Linux.try_receive(&self.pairs[pair][end].socket, &mut place) {
            // SAFETY: `try_receive` initialised that many bytes.
            Ok(count) => self.received(pair, end, unsafe { place[..count].assume_init_ref() }),
            Err(error) => assert_eq!(error.kind(), Kind::WouldBlock),
        }
        self.count("received outside");
    }

    fn cancel_one(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let at = self.random.below(self.pending.len());
        let pending = self.pending.values_mut().nth(at).unwrap();
        pending.cancelled = true;
        assert_eq!(self.ring.cancel(pending.id), Cancel::Requested);
    }

    /// Drops a pair with whatever waits on it and makes a new one in its place.
    fn close(&mut self, pair: usize) {
        self.pairs[pair] = connect(&mut self.maker, &self.listener);
        let life = self.lives[pair];
        self.lives[pair] += 1;
        for pending in self.pending.values_mut() {
            if pending.pair == pair && pending.life == life {
                pending.cancelled = true;
                self.ring.cancel(pending.id);
            }
        }
        self.count("closed");
    }

    fn sent(&mut self, pair: usize, end: usize, bytes: &[u8]) {
        let [a, b] = &mut self.pairs[pair];
        let (from, to) = if end == 0 { (a, b) } else { (b, a) };
        for &byte in bytes {
            match to.early.pop_front() {
                Some(early) => assert_eq!(early, byte, "what came is what was sent"),
                None => from.in_flight.push_back(byte),
            }
        }
    }

    fn received(&mut self, pair: usize, end: usize, bytes: &[u8]) {
        let [a, b] = &mut self.pairs[pair];
        let (to, from) = if end == 0 { (a, b) } else { (b, a) };
        for &byte in bytes {
            match from.in_flight.pop_front() {
                Some(sent) => assert_eq!(sent, byte, "what came is what was sent"),
                None => to.early.push_back(byte),
            }
        }
        to.ended |= bytes.is_empty();
    }

    /// Waits until something completes.
    fn progress(&mut self) {
        let before = self.pending.len();
        self.pump(deadline());
        assert!(self.pending.len() < before, "nothing within twenty seconds");
    }

    /// Takes completions and checks them.
    fn pump(&mut self, until: Option<Instant>) {
        let mut done = Vec::new();
        let count = self.ring.wait(until, &mut done).unwrap();
        assert_eq!(count, done.len());
        for completion in done {
            self.check(completion);
        }
        assert_eq!(self.ring.pending(), self.pending.len());
    }

    fn check(&mut self, completion: Completion<Socket>) {
        let pending = self
            .pending
            .remove(&completion.token)
            .expect("completes once");
        self.dead.push(pending.id);
        let any = self.random.below(self.dead.len());
        assert_eq!(self.ring.cancel(self.dead[any]), Cancel::NotPending);
        let (pair, end, direction) = (pending.pair, pending.end, pending.direction);
        if self.lives[pair] != pending.life {
            return;
        }
        let waiting = &mut self.pairs[pair][end].waiting[direction];
        match completion.result {
            Err(error) => {
                assert_eq!(error.kind(), Kind::Cancelled, "{error}");
                assert!(pending.cancelled, "nobody asked");
                waiting.retain(|&token| token != completion.token);
                self.count("cancelled");
            }
            Ok(outcome) => {
                // An earlier one may still be undelivered only if it was cancelled, and those are delivered in between.
                assert_eq!(
                    waiting.pop_front(),
                    Some(completion.token),
                    "in order of submission"
                );
                match (outcome, completion.buffer) {
                    (Outcome::Ready, None) => self.count("ready"),
                    (Outcome::Transferred { bytes }, Some(buffer)) if direction == READ => {
                        assert_eq!(buffer.as_slice().len(), bytes);
                        self.received(pair, end, buffer.as_slice());
                        self.count("received");
                    }
                    (Outcome::Transferred { bytes }, Some(buffer)) => {
                        assert!(bytes > 0);
                        let range = pending.start..pending.start + bytes;
                        self.sent(pair, end, &buffer.as_slice()[range]);
                        self.count("sent");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn random_operations_complete_once_in_order_and_lose_nothing() {
    let seed = match std::env::var("UNDERPIN_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => Linux.random_u64().unwrap(),
    };
    let seed = Seed(seed);
    for backend in rings::backends() {
        random_operations(seed.0, backend);
    }
}

fn random_operations(seed: u64, backend: RingBackend) {
    let before = open_descriptors();
    let mut model = Model::new(seed, backend);
    for _ in 0..STEPS {
        model.step();
    }
    model.drain();
    for what in [
        "sent",
        "received",
        "ready",
        "cancelled",
        "closed",
        "sent outside",
        "received outside",
    ] {
        let count = model.counts.get(what).copied().unwrap_or(0);
        assert!(
            count > 100,
            "{what} happened {count} times: the test has lost its force"
        );
    }
    // A ring that is dropped with operations pending lets go of their sockets.
    model.read_everywhere();
    for pair in 0..PAIRS {
        let socket = model.pairs[pair][0].socket.clone();
        model
            .ring
            .submit(
                Op::Ready {
                    socket,
                    interest: Interest::Write,
                },
                0,
            )
            .unwrap();
    }
    drop(model);
    assert_eq!(open_descriptors(), before, "{backend:?}: descriptors leak");
}
