//! The server's loop on the simulated machine: transfers in pieces, resets, loss of power, one seed a run.
//!
//! Several clients write, read and remove keys of their own over simulated connections, with requests in flight and cut
//! anywhere. Each knows what its replies have to be. When its connection is reset or the power goes, it connects anew and asks for
//! each key: what was acknowledged is there, and of what was in flight a prefix was done.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "a test on a host"
)]

use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use underpin::server::{AppendFsync, EventLoop, Options};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions, SimSocket};
use underpin_core::platform::{Clock, ClockId, Net, Op, Outcome, Reactor, Ring, RingOptions};
use underpin_core::{Kind, Operation};
use underpin_tests::seeds;

const PORT: u16 = 6379;
const CLIENTS: usize = 3;
/// Keys of each client.
const KEYS: u64 = 6;
/// Requests in flight of each client.
const WINDOW: usize = 8;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

type State = BTreeMap<String, String>;

/// A request in flight: what must come back, and its effect: keys and their new values.
struct Flight {
    reply: Expected,
    effect: Vec<(String, Option<String>)>,
}

enum Expected {
    /// These bytes.
    Exactly(Vec<u8>),
    /// The value of a key about which nothing is known but these.
    OneOf(String, Vec<Option<String>>),
}

fn bulk(value: Option<&String>) -> Vec<u8> {
    match value {
        Some(value) => format!("${}\r\n{value}\r\n", value.len()).into_bytes(),
        None => b"$-1\r\n".to_vec(),
    }
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}

/// A client and what it knows.
struct Client {
    name: usize,
    socket: Option<SimSocket>,
    /// Keys after everything that was sent.
    state: State,
    /// Keys after everything that was acknowledged.
    acknowledged: State,
    flights: VecDeque<Flight>,
    unsent: Vec<u8>,
    received: Vec<u8>,
    replies: u64,
    number: u64,
}

impl Client {
    fn new(name: usize) -> Self {
        Self {
            name,
            socket: None,
            state: State::new(),
            acknowledged: State::new(),
            flights: VecDeque::new(),
            unsent: Vec::new(),
            received: Vec::new(),
            replies: 0,
            number: 0,
        }
    }

    fn key(&self, index: u64) -> String {
        format!("{}:{index}", self.name)
    }

    /// Queues a request with what must come back.
    fn ask(&mut self, words: &[&str], reply: Vec<u8>, effect: Vec<(String, Option<String>)>) {
        self.unsent.extend(encode(words));
        apply(&mut self.state, &effect);
        self.flights.push_back(Flight {
            reply: Expected::Exactly(reply),
            effect,
        });
    }

    /// Queues a random request.
    fn request(&mut self, random: &mut Random) {
        let key = self.key(random.below(KEYS));
        self.number += 1;
        let size = if random.below(20) == 0 {
            30_000
        } else {
            random.below(60)
        };
        let value = format!("{}-{}", self.number, "v".repeat(size as usize));
        let old = self.state.get(&key).cloned();
        match random.below(8) {
            0 => {
                let count = u8::from(old.is_some());
                self.ask(
                    &["DEL", &key],
                    format!(":{count}\r\n").into(),
                    vec![(key.clone(), None)],
                );
            }
            1 | 2 => self.ask(&["GET", &key], bulk(old.as_ref()), vec![]),
            3 => {
                let new = old.unwrap_or_default() + &value;
                let reply = format!(":{}\r\n", new.len());
                self.ask(
                    &["APPEND", &key, &value],
                    reply.into(),
                    vec![(key.clone(), Some(new))],
                );
            }
            4 => {
                let other = self.key(random.below(KEYS));
                let effect = vec![
                    (key.clone(), Some(value.clone())),
                    (other.clone(), Some(value.clone())),
                ];
                self.ask(
                    &["MSET", &key, &value, &other, &value],
                    b"+OK\r\n".into(),
                    effect,
                );
            }
            5 => {
                // One request in four parts; the effect comes with the last.
                let other = self.key(random.below(KEYS));
                self.ask(&["MULTI"], b"+OK\r\n".into(), vec![]);
                self.ask(&["SET", &key, &value], b"+QUEUED\r\n".into(), vec![]);
                self.ask(&["DEL", &other], b"+QUEUED\r\n".into(), vec![]);
                let removed = other == key || self.state.contains_key(&other);
                let reply = format!("*2\r\n+OK\r\n:{}\r\n", u8::from(removed));
                let effect = vec![(key.clone(), Some(value.clone())), (other, None)];
                self.ask(&["EXEC"], reply.into(), effect);
            }
            _ => self.ask(
                &["SET", &key, &value],
                b"+OK\r\n".into(),
                vec![(key.clone(), Some(value.clone()))],
            ),
        }
    }

