//! The metrics endpoint, as Prometheus asks it.

use crate::support::{Scratch, Server};
use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The answer to a request.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.metrics.unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_are_told_in_prometheus_format() {
    let scratch = Scratch::new("metrics");
    let server = Server::start(scratch.path(), &["--metrics", "127.0.0.1:0"]);
    let mut client = server.client();
    client.text("SET a 1");
    client.text("GET a");
    client.text("GET b");
    client.text("CLIENT ID");
    let answer = ask(&server, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{head}"
    );
    for line in [
        "underpin_connected_clients 1",
        "underpin_keyspace_hits_total 1",
        "underpin_keyspace_misses_total 1",
        "underpin_commands_total{cmd=\"get\"} 2",
        "underpin_commands_total{cmd=\"client|id\"} 1",
        "underpin_request_duration_seconds_bucket{le=\"+Inf\"} 4",
        "underpin_request_duration_seconds_count 4",
    ] {
        assert!(
            body.lines().any(|other| other == line),
            "{line} is missing in {body}"
        );
    }
    // Each sample belongs to the metric that was announced last, and none is there twice.
    let (mut announced, mut seen) = (String::new(), HashSet::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            announced = rest.split(' ').next().unwrap().to_string();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(&announced), "{line} after {announced}");
        assert!(seen.insert(name), "{name} is there twice");
        value.parse::<f64>().unwrap();
    }
    // They are no clients.
    assert_eq!(
        client
            .text("INFO clients")
            .matches("connected_clients:1\r")
            .count(),
        1
    );
}

#[test]
fn other_requests_for_metrics_are_refused() {
    let scratch = Scratch::new("metrics-refused");
    let server = Server::start(scratch.path(), &["--metrics", "127.0.0.1:0"]);
    let head = ask(&server, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\nSET a 1\r\n", "405"),
        ("SET a 1\r\n\r\n", "405"),
        (&format!("GET /{}", "x".repeat(9000)), "431"),
    ] {
        let answer = ask(&server, request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(server.client().text("EXISTS a"), ":0\r\n");
    // Connections that ask for nothing leave room for those of clients, and are bounded.
    let silent: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(server.metrics.unwrap()).unwrap())
        .collect();
    assert_eq!(server.client().text("PING"), "+PONG\r\n");
    let list = server.client().text("CLIENT LIST");
    assert!(
        list.lines().filter(|line| line.starts_with("id=")).count() <= 2,
        "{list}"
    );
    drop(silent);
}

#[test]
fn metrics_are_told_when_no_client_can_come_in() {
    let scratch = Scratch::new("metrics-full");
    let server = Server::start(
        scratch.path(),
        &["--metrics", "127.0.0.1:0", "--maxclients", "1"],
    );
    let mut client = server.client();
    client.text("PING");
    let answer = ask(&server, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(
        answer.contains("\nunderpin_connected_clients 1\n"),
        "{answer}"
    );
}
