//! The process: how it starts, refuses to start, and ends.

use crate::support::{BINARY, Scratch, Server, encode, signal};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a server that is expected to give up.
fn refused(directory: &Path, listen: &str) -> Output {
    let mut child = Command::new(BINARY)
        .args(["serve", "--listen", listen, "--dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn assert_refused(output: &Output, words: &[&str]) {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    for word in words {
        assert!(
            complaint.contains(word),
            "{word} is missing in: {complaint}"
        );
    }
}

#[test]
fn port_in_use_is_said() {
    let scratch = Scratch::new("port");
    let (first, second) = (scratch.path().join("first"), scratch.path().join("second"));
    let server = Server::start(&first, &[]);
    let address = server.address.to_string();
    assert_refused(
        &refused(&second, &address),
        &["cannot listen", &address, "in use"],
    );
}

#[test]
fn directory_in_use_is_said() {
    let scratch = Scratch::new("locked");
    let mut server = Server::start(scratch.path(), &[]);
    server.client().text("SET a 1");
    let output = refused(scratch.path(), "127.0.0.1:0");
    assert_refused(
        &output,
        &["open elsewhere", &scratch.path().display().to_string()],
    );
    assert_eq!(server.client().text("GET a"), "$1\r\n1\r\n");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn directory_that_cannot_be_made_is_said() {
    let scratch = Scratch::new("unwritable");
    let file = scratch.path().join("file");
    std::fs::write(&file, "x").unwrap();
    // Below a file nothing can be made, whoever asks.
    assert_refused(&refused(&file.join("below"), "127.0.0.1:0"), &["below"]);
    assert_refused(&refused(&file, "127.0.0.1:0"), &["file"]);
    // A file system that takes no new names.
    assert_refused(
        &refused(Path::new("/proc/underpin"), "127.0.0.1:0"),
        &["/proc/underpin"],
    );
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        &["serve"][..],
        &["serve", "--dir", "/tmp/x", "--listen", "nowhere"],
        &["serve", "--dir", "/tmp/x", "--appendfsync", "sometimes"],
        &["serve", "--dir", "/tmp/x", "--maxclients", "0"],
        &["nosuch"],
        &[],
    ] {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn terminate_ends_in_order_and_keeps_everything() {
    for name in ["TERM", "INT"] {
        let scratch = Scratch::new(&format!("terminate-{name}"));
        let mut server = Server::start(scratch.path(), &["--appendfsync", "no"]);
        let mut client = server.client();
        for index in 0..500 {
            client.text(&format!("SET key:{index} {index}"));
        }
        // Replies on their way are delivered.
        client.send(&encode(&[b"GET", b"key:1"]));
        assert_eq!(client.reply().unwrap(), b"$1\r\n1\r\n");
        signal(&server.child, name);
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        assert_eq!(client.reply(), None);
        let server = Server::start(scratch.path(), &[]);
        let mut client = server.client();
        assert_eq!(client.text("DBSIZE"), ":500\r\n");
        assert_eq!(client.text("GET key:499"), "$3\r\n499\r\n");
    }
}

#[test]
fn shutdown_command_ends_in_order() {
    let scratch = Scratch::new("shutdown");
    let mut server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("SET a 1");
    client.send(&encode(&[b"SHUTDOWN", b"NOSAVE"]));
    assert_eq!(client.reply(), None);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert_eq!(
        Server::start(scratch.path(), &[]).client().text("GET a"),
        "$1\r\n1\r\n"
    );
}

#[test]
fn expiry_and_binary_keys_survive_a_restart() {
    let scratch = Scratch::new("restart");
    let key: Vec<u8> = (0..=255).collect();
    {
        let mut server = Server::start(scratch.path(), &[]);
        let mut client = server.client();
        client.call(&[b"SET", &key, &key]);
        client.text("SET soon x PX 50");
        client.text("SET late x EX 1000");
        assert_eq!(server.terminate(), Some(0));
    }
    std::thread::sleep(Duration::from_millis(60));
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let reply = client.call(&[b"GET", &key]);
    assert!(reply.windows(256).any(|part| part == key));
    assert_eq!(client.text("EXISTS soon"), ":0\r\n");
    let ttl = client.text("TTL late");
    assert!(
        (990..=1000).contains(&ttl.trim()[1..].parse::<i64>().unwrap()),
        "{ttl}"
    );
}
