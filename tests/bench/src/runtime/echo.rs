//! A TCP echo server under a load generator on another thread; what a message costs the server.

use super::load::{Load, let_go};
use super::others_cpu;
use super::subject::{Compio, Monoio, Runtime, Smol, Tokio, Underpin, listen, subject};
use crate::case::{Case, Sample, Settings, Subject};
use rustix::event::epoll;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// Bytes of the buffer that a connection of a peer's reads into.
const BUFFER_BYTES: usize = 1024;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let messages = settings.operations(300_000, 60_000);
    let mut cases = vec![case(1, messages / 4), case(100, messages)];
    if !settings.quick {
        for connections in [10_000, 50_000] {
            // What the limit of open handles leaves room for.
            let connections = super::room_for(connections);
            if connections >= 5_000 {
                cases.push(case(connections, messages.max(connections as u64)));
            }
        }
        cases.dedup_by(|one, other| one.name == other.name);
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
        peers: vec![
            of(echo::<Tokio>),
            of(echo::<Smol>),
            of(echo::<Monoio>),
            of(echo::<Compio>),
            Subject::new("limit: bare epoll", "", move |_| {
                measured(connections, messages, |address| {
                    bare_epoll(&listen(&address), connections)
                })
            }),
        ],
    }
}

fn echo<R: Runtime>(connections: usize, messages: u64) -> Subject {
    subject::<R>(move || {
        measured(connections, messages, move |address| {
            R::block_on(R::serve(address, connections, BUFFER_BYTES));
        })
    })
}

fn measured(
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
            let mut load = Load::connect(port, connections).map_err(text)?;
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

/// What the system asks at least: one thread, level-triggered epoll, one buffer for all.
fn bare_epoll(listener: &TcpListener, connections: usize) {
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    let watch = |fd: BorrowedFd<'_>, data| {
        let data = epoll::EventData::new_u64(data);
        epoll::add(&epoll, fd, data, epoll::EventFlags::IN).expect("watched");
    };
    watch(listener.as_fd(), LISTENER);
    let mut streams = Vec::with_capacity(connections);
    let mut open = connections;
    let mut events = Vec::with_capacity(128);
    let mut buffer = [0; BUFFER_BYTES];
    while open > 0 {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).expect("events");
        for event in &events {
            if event.data.u64() == LISTENER {
                while streams.len() < connections
                    && let Ok((stream, _)) = listener.accept()
                {
                    stream.set_nodelay(true).expect("set");
                    stream.set_nonblocking(true).expect("set");
                    watch(stream.as_fd(), streams.len() as u64);
                    streams.push(Some(stream));
                }
                continue;
            }
            let slot = &mut streams[event.data.u64() as usize];
            let Some(stream) = slot else { continue };
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => stream.write_all(&buffer[..count]).expect("sent"),
                _ => {
                    *slot = None;
                    open -= 1;
                }
            }
        }
    }
}