    /// The connection is gone: what was in flight was done up to some point.
    fn disconnected(&mut self) {
        self.socket = None;
        self.unsent.clear();
        self.received.clear();
        let mut possible: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        let flights: Vec<Flight> = self.flights.drain(..).collect();
        for index in 0..KEYS {
            let key = self.key(index);
            let mut values = vec![self.acknowledged.get(&key).cloned()];
            // What was unknown before and has not been answered is as unknown as it was.
            for flight in &flights {
                match &flight.reply {
                    Expected::OneOf(other, more) if *other == key => {
                        values.extend(more.iter().cloned())
                    }
                    _ => {}
                }
                let effects = flight.effect.iter().filter(|(other, _)| *other == key);
                values.extend(effects.map(|(_, value)| value.clone()).next_back());
            }
            possible.insert(key, values);
        }
        for (key, values) in possible {
            self.unsent.extend(encode(&["GET", &key]));
            self.flights.push_back(Flight {
                reply: Expected::OneOf(key, values),
                effect: vec![],
            });
        }
    }

    /// Whether nothing is asked whose answer is not known beforehand.
    fn is_certain(&self) -> bool {
        let is_open = |flight: &Flight| matches!(flight.reply, Expected::OneOf(..));
        !self.flights.iter().any(is_open)
    }

    /// Takes the replies that are whole.
    fn take_replies(&mut self) {
        while let Some(flight) = self.flights.front() {
            let taken = match &flight.reply {
                Expected::Exactly(reply) => {
                    let shared = reply.len().min(self.received.len());
                    assert_eq!(
                        self.received[..shared].escape_ascii().to_string(),
                        reply[..shared].escape_ascii().to_string(),
                        "client {}",
                        self.name
                    );
                    if shared < reply.len() {
                        return;
                    }
                    apply(&mut self.acknowledged, &flight.effect);
                    reply.len()
                }
                Expected::OneOf(key, values) => {
                    let Some(bytes) = whole_bulk(&self.received) else {
                        return;
                    };
                    let found = values
                        .iter()
                        .find(|value| bulk(value.as_ref()) == self.received[..bytes]);
                    let Some(value) = found else {
                        panic!(
                            "{key} is {}, none of {} possible values",
                            self.received[..bytes.min(60)].escape_ascii(),
                            values.len()
                        );
                    };
                    let effect = [(key.clone(), value.clone())];
                    apply(&mut self.acknowledged, &effect);
                    apply(&mut self.state, &effect);
                    bytes
                }
            };
            self.received.drain(..taken);
            self.flights.pop_front();
            self.replies += 1;
        }
        assert!(self.received.is_empty(), "a reply to nothing");
    }

