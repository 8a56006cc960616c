//! What somebody who runs the server needs: signing in, settings, slow requests, statistics.

use crate::support::{Scratch, Server, encode};
use std::time::Duration;

#[test]
fn nothing_is_answered_before_the_password() {
    let scratch = Scratch::new("password");
    let server = Server::start(scratch.path(), &["--requirepass", "open sesame"]);
    let mut client = server.client();
    for line in [
        "GET a",
        "SET a 1",
        "INFO",
        "MULTI",
        "CONFIG GET requirepass",
    ] {
        assert_eq!(client.text(line), "-NOAUTH Authentication required.\r\n");
    }
    assert!(client.text("HELLO 3").starts_with("-NOAUTH HELLO must be"));
    assert!(
        client
            .text("HELLO 3 AUTH default wrong")
            .starts_with("-WRONGPASS")
    );
    assert!(client.text("NOSUCH").starts_with("-ERR unknown command"));
    for wrong in ["", "open", "open sesame!", "Open sesame"] {
        let reply = client.call(&[b"AUTH", wrong.as_bytes()]);
        assert!(reply.starts_with(b"-WRONGPASS"), "{wrong}");
    }
    assert!(
        client
            .call(&[b"AUTH", b"nobody", b"open sesame"])
            .starts_with(b"-WRONGPASS")
    );
    assert_eq!(client.text("GET a"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(client.call(&[b"AUTH", b"open sesame"]), b"+OK\r\n");
    assert_eq!(client.text("SET a 1"), "+OK\r\n");
    // A wrong password later takes nothing away; a reset does.
    assert!(client.text("AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(client.text("GET a"), "$1\r\n1\r\n");
    client.text("RESET");
    assert_eq!(client.text("GET a"), "-NOAUTH Authentication required.\r\n");
    let greeting = client.call(&[b"HELLO", b"3", b"AUTH", b"default", b"open sesame"]);
    assert!(greeting.starts_with(b"%7\r\n"));
    assert_eq!(client.text("GET a"), "$1\r\n1\r\n");
    // No entry of the slow log holds the password.
    client.text("CONFIG SET slowlog-log-slower-than 0");
    client.call(&[b"AUTH", b"open sesame"]);
    assert!(!client.text("SLOWLOG GET").contains("sesame"));
}

#[test]
fn long_requests_wait_for_the_password() {
    let scratch = Scratch::new("untrusted");
    let server = Server::start(scratch.path(), &["--requirepass", "x"]);
    for (request, error) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (
            b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
            "unauthenticated bulk length",
        ),
    ] {
        let mut client = server.client();
        client.send(request);
        let rest = client.rest(Duration::from_secs(30)).expect("closed");
        assert_eq!(
            String::from_utf8_lossy(&rest),
            format!("-ERR Protocol error: {error}\r\n")
        );
    }
    let mut client = server.client();
    client.text("AUTH x");
    assert_eq!(
        client.call(&[b"SET", b"a", &vec![b'v'; 20_000]]),
        b"+OK\r\n"
    );
}

#[test]
fn a_password_can_be_set_and_taken_away() {
    let scratch = Scratch::new("requirepass");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    assert_eq!(client.text("CONFIG SET requirepass secret"), "+OK\r\n");
    assert_eq!(client.text("PING"), "+PONG\r\n", "who was in stays in");
    let mut other = server.client();
    assert!(other.text("PING").starts_with("-NOAUTH"));
    assert_eq!(other.text("AUTH secret"), "+OK\r\n");
    client.call(&[b"CONFIG", b"SET", b"requirepass", b""]);
    assert_eq!(server.client().text("PING"), "+PONG\r\n");
}

#[test]
fn slow_requests_are_kept_in_part() {
    let scratch = Scratch::new("slowlog");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("CONFIG SET slowlog-max-len 2 slowlog-log-slower-than 0");
    client.text("CLIENT SETNAME somebody");
    client.call(&[b"SET", b"a", &[b'v'; 200]]);
    let mut many: Vec<&[u8]> = vec![b"EXISTS"];
    many.extend([&b"k"[..]; 40]);
    client.call(&many);
    let log = client.text("SLOWLOG GET");
    assert!(log.starts_with("*2\r\n*6\r\n"), "{log}");
    assert!(
        log.contains("... (10 more arguments)") && log.contains("... (72 more bytes)"),
        "{log}"
    );
    assert!(log.contains("somebody"));
    assert_eq!(client.text("SLOWLOG LEN"), ":2\r\n");
    client.text("CONFIG SET slowlog-log-slower-than -1");
    client.text("SLOWLOG RESET");
    assert_eq!(client.text("SLOWLOG LEN"), ":0\r\n");
}

#[test]
fn what_each_command_did_is_told() {
    let scratch = Scratch::new("commandstats");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("SET a word");
    client.text("GET a");
    client.text("GET a");
    client.text("INCR a");
    client.text("CLIENT ID");
    client.text("MULTI");
    client.text("SAVE");
    client.text("EXEC");
    let info = client.text("INFO commandstats");
    for field in [
        "cmdstat_get:calls=2,",
        "cmdstat_incr:calls=1,",
        "rejected_calls=0,failed_calls=1\r\n",
        "cmdstat_client|id:calls=1,",
        "cmdstat_save:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,",
    ] {
        assert!(info.contains(field), "{field} is missing in {info}");
    }
    let info = client.text("INFO errorstats");
    assert!(
        info.contains("errorstat_ERR:count=2") && info.contains("errorstat_EXECABORT:count=1"),
        "{info}"
    );
    assert!(!client.text("INFO").contains("cmdstat_"));
    assert!(client.text("INFO all").contains("cmdstat_"));
}

#[test]
fn info_has_what_redis_exporter_reads() {
    let scratch = Scratch::new("exporter");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.text("SET a 1");
    let info = client.text("INFO ALL");
    for field in [
        "redis_version",
        "redis_build_id",
        "redis_mode",
        "os",
        "process_id",
        "run_id",
        "tcp_port",
        "uptime_in_seconds",
        "config_file",
        "connected_clients",
        "blocked_clients",
        "tracking_clients",
        "client_recent_max_input_buffer",
        "client_recent_max_output_buffer",
        "used_memory",
        "used_memory_rss",
        "used_memory_peak",
        "used_memory_lua",
        "total_system_memory",
        "maxmemory",
        "mem_fragmentation_ratio",
        "mem_clients_slaves",
        "mem_clients_normal",
        "loading",
        "rdb_changes_since_last_save",
        "rdb_last_save_time",
        "rdb_last_bgsave_status",
        "rdb_last_bgsave_time_sec",
        "rdb_current_bgsave_time_sec",
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_rewrite_scheduled",
        "aof_last_rewrite_time_sec",
        "aof_current_rewrite_time_sec",
        "aof_last_bgrewrite_status",
        "aof_last_write_status",
        "aof_current_size",
        "aof_base_size",
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "rejected_connections",
        "expired_keys",
        "evicted_keys",
        "keyspace_hits",
        "keyspace_misses",
        "pubsub_channels",
        "pubsub_patterns",
        "latest_fork_usec",
        "total_error_replies",
        "role",
        "connected_slaves",
        "master_repl_offset",
        "repl_backlog_size",
        "used_cpu_sys",
        "used_cpu_user",
        "used_cpu_sys_children",
        "used_cpu_user_children",
        "cluster_enabled",
        "db0",
    ] {
        assert!(
            info.contains(&format!("\r\n{field}:")),
            "{field} is missing in {info}"
        );
    }
    for line in info
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '$']))
    {
        assert!(line.contains(':'), "{line}");
    }
}

