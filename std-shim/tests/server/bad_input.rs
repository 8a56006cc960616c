//! Clients that break the protocol, flood, stall or vanish: the server stays up, small, and of service to others.

use crate::support::{Client, Random, Scratch, Server, encode, seed};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

fn assert_serves(server: &Server) {
    assert_eq!(server.client().text("PING"), "+PONG\r\n");
}

#[test]
fn half_a_frame_waits_and_is_completed() {
    let scratch = Scratch::new("half");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let request = encode(&[b"SET", b"key", b"value with \r\n inside"]);
    for byte in &request {
        client.send(&[*byte]);
    }
    assert_eq!(client.reply().unwrap(), b"+OK\r\n");
    // One that is never completed.
    let mut other = server.client();
    other.send(&request[..request.len() / 2]);
    drop(other);
    assert_eq!(client.text("STRLEN key"), ":20\r\n");
    // A client that ends its side still gets what it asked for.
    let mut last = server.client();
    last.send(&encode(&[b"GET", b"key"]));
    last.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let rest = last.rest(Duration::from_secs(10)).unwrap();
    assert_eq!(rest, b"$20\r\nvalue with \r\n inside\r\n");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let scratch = Scratch::new("pipeline");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let mut requests = Vec::new();
    for index in 0..20_000 {
        requests.extend(encode(&[b"ECHO", index.to_string().as_bytes()]));
    }
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(&requests).unwrap());
    for index in 0..20_000 {
        let text = index.to_string();
        let expected = format!("${}\r\n{text}\r\n", text.len());
        assert_eq!(client.reply().unwrap(), expected.as_bytes());
    }
    sender.join().unwrap();
}

#[test]
fn a_declared_length_costs_nothing() {
    let scratch = Scratch::new("declared");
    let server = Server::start(scratch.path(), &[]);
    assert_serves(&server);
    let (before, _) = server.usage();
    let mut client = server.client();
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000000000\r\n");
    let rest = client
        .rest(Duration::from_secs(10))
        .expect("closed at once");
    assert_eq!(rest, b"-ERR Protocol error: invalid bulk length\r\n");
    // Lengths within the limits, of which nothing follows.
    let waiting: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = server.client();
            client.send(b"*1048576\r\n$536870912\r\n");
            client
        })
        .collect();
    assert_serves(&server);
    let (after, _) = server.usage();
    assert!(after < before + 16 * MIB, "{before} bytes became {after}");
    drop(waiting);
}

#[test]
fn a_large_value_comes_back_whole() {
    let scratch = Scratch::new("large");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let value: Vec<u8> = (0..40 * MIB)
        .map(|index| (index * 7 % 251).to_le_bytes()[0])
        .collect();
    assert_eq!(client.call(&[b"SET", b"large", &value]), b"+OK\r\n");
    let reply = client.call(&[b"GET", b"large"]);
    let start = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert!(reply[start..start + value.len()] == value);
    let key = vec![b'k'; 70_000];
    let refused = client.call(&[b"SET", &key, b"x"]);
    assert!(
        refused.starts_with(b"-ERR key of 70000 bytes"),
        "{}",
        refused.escape_ascii()
    );
    assert_eq!(client.call(&[b"GET", &key]), b"$-1\r\n");
}