    /// Sends and receives what can be sent and received now.
    fn step(&mut self, sim: &Sim, random: &mut Random) {
        let Some(socket) = self.socket.clone() else {
            return;
        };
        while self.is_certain() && self.flights.len() < WINDOW && random.below(4) > 0 {
            self.request(random);
        }
        if !self.unsent.is_empty() {
            let part = (1 + random.below(self.unsent.len() as u64)) as usize;
            match sim.try_send(&socket, &self.unsent[..part]) {
                Ok(bytes) => drop(self.unsent.drain(..bytes)),
                Err(error) if error.kind() == Kind::WouldBlock => {}
                Err(_) => return self.disconnected(),
            }
        }
        let mut buffer = vec![MaybeUninit::uninit(); (1 + random.below(20_000)) as usize];
        match sim.try_receive(&socket, &mut buffer) {
            Ok(0) => self.disconnected(),
            Ok(bytes) => {
                let bytes = buffer[..bytes].iter().map(read_byte);
                self.received.extend(bytes);
                self.take_replies();
            }
            Err(error) if error.kind() == Kind::WouldBlock => {}
            Err(_) => self.disconnected(),
        }
    }
}

#[allow(unsafe_code, reason = "the platform filled it")]
fn read_byte(byte: &MaybeUninit<u8>) -> u8 {
    // SAFETY: only called for the bytes that `try_receive` said it filled, by Net's contract.
    unsafe { byte.assume_init() }
}

fn apply(state: &mut State, effect: &[(String, Option<String>)]) {
    for (key, value) in effect {
        match value {
            Some(value) => drop(state.insert(key.clone(), value.clone())),
            None => drop(state.remove(key)),
        }
    }
}

/// Bytes of the bulk or null at the start, if it is whole.
fn whole_bulk(bytes: &[u8]) -> Option<usize> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let text = core::str::from_utf8(&bytes[1..line - 2]).unwrap();
    let count: i64 = text.parse().unwrap();
    let whole = line + usize::try_from(count).map_or(0, |count| count + 2);
    (bytes.len() >= whole).then_some(whole)
}

fn open(sim: &Sim, seed: u64) -> Result<EventLoop<Sim>, underpin::server::Error> {
    let mut options = Options::new(*b"/db");
    options.listen = SocketAddr::from(([127, 0, 0, 1], PORT));
    options.appendfsync = AppendFsync::Always;
    options.clients_max = 64;
    // Small enough that output piles up and rows are thrown out.
    options.client_output_bytes_soft = 16 << 10;
    options.rows_bytes_max = if seed.is_multiple_of(2) {
        4096
    } else {
        1 << 20
    };
    EventLoop::open(sim.clone(), options)
}

/// Connects the clients that are not; several tries, as a connect may be reset.
fn connect(sim: &Sim, server: &mut EventLoop<Sim>, clients: &mut [Client]) -> bool {
    let Ok(mut ring) = sim.ring(&RingOptions::default()) else {
        return false;
    };
    let address = SocketAddr::from(([127, 0, 0, 1], PORT));
    for client in clients.iter_mut().filter(|client| client.socket.is_none()) {
        for _ in 0..1000 {
            if ring.pending() == 0 && ring.submit(Op::Connect { address }, 0).is_err() {
                return false;
            }
            let soon = sim
                .now(ClockId::Monotonic)
                .saturating_add(Duration::from_micros(300));
            let mut done = Vec::new();
            if server.tick(Some(soon)).is_err() || ring.wait(Some(soon), &mut done).is_err() {
                return false;
            }
            if let Some(Ok(Outcome::Connected { socket })) = done.pop().map(|done| done.result) {
                client.socket = Some(socket);
                break;
            }
        }
    }
    true
}

/// Runs a machine until `rounds` are over or its power is gone.
fn run(sim: &Sim, clients: &mut [Client], random: &mut Random, rounds: u64, seed: u64) {
    let Ok(mut server) = open(sim, seed) else {
        assert!(!sim.is_on(), "the server does not start");
        return;
    };
    for _ in 0..rounds {
        if clients.iter().any(|client| client.socket.is_none())
            && !connect(sim, &mut server, clients)
        {
            break;
        }
        let soon = sim
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_micros(200));
        if server.tick(Some(soon)).is_err() {
            break;
        }
        for client in &mut *clients {
            client.step(sim, random);
        }
        if !sim.is_on() {
            break;
        }
    }
}

