//! Real clients against the real server: Redis's own tools, and the clients of three languages.

use crate::test_all::job::{Job, kill_group};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Commands that redis-cli is given, and what it must print for each.
const CONVERSATION: &[(&[&str], &str)] = &[
    (&["PING"], "PONG"),
    (&["SET", "greeting", "hello world"], "OK"),
    (&["GET", "greeting"], "hello world"),
    (&["GET", "absent"], ""),
    (&["-3", "GET", "greeting"], "hello world"),
    (&["INCRBY", "counter", "42"], "42"),
    (&["TTL", "greeting"], "-1"),
    (&["TYPE", "greeting"], "string"),
    (&["DEL", "greeting", "counter"], "2"),
    (&["NOSUCH", "x"], "ERR unknown command"),
    (&["GET"], "ERR wrong number of arguments for 'get' command"),
];

/// The server under test; it is gone when this is.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        kill_group(&mut self.0);
    }
}

pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    let mut build = job.cargo("build");
    job.run(build.args(["--release", "--package", "underpin", "--bin", "underpin"]))?;
    let (mut server, port) = start(job)?;
    redis_cli(job, &port)?;
    redis_benchmark(job, &port)?;

    let mut python = job
        .workspace
        .program(job.workspace.target.join("python/bin/python"));
    job.run(python.args(["tests/clients/client.py", &port]))?;

    // Node looks for packages beside the script.
    let node = job.workspace.target.join("node");
    for script in ["client.mjs", "ioredis.mjs"] {
        fs::copy(
            job.workspace.root.join("tests/clients").join(script),
            node.join(script),
        )
        .map_err(|e| e.to_string())?;
        let mut command = Command::new("node");
        job.run(command.current_dir(&node).args([script, &port]))?;
    }

    // The redis crate, built where nothing of the workspace is.
    let mut rust = job.cargo("run");
    let target = job.workspace.target.join("redis_client");
    rust.args(["--quiet", "--target-dir"]).arg(target).args([
        "--manifest-path",
        "tests/redis_client/Cargo.toml",
        "--",
        &port,
    ]);
    job.run(&mut rust)?;

    for line in job.output().lines() {
        if let Some((client, _)) = line.split_once(": all answers right") {
            job.note(client);
        }
    }
    terminate(&mut server)?;
    super::http::run(job)
}

/// Starts the server on a free port over an empty directory and reads the port from its first line.
fn start(job: &mut Job<'_>) -> Result<(Server, String), String> {
    let data = job.workspace.target.join("test-all/clients");
    let _ = fs::remove_dir_all(&data);
    let mut command = job
        .workspace
        .program(job.workspace.target.join("release/underpin"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
        .arg(&data);
    let mut server = Server(job.spawn(&mut command, Stdio::piped())?);
    let stdout = server.0.stdout.take().ok_or("no standard output")?;
    let (send, receive) = mpsc::channel();
    // Reads to the end, so that the server never waits for somebody to read what it says.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("127.0.0.1:") {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let _ = send.send(port);
            }
        }
    });
    let port = receive
        .recv_timeout(Duration::from_secs(20))
        .map_err(|_| "the server does not say where it listens")?;
    Ok((server, port))
}

fn redis_cli(job: &mut Job<'_>, port: &str) -> Result<(), String> {
    for (command, expected) in CONVERSATION {
        let output = Command::new("redis-cli")
            .args(["-p", port])
            .args(*command)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("redis-cli: {e}"))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed = printed.trim();
        job.say(&format!("redis-cli {} -> {printed}", command.join(" ")));
        let right = if expected.starts_with("ERR") {
            printed.starts_with(expected)
        } else {
            printed == *expected
        };
        if !right {
            return Err(format!(
                "redis-cli {} printed `{printed}`, not `{expected}`",
                command.join(" ")
            ));
        }
    }
    job.note("redis-cli");
    Ok(())
}

fn redis_benchmark(job: &mut Job<'_>, port: &str) -> Result<(), String> {
    let mut benchmark = Command::new("redis-benchmark");
    job.run(benchmark.args([
        "-p",
        port,
        "-t",
        "set,get,incr,mset",
        "-P",
        "16",
        "-n",
        "20000",
        "--csv",
    ]))?;
    let output = job.output();
    for test in ["\"SET\"", "\"GET\"", "\"INCR\"", "\"MSET (10 keys)\""] {
        if !output.lines().any(|line| line.starts_with(test)) {
            return Err(format!("redis-benchmark did not finish {test}"));
        }
    }
    if output
        .lines()
        .any(|line| line.starts_with("WARNING") || line.contains("Error"))
    {
        return Err("redis-benchmark complained".into());
    }
    job.note("redis-benchmark");
    Ok(())
}

/// A polite end: the server must close its database and leave with success.
fn terminate(server: &mut Server) -> Result<(), String> {
    let pid = server.0.id().to_string();
    let _ = Command::new("kill").args(["-TERM", &pid]).status();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match server.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(format!("after SIGTERM the server ended with {status}"));
            }
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            Ok(None) => return Err("the server does not end after SIGTERM".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
}