#[test]
fn noise_is_answered_with_errors() {
    let scratch = Scratch::new("noise");
    let server = Server::start(scratch.path(), &[]);
    let mut random = Random(seed());
    let mut sent = 0;
    while sent < MIB {
        // Pure noise ends in the first line; noise behind a good start gets further.
        let mut noise = match random.below(4) {
            0 => Vec::new(),
            1 => b"*3\r\n$3\r\nSET\r\n".to_vec(),
            2 => format!("*{}\r\n${}\r\n", random.below(10), random.below(1000)).into_bytes(),
            _ => encode(&[b"GET", b"a"]),
        };
        let count = random.below(4000);
        noise.extend((0..count).map(|_| random.next().to_le_bytes()[0]));
        sent += noise.len() as u64;
        let mut stream = TcpStream::connect(server.address).unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(&noise);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    assert_serves(&server);
}

#[test]
fn a_browser_is_cut_off_before_the_body_of_its_request() {
    let scratch = Scratch::new("http");
    let server = Server::start(scratch.path(), &[]);
    for head in [
        "POST / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\n",
    ] {
        let mut client = server.client();
        client.send(format!("{head}Content-Length: 18\r\n\r\nSET injected yes\r\n").as_bytes());
        let rest = client.rest(Duration::from_secs(10)).expect("closed");
        assert!(!rest.ends_with(b"+OK\r\n"), "{}", rest.escape_ascii());
    }
    assert_eq!(server.client().text("EXISTS injected"), ":0\r\n");
}

#[test]
fn a_client_that_does_not_read_holds_up_only_itself() {
    let scratch = Scratch::new("deaf");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let value = vec![b'v'; 100_000];
    client.call(&[b"SET", b"big", &value]);
    let (before, _) = server.usage();
    let deaf: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            // Replies of 2 GB, if they were all made.
            let requests = encode(&[b"GET", b"big"]).repeat(20_000);
            let _ = stream.write_all(&requests);
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(client.text("PING"), "+PONG\r\n");
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    let (after, _) = server.usage();
    assert!(after < before + 64 * MIB, "{before} bytes became {after}");
    drop(deaf);
}

#[test]
fn dropped_connections_leave_nothing_behind() {
    let scratch = Scratch::new("dropped");
    let server = Server::start(scratch.path(), &[]);
    assert_serves(&server);
    let (_, before) = server.usage();
    for round in 0..4 {
        let open: Vec<TcpStream> = (0..250)
            .map(|index| {
                let mut stream = TcpStream::connect(server.address).unwrap();
                match index % 3 {
                    0 => {}
                    1 => stream.write_all(b"*2\r\n$3\r\nGET\r\n$5\r\nab").unwrap(),
                    _ => stream.write_all(b"WATCH a\r\nMULTI\r\nPING\r\n").unwrap(),
                }
                stream
            })
            .collect();
        drop(open);
        assert_serves(&server);
        let _ = round;
    }
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let (_, after) = server.usage();
        if after <= before {
            break;
        }
        assert!(Instant::now() < until, "{before} handles became {after}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        server
            .client()
            .text("INFO clients")
            .contains("connected_clients:1\r")
    );
}

#[test]
fn one_client_too_many_is_told_so() {
    let scratch = Scratch::new("maxclients");
    let server = Server::start(scratch.path(), &["--maxclients", "3"]);
    let mut clients: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.text("PING"), "+PONG\r\n");
    }
    let rest = server.client().rest(Duration::from_secs(10)).unwrap();
    assert_eq!(rest, b"-ERR max number of clients reached\r\n");
    clients.pop();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = server.client();
        client.send(&encode(&[b"PING"]));
        if client.reply().as_deref() == Some(b"+PONG\r\n") {
            break;
        }
        assert!(
            Instant::now() < until,
            "a place that came free is not given away"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn running_out_of_handles_pauses_accepting() {
    let scratch = Scratch::new("handles");
    let server = Server::start(scratch.path(), &[]);
    let mut first = server.client();
    assert_eq!(first.text("SET a 1"), "+OK\r\n");
    // As many handles as it has now and a few more, whatever it asked for at its start.
    let (_, used) = server.usage();
    let limit = format!("--nofile={}:{}", used + 4, used + 4);
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &server.child.id().to_string(), &limit])
        .status();
    if !limited.is_ok_and(|status| status.success()) {
        eprintln!("NOT RUN: needs prlimit (apt-get install util-linux)");
        return;
    }
    // The kernel takes connections in that the server has no handle for.
    let mut waiting: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for client in &mut waiting {
        client.send(&encode(&[b"GET", b"a"]));
    }
    for _ in 0..100 {
        assert_eq!(first.text("PING"), "+PONG\r\n");
    }
    // Accepting rests between attempts: the loop does not spin on a listener that stays ready.
    let cpu_ticks = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = cpu_ticks();
    std::thread::sleep(Duration::from_secs(1));
    let spent = cpu_ticks() - before;
    assert!(
        spent < 50,
        "{spent} hundredths of a second of work in one second of waiting"
    );
    // As some leave, the others are served, one after another.
    for mut client in waiting {
        assert_eq!(client.reply().as_deref(), Some(&b"$1\r\n1\r\n"[..]));
    }
    assert_eq!(first.text("PING"), "+PONG\r\n");
}

#[test]
fn what_a_transaction_queues_counts_as_input() {
    let scratch = Scratch::new("queued");
    let server = Server::start(scratch.path(), &[]);
    assert_eq!(
        server
            .client()
            .text("CONFIG SET client-query-buffer-limit 1mb"),
        "+OK\r\n"
    );
    let mut client = server.client();
    assert_eq!(client.text("CLIENT NO-EVICT ON"), "+OK\r\n");
    assert_eq!(client.text("MULTI"), "+OK\r\n");
    let value = vec![b'x'; 500 << 10];
    for _ in 0..3 {
        // It may be closed already.
        let _ = client.stream.write_all(&encode(&[b"SET", b"key", &value]));
    }
    let mut rest = Vec::new();
    // Its end, or a reset for what was not read.
    let _ = client.stream.read_to_end(&mut rest);
    assert_eq!(rest.len() % b"+QUEUED\r\n".len(), 0);
    assert!(rest.len() <= 2 * b"+QUEUED\r\n".len());
    assert_serves(&server);
}
