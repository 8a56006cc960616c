//! HTTP load generators against hyper's unmodified server on our runtime.

use crate::test_all::job::{Job, kill_group};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// The server; it is gone when this is.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        kill_group(&mut self.0);
    }
}

/// wrk over HTTP/1.1 and h2load over HTTP/2, over either of the system's queues.
pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    let mut build = job.cargo("build");
    job.run(build.args(["--package", "underpin-tests", "--example", "hyper_hello"]))?;
    for ring in ["epoll", "io_uring"] {
        let (server, [first, second]) = start(job, ring)?;
        wrk(job, &first)?;
        h2load(job, &second)?;
        drop(server);
    }
    job.note("wrk and h2load");
    Ok(())
}

/// Starts the server and reads the two addresses from its first line.
fn start(job: &mut Job<'_>, ring: &str) -> Result<(Server, [String; 2]), String> {
    let path = job.workspace.target.join("debug/examples/hyper_hello");
    let mut command = job.workspace.program(path);
    command.env("UNDERPIN_RING", ring);
    let mut server = Server(job.spawn(&mut command, Stdio::piped())?);
    let stdout = server.0.stdout.take().ok_or("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|e| e.to_string())?;
    match line.trim().split(' ').collect::<Vec<_>>()[..] {
        [first, second] => Ok((server, [first.to_owned(), second.to_owned()])),
        _ => Err("the server does not say where it listens".into()),
    }
}

fn wrk(job: &mut Job<'_>, address: &str) -> Result<(), String> {
    let url = format!("http://{address}/");
    let from = job.output().len();
    job.run(Command::new("wrk").args(["-t1", "-c64", "-d1s", "--timeout", "20s", &url]))?;
    let output = job.output().split_off(from);
    let requests = output.lines().find_map(|line| {
        let (count, _) = line.trim().split_once(" requests in ")?;
        count.parse::<u64>().ok()
    });
    let complains = ["Socket errors", "Non-2xx"]
        .iter()
        .any(|complaint| output.contains(complaint));
    match requests {
        Some(1..) if !complains => Ok(()),
        _ => Err("wrk had errors, or no answer".into()),
    }
}

fn h2load(job: &mut Job<'_>, address: &str) -> Result<(), String> {
    const REQUESTS: usize = 5_000;
    let url = format!("http://{address}/");
    let from = job.output().len();
    let count = REQUESTS.to_string();
    job.run(Command::new("h2load").args(["-n", &count, "-c8", "-m16", &url]))?;
    let all = format!("{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout");
    if job.output()[from..].contains(&all) {
        Ok(())
    } else {
        Err(format!("h2load did not say `{all}`"))
    }
}
