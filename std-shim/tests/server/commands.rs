//! Replies that only this server can be asked for, in both versions of the protocol. What Redis answers as well is compared
//! with Redis itself in `differential`.

use crate::support::{Scratch, Server, encode};
use std::collections::BTreeSet;

#[test]
fn greeting_tells_the_version_in_the_version_asked_for() {
    let scratch = Scratch::new("greeting");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    assert!(client.text("HELLO").starts_with("*14\r\n$6\r\nserver\r\n"));
    assert!(
        client
            .text("HELLO 3 SETNAME me")
            .starts_with("%7\r\n$6\r\nserver\r\n")
    );
    assert_eq!(client.text("CLIENT GETNAME"), "$2\r\nme\r\n");
    assert_eq!(client.text("GET missing"), "_\r\n");
    assert!(client.text("CONFIG GET port").starts_with("%1\r\n"));
    assert!(client.text("INFO server").starts_with('='));
    assert!(client.text("HELLO 2").starts_with("*14\r\n"));
    assert_eq!(client.text("GET missing"), "$-1\r\n");
    assert!(client.text("CONFIG GET port").starts_with("*2\r\n"));
    assert!(client.text("INFO server").starts_with('$'));
}

#[test]
fn info_has_the_fields_that_programs_read() {
    let scratch = Scratch::new("info");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("SET a 1");
    client.text("GET a");
    client.text("GET b");
    client.text("nosuch");
    let info = client.text("INFO");
    for field in [
        "# Server",
        "redis_version:",
        "run_id:",
        "uptime_in_seconds:",
        "# Clients",
        "connected_clients:1\r",
        "maxclients:",
        "# Memory",
        "used_memory:",
        "# Persistence",
        "aof_enabled:1",
        "# Stats",
        "keyspace_hits:1\r",
        "keyspace_misses:1\r",
        "total_error_replies:1\r",
        "# Keyspace",
        "db0:keys=1,",
    ] {
        assert!(info.contains(field), "{field} is missing in {info}");
    }
    let one = client.text("INFO stats");
    assert!(one.contains("# Stats") && !one.contains("# Server"));
    client.text("CONFIG RESETSTAT");
    assert!(client.text("INFO stats").contains("keyspace_hits:0\r"));
}

#[test]
fn command_describes_the_table() {
    let scratch = Scratch::new("command");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let count = client.text("COMMAND COUNT");
    let all = client.text("COMMAND");
    assert_eq!(all.split("\r\n").next().unwrap()[1..], count.trim()[1..]);
    assert!(
        all.contains("*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n")
    );
    assert!(
        client
            .text("COMMAND INFO get nosuch")
            .starts_with("*2\r\n*10\r\n")
    );
    assert!(client.text("COMMAND DOCS get").contains("summary"));
    assert!(
        client
            .text("COMMAND LIST FILTERBY PATTERN get*")
            .starts_with("*6\r\n")
    );
    // Every command answers its own name with the wrong number of arguments, and none with "unknown".
    let names = client.text("COMMAND LIST");
    for name in names
        .split("\r\n")
        .filter(|word| word.starts_with(char::is_alphabetic))
    {
        if ["quit", "shutdown"].contains(&name) {
            continue;
        }
        let reply = client.text(&format!("{name} a b c d e f g h i j"));
        assert!(!reply.contains("unknown command"), "{name}: {reply}");
    }
}

