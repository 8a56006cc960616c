//! A TCP echo server under a load generator on another thread; what a message costs the server.

use super::load::{Load, Traffic, let_go};
use super::subject::{
    Compio, Monoio, Runtime, Smol, Tokio, Underpin, UnderpinUring, listen, subject,
};
use super::{bare, libuv, others_cpu};
use crate::case::{Case, Sample, Settings, Subject};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// Bytes of the buffer that a connection of a peer's reads into.
pub(super) const BUFFER_BYTES: usize = 1024;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let messages = settings.operations(300_000, 60_000);
    let both = |connections, messages| {
        [
            case(connections, messages),
            case_of_completions(connections, messages),
        ]
    };
    let mut cases = Vec::new();
    cases.extend(both(1, messages / 4));
    cases.extend(both(100, messages));
    if !settings.quick {
        for connections in [10_000, 50_000] {
            // What the limit of open handles leaves room for.
            let connections = super::room_for(connections);
            if connections >= 5_000 {
                cases.extend(both(connections, messages.max(connections as u64)));
            }
        }
        // Where the limit leaves room for the same number twice.
        let mut seen = std::collections::BTreeSet::new();
        cases.retain(|case| seen.insert(case.name.clone()));
    }
    cases
}

fn case(connections: usize, messages: u64) -> Case {
    let of = |subject: fn(usize, u64) -> Subject| subject(connections, messages);
    Case {
        name: format!("TCP echo, {connections} connections"),
        terms: format!(
            "{messages} messages of {} bytes over the loopback interface, one under way a connection, sent by another thread over epoll; CPU of the server's threads a message. Buffers of {BUFFER_BYTES} bytes (ours: one lent while it is filled)",
            super::load::MESSAGE_BYTES
        ),
        ours: of(echo::<Underpin>),
        peers: [
            of(echo::<Tokio>),
            of(echo::<Smol>),
            of(echo::<Monoio>),
            of(echo::<Compio>),
            limit("limit: bare epoll", connections, messages, bare::epoll),
        ]
        .into_iter()
        .chain(libuv::version().map(|version| {
            Subject::new("libuv", version, move |_| {
                measured(Traffic::Echo, connections, messages, |address| {
                    libuv::serve(&address, connections);
                })
            })
        }))
        .collect(),
    }
}

/// The same over io_uring, for who can.
fn case_of_completions(connections: usize, messages: u64) -> Case {
    let of = |subject: fn(usize, u64) -> Subject| subject(connections, messages);
    let usual = case(connections, messages);
    Case {
        name: format!("{}, io_uring", usual.name),
        terms: usual.terms,
        ours: of(echo::<UnderpinUring>),
        peers: vec![
            of(echo::<Monoio>),
            of(echo::<Compio>),
            limit("limit: bare io_uring", connections, messages, bare::uring),
        ],
    }
}

fn limit(
    name: &'static str,
    connections: usize,
    messages: u64,
    server: fn(&TcpListener, usize),
) -> Subject {
    Subject::new(name, "", move |_| {
        measured(Traffic::Echo, connections, messages, |address| {
            server(&listen(&address), connections);
        })
    })
}

fn echo<R: Runtime>(connections: usize, messages: u64) -> Subject {
    subject::<R>(move || {
        measured(Traffic::Echo, connections, messages, move |address| {
            R::block_on(R::serve(address, connections, BUFFER_BYTES));
        })
    })
}

pub(super) fn measured(
    traffic: Traffic,
    connections: usize,
    messages: u64,
    server: impl FnOnce(Sender<SocketAddr>) + Send,
) -> Result<Sample, String> {
    let text = |error: std::io::Error| error.to_string();
    let (sender, address) = channel();
    thread::scope(|scope| {
        let server = scope.spawn(move || server(sender));
        let port = address.recv().map_err(|_| "no server")?.port();
        let sample = (|| {
            let mut load = Load::connect(traffic, port, connections).map_err(text)?;
            // Everything is warm, and the server sleeps, before the clock is read.
            load.run(connections as u64 * 2).map_err(text)?;
            thread::sleep(Duration::from_millis(20));
            let start = others_cpu();
            load.run(messages).map_err(text)?;
            thread::sleep(Duration::from_millis(5));
            Ok(Sample {
                operations: messages,
                elapsed: others_cpu().saturating_sub(start),
            })
        })();
        let_go(&server, port, &sample);
        server.join().map_err(|_| "the server panicked")?;
        sample
    })
}
