//! The loop against real sockets, a tick at a time. Where the platform has none yet, the tests say that they did not run.
#![forbid(unsafe_code)]

use super::*;
use crate::server::client::{Client, Watched};
use crate::server::options::Options;
use crate::server::store::{Store, Sweeps, Value};
use crate::server::work::{Inline, Worker};
use crate::sys::{Native, native};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{Caps, Clock as _, Platform as _};

const LOCAL: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 1);

/// A server in a directory of its own, which goes with it.
struct Served {
    server: EventLoop<Native>,
    directory: std::path::PathBuf,
}

impl Served {
    fn new(
        name: &str,
        change: impl FnOnce(&mut Options),
        start: impl FnOnce(Worker<Native>) -> Result<Box<dyn Housekeeping + Send>, Error>,
    ) -> Option<Self> {
        if !native().caps().contains(Caps::REACTOR) {
            std::eprintln!("NOT RUN: this platform has no sockets yet");
            return None;
        }
        let directory =
            std::env::temp_dir().join(format!("underpin-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let mut options = Options::new(directory.as_os_str().as_encoded_bytes());
        options.listen.set_port(0);
        change(&mut options);
        let served = EventLoop::open_with(native(), options, start);
        served
            .map(|server| Some(Self { server, directory }))
            .unwrap()
    }

    fn inline(name: &str, change: impl FnOnce(&mut Options)) -> Option<Self> {
        Self::new(name, change, |worker| Ok(Box::new(Inline(Some(worker)))))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    fn tick(&mut self) {
        let until = self.server.state.platform.now(ClockId::Monotonic);
        let until = until.saturating_add(Duration::from_millis(10));
        self.server.tick(Some(until)).unwrap();
    }

    /// Sends a request and ticks until the replies end in `end`.
    fn ask(&mut self, stream: &mut TcpStream, request: &[u8], end: &str) -> String {
        stream.write_all(request).unwrap();
        let mut replies = Vec::new();
        for _ in 0..10_000 {
            self.tick();
            match stream.read_to_end(&mut replies) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => panic!("the connection ended: {other:?}"),
            }
            if replies.ends_with(end.as_bytes()) {
                return String::from_utf8_lossy(&replies).into_owned();
            }
        }
        panic!("no reply");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn replies_of_a_transaction_do_not_pile_up_over_the_limit() {
    let Some(mut served) =
        Served::inline("exec", |options| options.client_output_bytes_max = 1 << 20)
    else {
        return;
    };
    let value = vec![b'v'; 256 << 10];
    served
        .server
        .state
        .store
        .put(b"k", Value::new(&value))
        .unwrap();
    let mut client = served.connect();
    served.ask(&mut client, b"MULTI\r\n", "+OK\r\n");
    for _ in 0..64 {
        served.ask(&mut client, b"GET k\r\n", "+QUEUED\r\n");
    }
    let reply = served.ask(&mut client, b"SET done yes\r\nEXEC\r\n", "buffer\r\n");
    assert!(reply.contains("-ERR reply exceeds"), "{reply}");
    // The last turn counted the buffer as it was before the reply left.
    let held = served.server.state.clients_memory;
    assert!(held < 4 << 20, "{held} bytes");
    // As before, what the transaction wrote stays.
    served.ask(&mut client, b"GET done\r\n", "yes\r\n");
}

#[test]
fn descriptions_of_commands_do_not_pile_up_over_the_limit() {
    for word in ["INFO", "DOCS"] {
        let Some(mut served) = Served::inline("describe", |options| {
            options.client_output_bytes_max = 1 << 16
        }) else {
            return;
        };
        let mut client = served.connect();
        let request = format!("COMMAND {word}{}\r\n", " client".repeat(1000));
        served.ask(&mut client, request.as_bytes(), "output buffer\r\n");
    }
}

#[test]
fn slow_requests_of_one_client_are_spread_over_ticks() {
    let Some(mut served) = Served::inline("slow", |_| {}) else {
        return;
    };
    for key in 0..20_000u32 {
        let store = &mut served.server.state.store;
        store.put(&key.to_be_bytes(), Value::new(b"")).unwrap();
    }
    let (mut slow, mut quick) = (served.connect(), served.connect());
    served.ask(&mut slow, b"PING\r\n", "+PONG\r\n");
    served.ask(&mut quick, b"PING\r\n", "+PONG\r\n");
    let count = 6000;
    slow.write_all(&b"KEYS none\r\n".repeat(count)).unwrap();
    let before = served.server.state.counters.commands;
    served.tick();
    served.ask(&mut quick, b"PING\r\n", "+PONG\r\n");
    let done = served.server.state.counters.commands - before;
    assert!(
        done < 1000,
        "{done} requests were run before another client's"
    );
    // More than one read's worth is not taken in while requests wait.
    let held = served.server.state.clients_memory;
    assert!(held < 256 << 10, "{held} bytes");
}

#[test]
fn a_count_of_many_keys_holds_up_nobody_else() {
    let Some(mut served) = Served::inline("count", |_| {}) else {
        return;
    };
    const KEYS: u32 = 100_000;
    for key in 0..KEYS {
        let store = &mut served.server.state.store;
        store.put(&key.to_be_bytes(), Value::new(b"")).unwrap();
    }
    let (mut first, mut second) = (served.connect(), served.connect());
    served.ask(&mut first, b"PING\r\n", "+PONG\r\n");
    served.ask(&mut second, b"PING\r\n", "+PONG\r\n");
    // The next requests of who counts wait; its half-closed stream does not end it.
    first.write_all(b"DBSIZE\r\nDBSIZE\r\nPING\r\n").unwrap();
    first.shutdown(std::net::Shutdown::Write).unwrap();
    while served.server.counting.is_empty() {
        served.tick();
    }
    // Another client writes and counts meanwhile, and sees what it wrote.
    served.ask(&mut second, b"SET new x\r\n", "+OK\r\n");
    let reply = served.ask(&mut second, b"DBSIZE\r\n", "\r\n");
    assert_eq!(reply, format!(":{}\r\n", KEYS + 1));
    let mut replies = Vec::new();
    for _ in 0..10_000 {
        served.tick();
        match first.read_to_end(&mut replies) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let both = [KEYS, KEYS + 1].map(|first| format!(":{first}\r\n:{}\r\n+PONG\r\n", KEYS + 1));
    let replies = String::from_utf8(replies).unwrap();
    assert!(both.contains(&replies), "{replies}");
    assert!(served.server.counting.is_empty() && served.server.count_waiters.is_empty());
}

/// A thread that is busy with something else for ever.
struct Busy;

impl Housekeeping for Busy {
    fn request(&mut self, _work: Work) {}

    fn stop(&mut self) {}
}

#[test]
fn a_write_is_durable_in_about_a_second_although_the_thread_is_busy() {
    let Some(mut served) = Served::new("busy", |_| {}, |_| Ok(Box::new(Busy))) else {
        return;
    };
    let mut client = served.connect();
    let before = served.server.state.store.db().stats().log_syncs;
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while served.server.state.store.db().stats().log_syncs == before {
        served.ask(&mut client, b"SET k v\r\n", "+OK\r\n");
        std::thread::sleep(Duration::from_millis(50));
        assert!(std::time::Instant::now() < until, "nothing was synced");
    }
}

#[test]
fn a_lone_write_is_durable_in_two_seconds_although_the_thread_is_busy() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::none()));
    let mut options = Options::new(*b"/db");
    options.listen.set_port(6379);
    let server = EventLoop::open_with(sim.clone(), options, |_| Ok(Box::new(Busy)));
    let mut server = server.unwrap();
    let syncs = |server: &EventLoop<Sim>| server.state.store.db().stats().log_syncs;
    for gap_ms in [0, 700] {
        let (before, start) = (syncs(&server), sim.now(ClockId::Monotonic));
        for key in [b"a", b"b"] {
            server.state.store.put(key, Value::new(b"v")).unwrap();
            let until = sim.now(ClockId::Monotonic);
            let until = until.saturating_add(Duration::from_millis(gap_ms));
            server.tick(Some(until)).unwrap();
        }
        while syncs(&server) == before {
            let until = server.next_deadline();
            assert!(until.is_some(), "nobody is going to sync");
            server.tick(until).unwrap();
        }
        let took = sim.now(ClockId::Monotonic).saturating_duration_since(start);
        // The disk takes some of it.
        assert!(took <= Duration::from_millis(2100 + gap_ms), "{took:?}");
        server.state.progress.begin_sync();
    }
}

/// Asks for more than anybody's buffers take, and takes nothing.
fn deaf(served: &mut Served) -> TcpStream {
    let value = vec![b'v'; 1 << 20];
    let store = &mut served.server.state.store;
    store.put(b"k", Value::new(&value)).unwrap();
    let mut client = served.connect();
    client.write_all(&b"GET k\r\n".repeat(32)).unwrap();
    for _ in 0..1000 {
        served.tick();
        let mut connections = served.server.connections.iter_mut();
        if connections.any(|connection| connection.unsent() > 1 << 20) {
            return client;
        }
    }
    panic!("the system takes everything");
}

#[test]
fn a_client_that_reads_nothing_can_be_killed() {
    let Some(mut served) = Served::inline("kill", |_| {}) else {
        return;
    };
    let deaf = deaf(&mut served);
    let mut other = served.connect();
    let request = format!("CLIENT KILL ADDR {}\r\n", deaf.local_addr().unwrap());
    assert_eq!(served.ask(&mut other, request.as_bytes(), "\r\n"), ":1\r\n");
    assert_eq!(served.server.connections.len(), 1);
    // Oneself gets the reply first.
    let mut third = served.connect();
    served.ask(&mut third, b"PING\r\n", "+PONG\r\n");
    let reply = served.ask(&mut other, b"CLIENT KILL TYPE normal\r\n", "\r\n");
    assert_eq!((&*reply, served.server.connections.len()), (":1\r\n", 1));
    other
        .write_all(format!("CLIENT KILL {}\r\n", other.local_addr().unwrap()).as_bytes())
        .unwrap();
    let mut reply = Vec::new();
    while served.server.connections.len() > 0 {
        served.tick();
    }
    let _ = other.read_to_end(&mut reply);
    assert_eq!(reply, b"+OK\r\n");
}

#[test]
fn a_client_that_reads_nothing_is_idle() {
    for wrong in [false, true] {
        let Some(mut served) = Served::inline("deaf", |options| {
            options.idle_seconds_max = if wrong { 0 } else { 7 };
        }) else {
            return;
        };
        let mut client = deaf(&mut served);
        if wrong {
            // The connection is to end, but not before the client was told why.
            client.write_all(b"*x\r\n").unwrap();
            served.tick();
            for connection in served.server.connections.iter_mut() {
                connection.client.closing = true;
            }
        }
        // Nobody waits here: the server is told that it was long ago.
        for (seconds, left) in [(5, 1), (100, 0)] {
            for connection in served.server.connections.iter_mut() {
                let now_ms = served.server.state.store.now_ms();
                connection.client.active_ms = now_ms - seconds * 1000;
            }
            served.server.tidy();
            served.server.send();
            assert_eq!(served.server.connections.len(), left, "{wrong} {seconds}");
        }
    }
}

#[test]
fn a_client_that_is_not_to_be_evicted_is_not() {
    let Some(mut served) = Served::inline("evict", |options| {
        options.clients_memory_max = 3 << 20;
    }) else {
        return;
    };
    let (mut kept, mut other) = (served.connect(), served.connect());
    served.ask(&mut kept, b"CLIENT NO-EVICT ON\r\n", "+OK\r\n");
    let fill = |served: &mut Served, client: &mut TcpStream, bytes: usize| {
        let request = [&b"*2\r\n$4\r\nECHO\r\n$9000000\r\n"[..], &vec![b'x'; bytes]].concat();
        let mut left = &request[..];
        while !left.is_empty() {
            match client.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => served.tick(),
                Err(_) => return,
            }
        }
        for _ in 0..10_000 {
            if served.server.connections.len() == 1 {
                return;
            }
            served.tick();
        }
        panic!("nobody was closed");
    };
    served.ask(&mut other, b"PING\r\n", "+PONG\r\n");
    fill(&mut served, &mut kept, 4 << 20);
    // The other one goes although it holds little; the kept one stays, alone over the limit.
    assert_eq!(served.server.connections.len(), 1);
    assert!(
        served
            .server
            .connections
            .clients()
            .all(|client| client.no_evict)
    );
    assert!(served.server.state.clients_memory > 3 << 20);
    let mut other = served.connect();
    fill(&mut served, &mut other, 1 << 20);
    assert!(
        served
            .server
            .connections
            .clients()
            .all(|client| client.no_evict)
    );
}

/// Walks to the end of the keys and removes what has expired.
fn sweep_all(store: &mut Store<Native>) {
    let sweeps = Sweeps::default();
    loop {
        assert!(sweeps.want(store.somewhere(), store.now_ms()));
        sweeps.walk(&native(), store.db());
        store.swept(sweeps.take().unwrap().unwrap()).unwrap();
        if store.somewhere().is_none() {
            return;
        }
    }
}

#[test]
fn the_removal_of_what_had_expired_before_it_was_watched_is_no_change() {
    let Some(mut served) = Served::inline("expired", |_| {}) else {
        return;
    };
    let mut client = served.connect();
    let expired = |served: &mut Served| {
        let store = &mut served.server.state.store;
        let value = Value {
            expires_ms: Some(1),
            ..Value::new(b"v")
        };
        store.put(b"k", value).unwrap();
        // The sweep is the test's.
        served.server.sweep_at = Instant::MAX;
    };
    type Remove = fn(&mut Store<Native>);
    let removes: [Remove; 3] = [sweep_all, |store| store.clear().unwrap(), |_| {}];
    for remove in removes {
        expired(&mut served);
        served.ask(&mut client, b"WATCH k\r\n", "+OK\r\n");
        remove(&mut served.server.state.store);
        let request = b"MULTI\r\nPING\r\nEXEC\r\n";
        let reply = served.ask(&mut client, request, "PONG\r\n");
        assert_eq!(reply, "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    }
    // One that was alive is a change, and so is a new value.
    for is_new in [false, true] {
        expired(&mut served);
        served.server.state.store.set_now(0);
        if is_new {
            served.ask(&mut client, b"WATCH k\r\n", "+OK\r\n");
            served
                .server
                .state
                .store
                .put(b"k", Value::new(b"new"))
                .unwrap();
        } else {
            served.server.state.store.watchers.watch(1, b"k", false);
            served.server.state.store.set_now(2);
            sweep_all(&mut served.server.state.store);
        }
        served.ask(&mut client, b"MULTI\r\nPING\r\nEXEC\r\n", "*-1\r\n");
    }
}

/// What has come for `client` after a few ticks.
fn after_ticks(served: &mut Served, client: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    for _ in 0..20 {
        served.server.tick(Some(Instant::ZERO)).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    match client.read_to_end(&mut reply) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        other => panic!("the connection ended: {other:?}"),
    }
    String::from_utf8(reply).unwrap()
}

#[test]
fn a_pause_holds_requests_and_runs_them_afterwards() {
    let Some(mut served) = Served::inline("pause", |_| {}) else {
        return;
    };
    let (mut pauser, mut other) = (served.connect(), served.connect());
    served.ask(&mut pauser, b"CLIENT PAUSE 1000000000 WRITE\r\n", "+OK\r\n");
    served.ask(&mut other, b"GET k\r\n", "$-1\r\n");
    other.write_all(b"SET k 1\r\nGET k\r\n").unwrap();
    assert_eq!(after_ticks(&mut served, &mut other), "");
    let listed = served.ask(&mut pauser, b"CLIENT LIST\r\n", "\n\r\n");
    assert_eq!(listed.matches("flags=b").count(), 1, "{listed}");
    // A transaction that reads goes through, one that writes does not even take its write.
    let reads = b"MULTI\r\nGET k\r\nEXEC\r\n";
    served.ask(&mut pauser, reads, "*1\r\n$-1\r\n");
    pauser.write_all(b"MULTI\r\nSET k 2\r\n").unwrap();
    assert_eq!(after_ticks(&mut served, &mut pauser), "+OK\r\n");
    // Nothing expires meanwhile, and the loop has nothing to wake up for.
    let store = &mut served.server.state.store;
    let now_ms = store.now_ms();
    let value = Value {
        expires_ms: Some(now_ms + 1),
        ..Value::new(b"v")
    };
    store.put(b"expiring", value).unwrap();
    assert!(store.needs_sweep() && !served.server.may_sweep());
    let mut third = served.connect();
    served.ask(&mut third, b"CLIENT PAUSE 1 ALL\r\n", "+OK\r\n");
    let until = served.server.state.pause.unwrap().until;
    assert!(
        until.saturating_duration_since(served.server.now) > Duration::from_secs(1000),
        "a second pause made the first shorter"
    );
    third.write_all(b"PING\r\n").unwrap();
    assert_eq!(after_ticks(&mut served, &mut third), "");
    let mut fourth = served.connect();
    served.ask(&mut fourth, b"CLIENT UNPAUSE\r\n", "+OK\r\n");
    assert_eq!(after_ticks(&mut served, &mut other), "+OK\r\n$1\r\n1\r\n");
    assert_eq!(after_ticks(&mut served, &mut third), "+PONG\r\n");
    assert_eq!(after_ticks(&mut served, &mut pauser), "+QUEUED\r\n");
}

#[test]
fn a_pause_ends_by_itself_and_holds_a_client_that_has_said_all() {
    let Some(mut served) = Served::inline("pause-end", |_| {}) else {
        return;
    };
    let mut client = served.connect();
    served.ask(&mut client, b"CLIENT PAUSE 1000000000\r\n", "+OK\r\n");
    client.write_all(b"PING\r\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(after_ticks(&mut served, &mut client), "");
    let pause = served.server.state.pause.as_mut().unwrap();
    pause.until = served.server.now;
    assert_eq!(served.server.next_deadline(), Some(served.server.now));
    for _ in 0..3 {
        served.tick();
    }
    let mut reply = Vec::new();
    client.set_nonblocking(false).unwrap();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"+PONG\r\n");
}

#[test]
fn clients_that_take_their_replies_at_once_are_not_evicted() {
    let Some(mut served) = Served::inline("taken", |options| {
        options.clients_memory_max = 3 << 20;
    }) else {
        return;
    };
    let value = vec![b'v'; 100 << 10];
    let store = &mut served.server.state.store;
    store.put(b"k", Value::new(&value)).unwrap();
    let mut clients: Vec<TcpStream> = (0..40).map(|_| served.connect()).collect();
    for client in &mut clients {
        served.ask(client, b"PING\r\n", "+PONG\r\n");
        client.write_all(b"GET k\r\n").unwrap();
    }
    for _ in 0..10 {
        served.tick();
    }
    assert_eq!(served.server.connections.len(), clients.len());
}

#[test]
fn an_mset_in_a_transaction_writes_all_of_its_pairs_or_none() {
    let Some(mut served) = Served::inline("mset", |_| {}) else {
        return;
    };
    let mut client = served.connect();
    let long = "k".repeat(70_000);
    let request = format!(
        "MULTI\r\n*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$70000\r\n{long}\r\n$1\r\n2\r\nEXEC\r\n"
    );
    let reply = served.ask(
        &mut client,
        &[request.as_bytes(), b"GET a\r\n"].concat(),
        "$-1\r\n",
    );
    assert!(reply.contains("*1\r\n-ERR"), "{reply}");
}

#[test]
fn names_are_short_and_a_read_over_the_limit_is_refused() {
    let Some(mut served) = Served::inline("limits", |options| {
        options.client_output_bytes_max = 1 << 16;
    }) else {
        return;
    };
    let mut client = served.connect();
    let name = "n".repeat(257);
    let request = format!(
        "CLIENT SETNAME {name}\r\nCLIENT SETINFO LIB-NAME {name}\r\nHELLO 2 SETNAME {name}\r\nPING\r\n"
    );
    let reply = served.ask(&mut client, request.as_bytes(), "+PONG\r\n");
    assert_eq!(reply.matches("-ERR names").count(), 3, "{reply}");
    let value = vec![b'v'; 100 << 10];
    let store = &mut served.server.state.store;
    store.put(b"k", Value::new(&value)).unwrap();
    served.ask(&mut client, b"GET k\r\n", "output buffer\r\n");
    // What was removed is told all the same.
    served.ask(&mut client, b"GETDEL k\r\n", "v\r\n");
}

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

/// Work that is asked for and not done: all that happens is the loop's own doing.
struct Nobody;

impl Housekeeping for Nobody {
    fn request(&mut self, _: Work) {}

    fn stop(&mut self) {}
}

#[test]
fn the_loop_looks_for_expired_values_at_no_value_itself() {
    let Some(mut served) = Served::new("no-walk", |_| {}, |_| Ok(Box::new(Nobody))) else {
        return;
    };
    let store = &mut served.server.state.store;
    let value = Value {
        expires_ms: Some(1),
        ..Value::new(b"v")
    };
    store.put(b"k", value).unwrap();
    for _ in 0..3 {
        served.server.sweep_at = served.server.now;
        served.tick();
    }
    assert_eq!(served.server.state.store.counters.expired, 0);
    // What a walk found is removed, save what was written since.
    let State { store, sweeps, .. } = &mut served.server.state;
    store.put(b"l", value).unwrap();
    sweeps.walk(&native(), store.db());
    store.put(b"l", Value::new(b"new")).unwrap();
    served.server.sweep_at = served.server.now;
    served.tick();
    let store = &mut served.server.state.store;
    assert_eq!(store.counters.expired, 1);
    assert!(store.exists(b"l").unwrap());
}

#[test]
fn a_random_key_is_not_looked_for_without_end() {
    let Some(mut served) = Served::new("random", |_| {}, |_| Ok(Box::new(Nobody))) else {
        return;
    };
    let mut client = served.connect();
    let store = &mut served.server.state.store;
    store.put(b"z", Value::new(b"v")).unwrap();
    let value = Value {
        expires_ms: Some(1),
        ..Value::new(b"v")
    };
    for index in 0..9_000 {
        store.put(format!("k{index:05}").as_bytes(), value).unwrap();
    }
    served.ask(&mut client, b"RANDOMKEY\r\n", "$1\r\nz\r\n");
    let store = &mut served.server.state.store;
    for index in 9_000..11_000 {
        store.put(format!("k{index:05}").as_bytes(), value).unwrap();
    }
    served.ask(&mut client, b"RANDOMKEY\r\n", "$-1\r\n");
}

#[test]
fn clients_that_leave_during_a_pause_give_their_places_back() {
    let Some(mut served) = Served::inline("leave", |options| options.clients_max = 3) else {
        return;
    };
    let mut pauser = served.connect();
    served.ask(&mut pauser, b"CLIENT PAUSE 1000000000\r\n", "+OK\r\n");
    // Also one whose request alone is more than what may come after it.
    let large = format!("SET a {}\r\n", "b".repeat(60_000));
    let larger = format!(
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$99000\r\n{}\r\n",
        "b".repeat(99_000)
    );
    for request in ["SET a b\r\n", &large, &larger]
        .into_iter()
        .cycle()
        .take(12)
    {
        let mut client = served.connect();
        client.write_all(request.as_bytes()).unwrap();
        assert_eq!(after_ticks(&mut served, &mut client), "");
        client.write_all(b"PING\r\n").unwrap();
        assert_eq!(after_ticks(&mut served, &mut client), "");
    }
    let mut last = served.connect();
    served.ask(&mut last, b"CLIENT UNPAUSE\r\n", "+OK\r\n");
    assert_eq!(served.server.state.counters.rejected, 0);
}

#[test]
fn the_memory_of_watched_keys_is_their_sum() {
    let mut client = Client::new(1, LOCAL, LOCAL, 0);
    let before = client.state_bytes();
    client.watched.push(b"abc");
    client.watched.push(b"");
    assert_eq!(client.state_bytes(), before + 3 + 2 * 96);
    assert_eq!(client.watched.iter().count(), 2);
    client.watched = Watched::default();
    assert_eq!(client.state_bytes(), before);
}
