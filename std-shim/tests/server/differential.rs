//! The same command lines to this server and to `redis-server`: the replies have to be the same bytes.
//!
//! Not compared: commands whose replies are a server's own affair (INFO, COMMAND, CONFIG GET, CLIENT LIST, TIME, RANDOMKEY), and
//! the order in which KEYS and SCAN list keys. DBSIZE is compared after a KEYS, as Redis counts expired keys until it meets them.

use crate::support::{Client, Random, Scratch, Server, encode, has_program, seed};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `redis-server` without persistence.
struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Redis {
    fn start(scratch: &Scratch) -> Self {
        for _ in 0..20 {
            if let Some(redis) = Self::try_start(scratch) {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// Starts it on a port that was free a moment ago; `None` if somebody else took the port.
    fn try_start(scratch: &Scratch) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args([
                "--save",
                "",
                "--appendonly",
                "no",
                "--databases",
                "1",
                "--dir",
            ])
            .arg(scratch.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut redis = Self { child, address };
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(address).is_err() {
            if redis.child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < until, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        let own = format!("process_id:{}\r", redis.child.id());
        let info = Client::connect(address).text("INFO server");
        info.contains(&own).then_some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test` with both servers, or says loudly that it did not.
fn with_both(name: &str, test: impl FnOnce(&Server, &Redis)) {
    if !has_program("redis-server") {
        eprintln!("NOT RUN: {name}: redis-server is not installed (apt-get install redis-server)");
        return;
    }
    let (ours, theirs) = (
        Scratch::new(&format!("{name}-ours")),
        Scratch::new(&format!("{name}-theirs")),
    );
    test(&Server::start(ours.path(), &[]), &Redis::start(&theirs));
}

/// A pair of connections that are told the same.
struct Pair {
    ours: Client,
    theirs: Client,
    differences: Vec<String>,
}

impl Pair {
    fn new(server: &Server, redis: &Redis) -> Self {
        Self {
            ours: server.client(),
            theirs: Client::connect(redis.address),
            differences: Vec::new(),
        }
    }

    fn compare(&mut self, args: &[&[u8]]) {
        let (ours, theirs) = (self.ours.call(args), self.theirs.call(args));
        if normal(args, &ours) != normal(args, &theirs) {
            let line: Vec<String> = args
                .iter()
                .map(|arg| arg.escape_ascii().to_string())
                .collect();
            self.differences.push(format!(
                "{}\n    ours   {}\n    redis  {}",
                line.join(" "),
                ours.escape_ascii(),
                theirs.escape_ascii()
            ));
        }
    }

    fn line(&mut self, line: &str) {
        self.compare(&words(line));
    }

    fn finish(self) {
        assert!(
            self.differences.is_empty(),
            "{} replies differ:\n{}",
            self.differences.len(),
            self.differences.join("\n")
        );
    }
}

fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ')
        .map(|word| if word == "''" { "" } else { word }.as_bytes())
        .collect()
}

/// The reply with the parts in order whose order is the server's own affair.
fn normal(args: &[&[u8]], reply: &[u8]) -> Vec<u8> {
    let lists_keys = [&b"keys"[..], b"scan", b"exec"]
        .iter()
        .any(|name| args[0].eq_ignore_ascii_case(name));
    if !lists_keys {
        return reply.to_vec();
    }
    let mut lines: Vec<&[u8]> = reply.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines.join(&b'\n')
}

const LINES: &str = include_str!("lines.txt");

#[test]
fn chosen_lines_have_redis_replies() {
    with_both("chosen_lines", |server, redis| {
        for version in ["2", "3"] {
            let mut pair = Pair::new(server, redis);
            if version == "3" {
                for client in [&mut pair.ours, &mut pair.theirs] {
                    client.text("HELLO 3");
                }
            }
            pair.line("FLUSHALL");
            let lines = LINES
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            for line in lines {
                pair.line(line);
            }
            pair.finish();
        }
    });
}

#[test]
fn random_lines_have_redis_replies() {
    with_both("random_lines", |server, redis| {
        let mut random = Random(seed());
        for version in ["2", "3"] {
            let mut pair = Pair::new(server, redis);
            pair.line("FLUSHALL");
            if version == "3" {
                for client in [&mut pair.ours, &mut pair.theirs] {
                    client.text("HELLO 3");
                }
            }
            for _ in 0..4000 {
                let args = random_command(&mut random);
                let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                pair.compare(&args);
            }
            pair.line("EXEC");
            pair.line("KEYS *");
            pair.line("DBSIZE");
            pair.finish();
        }
    });
}

/// Commands whose replies are compared, with the kinds of their arguments: k key, v value, n number, f float, q key of a float, w its value, o option, e the same without order, t time, p pattern, b bit's index, j bit, a c d g h parts of BITFIELD, u unit, x operation, y option of COPY, z part of OBJECT;
/// a capital may be there or not.
const COMMANDS: &[(&str, &str)] = &[
    ("GET", "k"),
    ("SET", "kv"),
    ("SET", "kvOOTO"),
    ("SET", "kvoT"),
    ("SETNX", "kv"),
    ("GETSET", "kv"),
    ("GETDEL", "k"),
    ("GETEX", "kOT"),
    ("MGET", "kKK"),
    ("MSET", "kvKV"),
    ("MSETNX", "kvKV"),
    ("DEL", "kKK"),
    ("UNLINK", "kK"),
    ("EXISTS", "kKK"),
    ("TOUCH", "kK"),
    ("INCR", "k"),
    ("DECR", "k"),
    ("INCRBY", "kn"),
    ("DECRBY", "kn"),
    ("INCRBYFLOAT", "qf"),
    ("SET", "qw"),
    ("GET", "q"),
    ("APPEND", "kv"),
    ("STRLEN", "k"),
    ("GETRANGE", "knn"),
    ("SUBSTR", "knn"),
    ("SETRANGE", "ksv"),
    ("SETBIT", "kbn"),
    ("SETBIT", "kbj"),
    ("GETBIT", "kb"),
    ("BITCOUNT", "knnU"),
    ("BITCOUNT", "kNN"),
    ("BITPOS", "kjNNU"),
    ("BITFIELD", "kacdn"),
    ("BITFIELD", "kacdnacdn"),
    ("BITFIELD", "khgacdnHGacdn"),
    ("BITFIELD", "kacd"),
    ("BITFIELD_RO", "kacdACD"),
    ("BITOP", "xkkKK"),
    ("COPY", "kkY"),
    ("OBJECT", "zk"),
    ("EXPIRE", "ktE"),
    ("EXPIREAT", "ktO"),
    ("PERSIST", "k"),
    ("TYPE", "k"),
    ("RENAME", "kk"),
    ("RENAMENX", "kk"),
    ("KEYS", "p"),
    ("ECHO", "v"),
    ("PING", "V"),
    ("SELECT", "n"),
    ("MULTI", ""),
    ("EXEC", ""),
    ("EXEC", ""),
    ("DISCARD", ""),
    ("WATCH", "kK"),
    ("UNWATCH", ""),
    ("CLIENT", "o"),
    ("NOSUCH", "kV"),
    ("FLUSHDB", "O"),
];

fn random_command(random: &mut Random) -> Vec<Vec<u8>> {
    let (name, kinds) = COMMANDS[random.below(COMMANDS.len())];
    let mut args = vec![match random.below(8) {
        0 => name.to_lowercase().into_bytes(),
        _ => name.as_bytes().to_vec(),
    }];
    for kind in kinds.chars() {
        if kind.is_uppercase() && random.below(2) == 0 {
            continue;
        }
        args.push(random_argument(random, kind.to_ascii_lowercase()));
    }
    match random.below(40) {
        0 => args.push(b"extra".to_vec()),
        1 if args.len() > 1 => drop(args.pop()),
        _ => {}
    }
    args
}

/// A float in one of the spellings that C reads, or nearly one.
fn random_float(random: &mut Random) -> String {
    let digits = |random: &mut Random, most: usize| -> String {
        (0..random.below(most))
            .map(|_| char::from(b'0' + random.next().to_le_bytes()[0] % 10))
            .collect()
    };
    let sign = random.choose(&["", "", "-", "+"]);
    let (whole, fraction) = (digits(random, 22), digits(random, 25));
    let exponent = match random.below(8) {
        0 => format!("e{}", random.below(40)),
        1 => format!("E-{}", random.below(40)),
        2 => format!("e{}", random.below(9900) as i64 - 4950),
        _ => String::new(),
    };
    match random.below(12) {
        0 => format!(
            "{sign}0x{:x}.{:x}p{}",
            random.next(),
            random.next(),
            random.below(80)
        ),
        1 => format!("{sign}{whole}{exponent}"),
        2 => random.next().cast_signed().to_string(),
        _ => format!("{sign}{whole}.{fraction}{exponent}"),
    }
}

#[test]
fn random_float_sums_are_those_of_redis() {
    with_both("random_floats", |server, redis| {
        let mut random = Random(seed());
        let mut pair = Pair::new(server, redis);
        for _ in 0..2000 {
            let (start, delta) = (random_float(&mut random), random_float(&mut random));
            // Sometimes several in a row, which start from what was printed.
            if random.below(3) > 0 {
                pair.compare(&[b"SET", b"float", start.as_bytes()]);
            }
            pair.compare(&[b"INCRBYFLOAT", b"float", delta.as_bytes()]);
        }
        pair.finish();
    });
}

fn random_argument(random: &mut Random, kind: char) -> Vec<u8> {
    let big = "x".repeat(100);
    let text = match kind {
        'k' => random.choose(&["a", "b", "c", "d", "key:1", "key:2", "", "n", "f"]),
        'v' => random.choose(&[
            "",
            "1",
            "-5",
            "abc",
            "3.25",
            "9223372036854775807",
            "hello world",
            " 7",
            &big,
            "-9223372036854775808",
            "1e3",
        ]),
        // Far away or long past, here and behind PX: the two servers read their clocks at slightly different moments.
        't' => random.choose(&["500000", "600000", "0", "-1", "abc", "9223372036854775807"]),
        'e' => random.choose(&["NX", "XX", "nx", "bogus"]),
        'q' => random.choose(&["float:1", "float:2"]),
        'w' => random.choose(&["0", "-7", "3.25", "1e3", "abc"]),
        'n' => random.choose(&[
            "0",
            "1",
            "-1",
            "2",
            "-3",
            "100",
            "5000",
            "9223372036854775807",
            "-9223372036854775808",
            "abc",
            "",
            "1.5",
            "99999999999",
            "+1",
            "01",
        ]),
        's' => random.choose(&[
            "0",
            "1",
            "5",
            "-1",
            "200",
            "abc",
            "536870912",
            "9223372036854775807",
        ]),
        'b' => random.choose(&["0", "7", "8", "100", "-1", "abc", "4294967296"]),
        'a' => random.choose(&["GET", "SET", "INCRBY", "INCRBY", "incrby"]),
        'c' => random.choose(&[
            "u8", "i8", "u1", "i1", "i5", "u13", "u63", "i64", "i64", "u64", "i65", "u0", "I8", "x",
        ]),
        'd' => random.choose(&["0", "1", "5", "#1", "#3", "100", "-1", "#-1", "#", "abc"]),
        'g' => random.choose(&["WRAP", "SAT", "FAIL", "sat", "bogus"]),
        'h' => random.choose(&["OVERFLOW", "overflow"]),
        'j' => random.choose(&["0", "1"]),
        'u' => random.choose(&["BIT", "BYTE", "bit", "bogus"]),
        'x' => random.choose(&["AND", "OR", "XOR", "NOT", "not", "bogus"]),
        'y' => random.choose(&["REPLACE", "DB", "replace", "bogus"]),
        'z' => random.choose(&["FREQ", "bogus"]),
        'f' => random.choose(&[
            "1",
            "0.5",
            "-2.25",
            "1e2",
            "abc",
            "",
            "inf",
            "-0",
            "1.125",
            "0.1",
            "3.3333333333",
        ]),
        'p' => random.choose(&[
            "*", "a", "?", "key:*", "[ab]", "[^ab]*", "*:*", "\\a", "[a-c]", "x*",
        ]),
        _ => random.choose(&[
            "NX", "XX", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST", "GT", "LT", "nx",
            "SYNC", "ASYNC", "bogus", "GETNAME", "500000",
        ]),
    };
    let mut bytes = text.as_bytes().to_vec();
    if kind == 'v' && random.below(20) == 0 {
        bytes = vec![0, 255, b'\r', b'\n', b'\''];
    }
    bytes
}

#[test]
fn broken_requests_have_redis_replies() {
    with_both("broken_requests", |server, redis| {
        let long = "x".repeat(70_000);
        let requests: Vec<String> = [
            "*1\r\n$4\r\nPING\r\n",
            "PING\r\n",
            "  PING  \r\n",
            "\r\n\r\nPING\r\n",
            "SET a 'b c'\r\nGET a\r\n",
            "ECHO \"\\x41\\n\\\"\"\r\n",
            "ECHO \"unbalanced\r\n",
            "ECHO 'a'b\r\n",
            "*a\r\n",
            "*99999999999999\r\n",
            "*1\r\nPING\r\n",
            "*1\r\n:1\r\n",
            "*1\r\n$a\r\n",
            "*1\r\n$-1\r\n",
            "*1\r\n$10000000000\r\n",
            "*1\r\n$536870913\r\n",
            "*0\r\nPING\r\n",
            "*-1\r\nPING\r\n",
            "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
            "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
            "PING\nPING\n",
            "GET / HTTP/1.0\r\n",
            "nosuch \"a\\nb\"\r\n",
        ]
        .into_iter()
        .map(str::to_string)
        .chain([
            long.clone(),
            format!("*{long}"),
            format!("*1\r\n${long}"),
            format!("nosuch {}\r\n", "y".repeat(300)),
            format!("{}\r\n", "z".repeat(300)),
        ])
        .collect();
        let mut differences = Vec::new();
        for request in requests {
            // QUIT ends the connections that the request leaves open.
            let all = [request.as_bytes(), &encode(&[b"QUIT"])].concat();
            let answers = [server.address, redis.address].map(|address| {
                let mut client = Client::connect(address);
                client.send(&all);
                client.rest(Duration::from_secs(10))
            });
            if answers[0] != answers[1] {
                let show = |answer: &Option<Vec<u8>>| {
                    answer
                        .as_ref()
                        .map_or("(open)".into(), |answer| answer.escape_ascii().to_string())
                };
                let start: String = request.escape_debug().take(60).collect();
                differences.push(format!(
                    "{start}\n    ours   {}\n    redis  {}",
                    show(&answers[0]),
                    show(&answers[1])
                ));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    });
}

/// The arguments of the newest entry of the slow log.
fn newest_slow(client: &mut Client) -> String {
    let reply = client.text("SLOWLOG GET 1");
    let lines: Vec<&str> = reply.split("\r\n").collect();
    // Before them come the number, the time and the duration; after them the client's address and name.
    lines[5..lines.len() - 5].join(" ")
}

#[test]
fn the_slow_log_keeps_what_redis_keeps() {
    with_both("slow_log", |server, redis| {
        let mut pair = Pair::new(server, redis);
        pair.line("CONFIG SET slowlog-log-slower-than 0");
        for line in [
            "SET k v",
            "AUTH secret",
            "AUTH name secret",
            "AUTH",
            "HELLO 2 AUTH default secret",
            "HELLO 2 SETNAME n AUTH default secret",
            "CONFIG SET requirepass ''",
            "CONFIG SET timeout 0 REQUIREPASS '' maxclients 100",
            "CONFIG SET requirepass secret timeout x",
            "CONFIG SET masterauth secret",
            "CONFIG GET requirepass",
            "CONFIG SET requirepass",
        ] {
            for client in [&mut pair.ours, &mut pair.theirs] {
                client.call(&words(line));
            }
            let (ours, theirs) = (newest_slow(&mut pair.ours), newest_slow(&mut pair.theirs));
            assert_eq!(ours, theirs, "{line}");
        }
        // A refused change takes nothing back, and trims nothing; a change trims when the next entry comes.
        pair.line("CONFIG SET slowlog-log-slower-than -1");
        pair.line("SLOWLOG LEN");
        pair.line("CONFIG SET slowlog-max-len 2 timeout x");
        pair.line("SLOWLOG LEN");
        pair.line("CONFIG GET slowlog-max-len");
        pair.line("CONFIG SET slowlog-max-len 2");
        pair.line("SLOWLOG LEN");
        pair.line("CONFIG SET slowlog-log-slower-than 0");
        pair.line("SLOWLOG LEN");
        pair.line("CONFIG SET slowlog-log-slower-than 10000 slowlog-max-len 128");
        pair.finish();
    });
}