#[test]
fn acknowledged_writes_survive_resets_and_loss_of_power() {
    let count = std::env::var("UNDERPIN_SERVER_SEEDS").map_or(60, |text| text.parse().unwrap());
    let (mut replies, mut losses) = (0, 0);
    seeds::check(count, |seed| {
        let mut random = Random(seed);
        let mut faults = SimFaults::default();
        faults.connection_reset_ppm = [0, 500, 5000][random.below(3) as usize];
        let mut options = SimOptions::new(seed).with_faults(faults.clone());
        if random.below(3) > 0 {
            options = options.with_power_loss_at_disk_call(1 + random.below(400));
        }
        let mut sim = Sim::new(options);
        let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
        run(&sim, &mut clients, &mut random, 150, seed);
        losses += u64::from(!sim.is_on());
        // The rest of the connections ends with the machine, and what is there is compared.
        sim.power_loss();
        sim = sim.reboot();
        sim.set_faults(SimFaults::default());
        for client in &mut clients {
            client.disconnected();
        }
        run(&sim, &mut clients, &mut random, 400, seed);
        for client in &clients {
            assert!(
                client.is_certain(),
                "client {} was not answered",
                client.name
            );
            replies += client.replies;
        }
    });
    println!("{count} seeds, {losses} losses of power in the middle, {replies} replies checked");
}

/// A connection to the server, and the clients' own memory of nothing.
fn connected(sim: &Sim, server: &mut EventLoop<Sim>) -> SimSocket {
    let mut clients = [Client::new(0)];
    assert!(connect(sim, server, &mut clients));
    let [client] = clients;
    client.socket.unwrap()
}

/// What came in, and whether the stream has ended.
fn receive(sim: &Sim, socket: &SimSocket) -> (Vec<u8>, bool) {
    let mut received = Vec::new();
    loop {
        let mut buffer = vec![MaybeUninit::uninit(); 4096];
        match sim.try_receive(socket, &mut buffer) {
            Ok(0) => return (received, true),
            Ok(bytes) => received.extend(buffer[..bytes].iter().map(read_byte)),
            Err(error) if error.kind() == Kind::WouldBlock => return (received, false),
            Err(_) => return (received, true),
        }
    }
}

#[test]
fn nobody_reads_a_write_whose_log_could_not_be_written() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut server = open(&sim, 1).unwrap();
    let (writer, reader) = (connected(&sim, &mut server), connected(&sim, &mut server));
    let mut tick = |millis| {
        let now = sim.now(ClockId::Monotonic);
        let until = now.saturating_add(Duration::from_millis(millis));
        while sim.now(ClockId::Monotonic) < until {
            server.tick(Some(until)).unwrap();
        }
    };
    tick(5);
    // Longer than the log's buffer, so that the write itself has to write the log.
    let value = "v".repeat(300 << 10);
    let mut request = encode(&["SET", "k", &value]);
    let rest = request.split_off(request.len() - 1000);
    let mut sent = 0;
    while sent < request.len() {
        match sim.try_send(&writer, &request[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) => assert_eq!(error.kind(), Kind::WouldBlock),
        }
        tick(1);
    }
    // Both requests are there before the next tick.
    sim.fail_nth(Operation::WriteAt, 1, Kind::Io);
    assert_eq!(sim.try_send(&writer, &rest).unwrap(), rest.len());
    let get = encode(&["STRLEN", "k"]);
    assert_eq!(sim.try_send(&reader, &get).unwrap(), get.len());
    let mut ring = sim.ring(&RingOptions::default()).unwrap();
    let later = sim.now(ClockId::Monotonic);
    let later = later.saturating_add(Duration::from_millis(20));
    ring.wait(Some(later), &mut Vec::new()).unwrap();
    tick(5);
    assert_eq!(receive(&sim, &reader), (Vec::new(), true));
    assert_eq!(receive(&sim, &writer), (Vec::new(), true));
    // From then on writes are refused before anybody can read them, and say so.
    let later = connected(&sim, &mut server);
    let mut tick = |millis| {
        let until = sim.now(ClockId::Monotonic);
        let until = until.saturating_add(Duration::from_millis(millis));
        server.tick(Some(until)).unwrap();
    };
    let request = encode(&["SET", "k", "v"]);
    for _ in 0..2 {
        assert_eq!(sim.try_send(&later, &request).unwrap(), request.len());
        (0..5).for_each(|_| tick(1));
        let (reply, ended) = receive(&sim, &later);
        let reply = String::from_utf8(reply).unwrap();
        assert!(!ended && reply.starts_with("-MISCONF"), "{reply:?} {ended}");
    }
}