#[test]
fn clients_see_and_close_each_other() {
    let scratch = Scratch::new("clients");
    let server = Server::start(scratch.path(), &[]);
    let (mut a, mut b) = (server.client(), server.client());
    a.text("CLIENT SETNAME first");
    b.text("CLIENT SETNAME second");
    assert_eq!(b.text("CLIENT SETINFO LIB-NAME tester"), "+OK\r\n");
    let list = a.text("CLIENT LIST");
    assert!(
        list.contains("name=first") && list.contains("name=second"),
        "{list}"
    );
    assert!(list.contains("lib-name=tester"));
    let id = b.text("CLIENT ID").trim()[1..].to_string();
    assert!(
        a.text(&format!("CLIENT LIST ID {id}"))
            .contains("name=second")
    );
    assert_eq!(a.text(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    assert_eq!(b.reply(), None, "a killed client is closed");
    assert!(!a.text("CLIENT LIST").contains("name=second"));
    a.send(&encode(&[b"CLIENT", b"REPLY", b"OFF"]));
    a.send(&encode(&[b"PING"]));
    assert_eq!(a.text("CLIENT REPLY ON"), "+OK\r\n");
    a.send(&encode(&[b"CLIENT", b"REPLY", b"SKIP"]));
    a.send(&encode(&[b"PING"]));
    assert_eq!(a.text("ECHO x"), "$1\r\nx\r\n");
    let mut c = server.client();
    assert_eq!(c.text("QUIT"), "+OK\r\n");
    assert_eq!(c.reply(), None);
}

#[test]
fn scan_returns_every_key_that_stays() {
    let scratch = Scratch::new("scan");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let stays: BTreeSet<String> = (0..1000).map(|index| format!("stays:{index}")).collect();
    for key in &stays {
        client.text(&format!("SET {key} x"));
    }
    let (mut cursor, mut seen, mut round) = ("0".to_string(), BTreeSet::new(), 0);
    loop {
        let reply = client.text(&format!("SCAN {cursor} COUNT 7 MATCH stays:*"));
        let mut words = reply
            .split("\r\n")
            .filter(|word| !word.starts_with(['*', '$']));
        cursor = words.next().unwrap().to_string();
        seen.extend(words.filter(|word| !word.is_empty()).map(str::to_string));
        if cursor == "0" {
            break;
        }
        // Keys come and go around the cursor meanwhile.
        client.text(&format!("SET goes:{round} x"));
        client.text(&format!("SET stays:{round}x x"));
        client.text(&format!("DEL goes:{} stays:{}x", round / 2, round / 2));
        round += 1;
        assert!(round < 10_000, "the scan does not end");
    }
    assert!(round > 100);
    assert!(
        stays.is_subset(&seen),
        "missing: {:?}",
        stays.difference(&seen).take(3)
    );
    // A cursor that nobody gave out still ends.
    let mut cursor = "123456789".to_string();
    for _ in 0..10_000 {
        let reply = client.text(&format!("SCAN {cursor} COUNT 100"));
        cursor = reply.split("\r\n").nth(2).unwrap().to_string();
        if cursor == "0" {
            return;
        }
    }
    panic!("a scan from an unknown cursor does not end");
}

#[test]
fn expired_keys_are_gone_everywhere() {
    let scratch = Scratch::new("expiry");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    for index in 0..2000 {
        client.text(&format!("SET gone:{index} x PX 60"));
    }
    client.text("SET stays x");
    client.text("SET later x EX 100");
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(client.text("GET gone:1"), "$-1\r\n");
    assert_eq!(client.text("EXISTS gone:1 gone:2 stays"), ":1\r\n");
    assert_eq!(client.text("TTL gone:3"), ":-2\r\n");
    assert_eq!(client.text("DBSIZE"), ":2\r\n");
    assert_eq!(
        client.text("KEYS *"),
        "*2\r\n$5\r\nlater\r\n$5\r\nstays\r\n"
    );
    assert_eq!(client.text("SETNX gone:1 new"), ":1\r\n");
    assert_eq!(client.text("DBSIZE"), ":3\r\n");
    // The sweep removes them from disk as well.
    for _ in 0..200 {
        // The first key may have been written anew before the sweep came by.
        let stats = client.text("INFO stats");
        if ["1999", "2000"]
            .iter()
            .any(|count| stats.contains(&format!("expired_keys:{count}\r")))
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!(
        "the sweep leaves expired keys: {}",
        client.text("INFO stats")
    );
}

#[test]
fn settings_can_be_asked_for_and_some_changed() {
    let scratch = Scratch::new("settings");
    let server = Server::start(scratch.path(), &["--appendfsync", "no"]);
    let mut client = server.client();
    assert_eq!(
        client.text("CONFIG GET appendfsync"),
        "*2\r\n$11\r\nappendfsync\r\n$2\r\nno\r\n"
    );
    assert_eq!(client.text("CONFIG SET appendfsync always"), "+OK\r\n");
    assert!(client.text("CONFIG GET APPEND*").contains("always"));
    assert!(
        client
            .text("CONFIG SET appendfsync never")
            .starts_with("-ERR CONFIG SET failed")
    );
    assert!(client.text("CONFIG SET dir /").contains("immutable"));
    assert_eq!(
        client.text("CONFIG GET save"),
        "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"
    );
    assert_eq!(client.text("CONFIG GET nosuch"), "*0\r\n");
    assert_eq!(client.text("SAVE"), "+OK\r\n");
    assert_eq!(client.text("BGSAVE"), "+Background saving started\r\n");
    assert!(client.text("LASTSAVE").trim()[1..].parse::<u64>().unwrap() > 1_600_000_000);
    assert!(client.text("TIME").starts_with("*2\r\n$10\r\n"));
}