#[test]
fn types_that_are_not_there_are_refused_with_the_reason() {
    let scratch = Scratch::new("refused");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    for line in ["HSET h a 1", "lpush l a", "SADD s a", "ZADD z 1 a"] {
        let reply = client.text(line);
        assert!(
            reply.ends_with("is not supported: this server holds strings only\r\n"),
            "{reply}"
        );
    }
    assert_eq!(
        client.text("SUBSCRIBE a"),
        "-ERR SUBSCRIBE is not supported: this server does not have it\r\n"
    );
    client.text("MULTI");
    client.text("HSET h a 1");
    assert!(client.text("EXEC").starts_with("-EXECABORT"));
}

#[test]
fn containers_explain_themselves() {
    let scratch = Scratch::new("help");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    for container in [
        "CLIENT", "COMMAND", "CONFIG", "LATENCY", "MEMORY", "OBJECT", "SLOWLOG",
    ] {
        let help = client.text(&format!("{container} HELP"));
        let first =
            format!("+{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n");
        assert!(help.contains(&first), "{help}");
    }
    let wrong = client.text("CLIENT BOGUS");
    assert_eq!(
        wrong,
        "-ERR unknown subcommand 'BOGUS'. Try CLIENT HELP.\r\n"
    );
}

#[test]
fn idle_clients_are_closed_when_asked_for() {
    let scratch = Scratch::new("idle");
    let server = Server::start(scratch.path(), &[]);
    let mut idle = server.client();
    idle.text("PING");
    assert_eq!(server.client().text("CONFIG SET timeout 1"), "+OK\r\n");
    assert_eq!(idle.rest(Duration::from_secs(60)), Some(Vec::new()));
}