#[test]
fn a_save_survives_power_loss_with_the_directory_of_copies() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut options = Options::new(*b"/db");
    options.listen = SocketAddr::from(([127, 0, 0, 1], PORT));
    options.backups = Some(b"/copies".to_vec());
    let mut server = EventLoop::open(sim.clone(), options).unwrap();
    let client = connected(&sim, &mut server);
    let request = [encode(&["SET", "k", "v"]), encode(&["SAVE"])].concat();
    assert_eq!(sim.try_send(&client, &request).unwrap(), request.len());
    for _ in 0..100 {
        let now = sim.now(ClockId::Monotonic);
        let until = now.saturating_add(Duration::from_millis(1));
        server.tick(Some(until)).unwrap();
    }
    assert_eq!(receive(&sim, &client).0, b"+OK\r\n+OK\r\n");
    for seed in 0..50 {
        let disk = sim.disk_snapshot().after_power_loss(seed);
        assert_eq!(disk.list(b"/copies").map(|names| names.len()), Some(1));
    }
}

#[test]
fn nobody_reads_a_write_whose_sync_failed() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut options = Options::new(*b"/db");
    options.listen = SocketAddr::from(([127, 0, 0, 1], PORT));
    options.appendfsync = AppendFsync::Always;
    let mut server = EventLoop::open(sim.clone(), options).unwrap();
    let ask = |server: &mut EventLoop<Sim>, request: &[&str]| {
        let client = connected(&sim, server);
        let request = encode(request);
        assert_eq!(sim.try_send(&client, &request).unwrap(), request.len());
        for _ in 0..10 {
            let until = sim.now(ClockId::Monotonic);
            let until = until.saturating_add(Duration::from_millis(1));
            server.tick(Some(until)).unwrap();
        }
        let (reply, ended) = receive(&sim, &client);
        (String::from_utf8(reply).unwrap(), ended)
    };
    assert_eq!(ask(&mut server, &["SET", "k", "old"]).0, "+OK\r\n");
    sim.fail_nth(Operation::Sync, 1, Kind::Io);
    assert_eq!(
        ask(&mut server, &["SET", "k", "new"]),
        (String::new(), true)
    );
    let transaction = [&["MULTI"][..], &["GET", "k"], &["EXEC"]]
        .map(encode)
        .concat();
    let client = connected(&sim, &mut server);
    assert_eq!(
        sim.try_send(&client, &transaction).unwrap(),
        transaction.len()
    );
    for _ in 0..10 {
        let until = sim.now(ClockId::Monotonic);
        let until = until.saturating_add(Duration::from_millis(1));
        server.tick(Some(until)).unwrap();
    }
    let reply = String::from_utf8(receive(&sim, &client).0).unwrap();
    assert!(
        reply.starts_with("+OK\r\n+QUEUED\r\n*1\r\n-MISCONF"),
        "{reply:?}"
    );
    // Those that may write tell as much when they write nothing.
    let tells = [
        &["GET", "k"][..],
        &["MGET", "k"],
        &["DBSIZE"],
        &["GETEX", "k"],
        &["SETNX", "k", "x"],
        &["BITFIELD", "k", "GET", "u8", "0"],
    ];
    for request in tells {
        let (reply, ended) = ask(&mut server, request);
        assert!(
            !ended && reply.starts_with("-MISCONF"),
            "{request:?} {reply:?}"
        );
    }
    // Who looks why is told.
    assert!(
        ask(&mut server, &["INFO", "persistence"])
            .0
            .contains("aof_last_write_status:err")
    );
}
