//! Transactions between clients.

use crate::support::{Scratch, Server};

#[test]
fn a_watched_key_that_another_client_writes_stops_exec() {
    let scratch = Scratch::new("watch");
    let server = Server::start(scratch.path(), &[]);
    let (mut a, mut b) = (server.client(), server.client());
    for (theirs, stops) in [
        ("SET k 2", true),
        ("DEL k", true),
        ("APPEND k x", true),
        ("EXPIRE k 100", true),
        ("FLUSHALL", true),
        ("RENAME k other", true),
        ("MSET z 1 k 2", true),
        ("GET k", false),
        ("SET other 1", false),
        ("SET k 2 NX", false),
    ] {
        a.text("SET k 1");
        a.text("WATCH other2 k");
        b.text(theirs);
        a.text("MULTI");
        a.text("SET k mine");
        let expected = if stops { "*-1\r\n" } else { "*1\r\n+OK\r\n" };
        assert_eq!(a.text("EXEC"), expected, "after {theirs}");
    }
}

#[test]
fn an_expired_watched_key_stops_exec() {
    let scratch = Scratch::new("watch-expired");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("SET k 1 PX 30");
    client.text("WATCH k");
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.text("MULTI");
    client.text("PING");
    assert_eq!(client.text("EXEC"), "*-1\r\n");
}

#[test]
fn commands_of_other_clients_do_not_come_between() {
    let scratch = Scratch::new("atomic");
    let server = Server::start(scratch.path(), &[]);
    let address = server.address;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = crate::support::Client::connect(address);
                for _ in 0..200 {
                    client.text("MULTI");
                    client.text("INCR x");
                    client.text("INCR y");
                    client.text("MGET x y");
                    let reply = client.text("EXEC");
                    let numbers: Vec<&str> = reply
                        .split("\r\n")
                        .filter(|word| word.starts_with(':'))
                        .collect();
                    assert_eq!(numbers[0], numbers[1], "{reply}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(
        server.client().text("MGET x y"),
        "*2\r\n$3\r\n800\r\n$3\r\n800\r\n"
    );
}