#[test]
fn a_client_that_stays_deaf_is_closed_when_asked_for() {
    let scratch = Scratch::new("soft-limit");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    client.call(&[
        b"CONFIG",
        b"SET",
        b"client-output-buffer-limit",
        b"normal 0 256kb 1",
    ]);
    assert!(
        client
            .text("CONFIG GET client-output-buffer-limit")
            .contains("normal 1073741824 262144 1")
    );
    client.call(&[b"SET", b"big", &vec![b'v'; 1 << 20]]);
    let mut deaf = server.client();
    deaf.send(&encode(&[b"GET", b"big"]).repeat(40));
    for _ in 0..600 {
        if client
            .text("CLIENT LIST")
            .lines()
            .filter(|line| line.contains("id="))
            .count()
            == 1
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it is still there: {}", client.text("CLIENT LIST"));
}

#[test]
fn settings_change_together_or_not_at_all() {
    let scratch = Scratch::new("together");
    let server = Server::start(scratch.path(), &[]);
    let mut client = server.client();
    let refused = client.text("CONFIG SET timeout 77 slowlog-log-slower-than 5 appendfsync never");
    assert!(refused.starts_with("-ERR CONFIG SET failed"), "{refused}");
    assert_eq!(
        client.text("CONFIG GET timeout"),
        "*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"
    );
    assert!(
        client
            .text("CONFIG GET slowlog-log-slower-than")
            .contains("10000")
    );
    assert_eq!(client.text("CONFIG SET proto-max-bulk-len 1mb"), "+OK\r\n");
    assert!(client.text("CONFIG GET proto*").contains("1048576"));
}

#[test]
fn a_background_save_is_a_database_of_that_moment() {
    let scratch = Scratch::new("bgsave");
    let (data, backups) = (scratch.path().join("data"), scratch.path().join("backups"));
    let server = Server::start(&data, &["--backup-dir", backups.to_str().unwrap()]);
    let mut client = server.client();
    for index in 0..2000 {
        client.text(&format!("SET key:{index} before"));
    }
    assert_eq!(client.text("BGSAVE"), "+Background saving started\r\n");
    // The server goes on meanwhile.
    client.text("SET key:0 after");
    let until = std::time::Instant::now() + Duration::from_secs(120);
    while client
        .text("INFO persistence")
        .contains("rdb_bgsave_in_progress:1")
    {
        assert!(std::time::Instant::now() < until, "the save does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    let info = client.text("INFO persistence");
    assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
    client.text("FLUSHALL");
    assert_eq!(client.text("SAVE"), "+OK\r\n");
    let mut copies: Vec<_> = std::fs::read_dir(&backups)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    copies.sort();
    assert_eq!(copies.len(), 2, "{copies:?}");
    // While the first server goes on with what they were copied from.
    let copy = Server::start(&copies[0], &[]);
    let mut reader = copy.client();
    assert_eq!(reader.text("DBSIZE"), ":2000\r\n");
    assert_eq!(reader.text("GET key:1999"), "$6\r\nbefore\r\n");
    assert_eq!(reader.text("SET mine x"), "+OK\r\n");
    let empty = Server::start(&copies[1], &[]);
    assert_eq!(empty.client().text("DBSIZE"), ":0\r\n");
    assert_eq!(client.text("EXISTS mine"), ":0\r\n");
}

#[test]
fn copies_that_were_cut_off_go_and_so_do_the_oldest() {
    let scratch = Scratch::new("bgsave-kept");
    let (data, backups) = (scratch.path().join("data"), scratch.path().join("backups"));
    // What a crash in the middle of a copy leaves, and two directories of somebody else.
    for name in ["underpin-5.part", "mine", "underpin-x.part"] {
        std::fs::create_dir_all(backups.join(name)).unwrap();
        std::fs::write(backups.join(name).join("LOCK"), "").unwrap();
    }
    let more = [
        "--backup-dir",
        backups.to_str().unwrap(),
        "--backups-kept",
        "2",
    ];
    let server = Server::start(&data, &more);
    let mut client = server.client();
    for value in ["1", "2", "3"] {
        client.text(&format!("SET k {value}"));
        assert_eq!(client.text("SAVE"), "+OK\r\n");
        // Copies have the time in their names.
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut names: Vec<_> = std::fs::read_dir(&backups)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!((&*names[0], &*names[3]), ("mine", "underpin-x.part"));
    for (name, value) in names[1..3].iter().zip(["2", "3"]) {
        let copy = Server::start(&backups.join(name), &[]);
        assert_eq!(copy.client().text("GET k"), format!("$1\r\n{value}\r\n"));
    }
}

#[test]
fn a_save_that_fails_is_told() {
    let scratch = Scratch::new("bgsave-fails");
    let (data, backups) = (scratch.path().join("data"), scratch.path().join("backups"));
    let server = Server::start(&data, &["--backup-dir", backups.to_str().unwrap()]);
    let mut client = server.client();
    client.text("SET a 1");
    // Nothing can be made below a file.
    std::fs::remove_dir(&backups).unwrap();
    std::fs::write(&backups, "in the way").unwrap();
    let refused = client.text("SAVE");
    assert!(refused.starts_with("-MISCONF"), "{refused}");
    assert!(
        client
            .text("INFO persistence")
            .contains("rdb_last_bgsave_status:err")
    );
    assert_eq!(client.text("SET a 2"), "+OK\r\n", "writes go on");
    std::fs::remove_file(&backups).unwrap();
    assert_eq!(client.text("SAVE"), "+OK\r\n");
    assert!(
        client
            .text("INFO persistence")
            .contains("rdb_last_bgsave_status:ok")
    );
}
