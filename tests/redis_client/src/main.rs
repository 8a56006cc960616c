//! What a Rust program does with the server, through an unmodified redis crate: `client PORT`.
//!
//! Every answer is checked. The same program passes against redis-server, which is how its own expectations were checked.

use redis::{Client, Connection, ErrorKind, ProtocolVersion, RedisResult, cmd, pipe, transaction};
use std::collections::HashSet;
use std::thread;
use std::time::Duration;

const KEYS: usize = 3_000;

type Part = fn(&mut Connection, &Client) -> RedisResult<()>;

fn get(connection: &mut Connection, key: &str) -> RedisResult<Option<Vec<u8>>> {
    cmd("GET").arg(key).query(connection)
}

fn strings(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let every_byte: Vec<u8> = (0..=255).collect();
    cmd("SET").arg("bytes").arg(&every_byte).exec(connection)?;
    assert_eq!(get(connection, "bytes")?, Some(every_byte));
    assert_eq!(get(connection, "absent")?, None);
    cmd("MSET")
        .arg(&[("a", "1"), ("b", "2")])
        .exec(connection)?;
    let both: (i64, Option<String>) = cmd("MGET").arg("a").arg("absent").query(connection)?;
    assert_eq!(both, (1, None));
    let removed: usize = cmd("DEL")
        .arg("a")
        .arg("b")
        .arg("absent")
        .query(connection)?;
    assert_eq!(removed, 2);
    let common: String = {
        cmd("MSET")
            .arg(&[("x", "ohmytext"), ("y", "mynewtext")])
            .exec(connection)?;
        cmd("LCS").arg("x").arg("y").query(connection)?
    };
    assert_eq!(common, "mytext");
    Ok(())
}

fn counters(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let count: i64 = cmd("INCRBY").arg("n").arg(42).query(connection)?;
    assert_eq!(count, 42);
    let half: f64 = cmd("INCRBYFLOAT").arg("n").arg(0.5).query(connection)?;
    assert!((half - 42.5).abs() < f64::EPSILON);
    let refused = cmd("INCR").arg("n").exec(connection).unwrap_err();
    assert!(refused.to_string().contains("not an integer"), "{refused}");
    Ok(())
}

fn conditions(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let set = |connection: &mut Connection, value: &str, condition: &str| -> RedisResult<bool> {
        cmd("SET")
            .arg("lock")
            .arg(value)
            .arg(condition)
            .query(connection)
    };
    assert!(set(connection, "me", "NX")?);
    assert!(!set(connection, "you", "NX")?);
    assert!(set(connection, "me again", "XX")?);
    Ok(())
}

fn expiry(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    cmd("SET")
        .arg("brief")
        .arg("x")
        .arg("PX")
        .arg(60)
        .exec(connection)?;
    cmd("SET")
        .arg("long")
        .arg("x")
        .arg("EX")
        .arg(100)
        .exec(connection)?;
    let left: i64 = cmd("TTL").arg("long").query(connection)?;
    assert!((90..=100).contains(&left));
    let kept: bool = cmd("PERSIST").arg("long").query(connection)?;
    assert!(kept);
    thread::sleep(Duration::from_millis(150));
    assert_eq!(get(connection, "brief")?, None);
    Ok(())
}

fn scanning(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    cmd("FLUSHDB").exec(connection)?;
    let wanted: HashSet<String> = (0..KEYS).map(|number| format!("user:{number}")).collect();
    let mut writes = pipe();
    for key in &wanted {
        writes.cmd("SET").arg(key).arg(key).ignore();
    }
    writes.exec(connection)?;
    let size: usize = cmd("DBSIZE").query(connection)?;
    assert_eq!(size, KEYS);
    let mut scan = cmd("SCAN");
    scan.cursor_arg(0)
        .arg("MATCH")
        .arg("user:*")
        .arg("COUNT")
        .arg(100);
    let found: RedisResult<HashSet<String>> = scan.iter(connection)?.collect();
    assert_eq!(found?, wanted);
    Ok(())
}

fn pipelines(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let mut many = pipe();
    for _ in 0..5_000 {
        many.cmd("INCR").arg("counted");
    }
    let answers: Vec<i64> = many.query(connection)?;
    assert!(answers.into_iter().eq(1..=5_000));
    Ok(())
}

fn transactions(connection: &mut Connection, client: &Client) -> RedisResult<()> {
    let mut other = client.get_connection()?;
    cmd("SET").arg("watched").arg(1).exec(connection)?;
    let mut rounds = 0;
    let (after,): (i64,) = transaction(connection, &["watched"], |connection, pipe| {
        rounds += 1;
        let before: i64 = cmd("GET").arg("watched").query(connection)?;
        if rounds == 1 {
            // Somebody else's write makes the first attempt start again.
            cmd("INCR").arg("watched").exec(&mut other)?;
        }
        pipe.cmd("SET").arg("watched").arg(before * 10).ignore();
        pipe.cmd("GET").arg("watched").query(connection)
    })?;
    assert_eq!((after, rounds), (20, 2));
    Ok(())
}

fn large_values(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let large: Vec<u8> = (0..16 << 20)
        .map(|number: u32| number.to_le_bytes()[1])
        .collect();
    cmd("SET").arg("large").arg(&large).exec(connection)?;
    assert_eq!(get(connection, "large")?, Some(large));
    Ok(())
}

fn pauses(connection: &mut Connection, client: &Client) -> RedisResult<()> {
    let mut other = client.get_connection()?;
    cmd("CLIENT")
        .arg("PAUSE")
        .arg(100_000)
        .arg("WRITE")
        .exec(connection)?;
    let writer = thread::spawn(move || cmd("SET").arg("held").arg("x").exec(&mut other));
    thread::sleep(Duration::from_millis(50));
    assert_eq!(get(connection, "held")?, None);
    cmd("CLIENT").arg("UNPAUSE").exec(connection)?;
    writer.join().unwrap()?;
    assert_eq!(get(connection, "held")?, Some(b"x".to_vec()));
    Ok(())
}

fn errors(connection: &mut Connection, _: &Client) -> RedisResult<()> {
    let unknown = cmd("NOSUCH").arg("x").exec(connection).unwrap_err();
    assert!(unknown.to_string().contains("unknown command"), "{unknown}");
    cmd("SET").arg("word").arg("abc").exec(connection)?;
    let wrong = cmd("GET").arg("word").query::<i64>(connection).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Parse);
    let alive: String = cmd("PING").query(connection)?;
    assert_eq!(alive, "PONG", "an error leaves the connection usable");
    Ok(())
}

fn main() -> RedisResult<()> {
    let port = std::env::args().nth(1).expect("a port");
    for (protocol, version) in [
        ("", ProtocolVersion::RESP2),
        ("?protocol=resp3", ProtocolVersion::RESP3),
    ] {
        let client = Client::open(format!("redis://127.0.0.1:{port}/{protocol}"))?;
        let mut connection = client.get_connection()?;
        cmd("FLUSHDB").exec(&mut connection)?;
        let parts: [Part; 10] = [
            strings,
            counters,
            conditions,
            expiry,
            scanning,
            pipelines,
            transactions,
            large_values,
            pauses,
            errors,
        ];
        for part in parts {
            part(&mut connection, &client)?;
        }
        cmd("FLUSHDB").exec(&mut connection)?;
        println!("redis crate, {version:?}: all answers right");
    }
    Ok(())
}
