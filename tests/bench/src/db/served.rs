//! Sets and gets over loopback: `underpin serve` against `redis-server`, driven by the same clients.

use super::resp::{Client, Verb};
use crate::case::{Case, Sample, Settings, Subject};
use crate::cost::{Cost, disk_bytes, peak_bytes};
use crate::program::{find, version};
use crate::random::mix;
use std::cell::Cell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// Keys that the commands are spread over.
const KEYS: u64 = 100_000;

/// A load: which command, how many in flight on how many connections, and how the server syncs.
#[derive(Clone, Copy, Debug)]
struct Load {
    verb: Verb,
    connections: usize,
    pipeline: usize,
    appendfsync: &'static str,
    operations: u64,
}

pub(super) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let Some(ours) = settings.server.clone() else {
        return Err("the served cases need --server PATH; `cargo xtask bench` gives it".into());
    };
    let redis = find("redis-server").ok_or(
        "the served cases need redis-server; install it with: \
         apt-get install -y --no-install-recommends redis-server redis-tools",
    )?;
    let many = settings.operations(400_000, 60_000);
    let few = settings.operations(60_000, 8_000);
    let synced = settings.operations(16_000, 2_000);
    let load = |verb, connections, pipeline, appendfsync, operations| Load {
        verb,
        connections,
        pipeline,
        appendfsync,
        operations,
    };
    Ok([
        (
            "served set, 16 in flight",
            load(Verb::Set, 8, 16, "everysec", many),
        ),
        (
            "served get, 16 in flight",
            load(Verb::Get, 8, 16, "everysec", many),
        ),
        (
            "served set, one by one",
            load(Verb::Set, 8, 1, "everysec", few),
        ),
        (
            "served get, one by one",
            load(Verb::Get, 8, 1, "everysec", few),
        ),
        (
            "served set, synced",
            load(Verb::Set, 8, 16, "always", synced),
        ),
    ]
    .into_iter()
    .map(|(name, load)| case(name, load, &ours, &redis))
    .collect())
}

fn case(name: &str, load: Load, ours: &Path, redis: &Path) -> Case {
    let terms = format!(
        "{} commands over loopback on {} connections, {} in flight on each, {KEYS} keys in random order, 16-byte keys, 100-byte values; \
         --appendfsync {} on both, redis with its append-only file on and no snapshots; one client thread for both that checks every byte of every reply",
        load.operations, load.connections, load.pipeline, load.appendfsync
    );
    let subject = |name, program: PathBuf, arguments: fn(&Path, u16, &str) -> Vec<String>| {
        let version = version(&program);
        let mut session = None;
        let told = Rc::<Cell<Option<Cost>>>::default();
        let cost = told.clone();
        let mut subject = Subject::new(name, version, move |dir: &Path| {
            if session.is_none() {
                session = Some(Session::start(&program, dir, arguments, load)?);
            }
            let session: &mut Session = session.as_mut().ok_or("no session")?;
            let before = session.cpu_ns();
            let sample = session.round()?;
            let cpu = session.cpu_ns().zip(before);
            cost.set(Some(Cost {
                cpu_ns_per_operation: cpu
                    .map(|(after, before)| (after - before) / sample.operations as f64),
                written_per_byte: None,
                disk_bytes: Some(disk_bytes(dir) as f64),
                peak_bytes: peak_bytes(&session.server.id().to_string()),
            }));
            Ok(sample)
        });
        subject.cost = told;
        subject
    };
    Case {
        name: name.into(),
        terms,
        ours: subject("underpin", ours.into(), |dir, port, sync| {
            vec![
                "serve".into(),
                "--dir".into(),
                dir.display().to_string(),
                "--listen".into(),
                format!("127.0.0.1:{port}"),
                "--appendfsync".into(),
                sync.into(),
            ]
        }),
        peers: vec![subject("redis", redis.into(), |dir, port, sync| {
            [
                ("--dir", dir.display().to_string()),
                ("--bind", "127.0.0.1".into()),
                ("--port", port.to_string()),
                ("--save", String::new()),
                ("--appendonly", "yes".into()),
                ("--appendfsync", sync.into()),
            ]
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
        })],
    }
}

/// A running server, killed when it is dropped, and the connections to it.
struct Session {
    server: Child,
    clients: Vec<Client>,
    load: Load,
    rounds: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Session {
    fn start(
        program: &Path,
        dir: &Path,
        arguments: fn(&Path, u16, &str) -> Vec<String>,
        load: Load,
    ) -> Result<Self, String> {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let port = free_port()?;
        let log = File::create(dir.with_extension("log")).map_err(|e| e.to_string())?;
        let errors = log.try_clone().map_err(|e| e.to_string())?;
        let server = Command::new(program)
            .args(arguments(dir, port, load.appendfsync))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let mut session = Self {
            server,
            clients: Vec::new(),
            load,
            rounds: 0,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + Duration::from_secs(20);
        while session.clients.len() < load.connections {
            match Client::connect(address) {
                Ok(mut client) => {
                    client.ping()?;
                    session.clients.push(client);
                }
                Err(why) if Instant::now() > deadline => {
                    let log = fs::read_to_string(dir.with_extension("log")).unwrap_or_default();
                    return Err(format!("the server does not listen ({why}): {log}"));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        if load.verb == Verb::Get {
            let all: Vec<u64> = (0..KEYS).collect();
            for indexes in all.chunks(256) {
                session.clients[0].send(Verb::Set, indexes)?;
                session.clients[0].receive(Verb::Set, indexes)?;
            }
        }
        Ok(session)
    }

    /// Processor time of the server, all its threads, to the nanosecond.
    fn cpu_ns(&self) -> Option<f64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.server.id())).ok()?;
        let of_task = |path: PathBuf| -> Option<f64> {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        // A thread that has just ended has none.
        Some(
            tasks
                .flatten()
                .filter_map(|task| of_task(task.path()))
                .sum(),
        )
    }

    fn round(&mut self) -> Result<Sample, String> {
        self.rounds += 1;
        let Load {
            verb,
            pipeline,
            operations,
            ..
        } = self.load;
        let mut indexes = vec![vec![0; pipeline]; self.clients.len()];
        let mut done = 0;
        let start = Instant::now();
        while done < operations {
            for (client, indexes) in self.clients.iter_mut().zip(&mut indexes) {
                for index in indexes.iter_mut() {
                    *index = mix(done ^ self.rounds << 40) % KEYS;
                    done += 1;
                }
                client.send(verb, indexes)?;
            }
            for (client, indexes) in self.clients.iter_mut().zip(&indexes) {
                client.receive(verb, indexes)?;
            }
        }
        Ok(Sample {
            operations: done,
            elapsed: start.elapsed(),
        })
    }
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| e.to_string())
}
