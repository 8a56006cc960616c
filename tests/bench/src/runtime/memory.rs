//! What a connection costs while nothing happens on it.
#![allow(unsafe_code, reason = "asks the C library what it has handed out")]

use super::libuv;
use super::load::{Load, Traffic, let_go};
use super::subject::{Compio, Monoio, Runtime, Smol, Tokio, Underpin, UnderpinUring, subject};
use crate::case::{Case, Sample, Settings, Subject};
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// As small a buffer as holds a message, for those who keep one.
const BUFFER_BYTES: usize = 128;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let connections = super::room_for(settings.operations(10_000, 2_000) as usize);
    let of = |subject: fn(usize) -> Subject| subject(connections);
    vec![Case {
        name: "memory of an idle connection".into(),
        terms: format!(
            "{connections} connections, each of which sent and received one message and now waits for the next in a task of its own; bytes that the C library's allocator has handed out, a connection, each byte shown as a nanosecond (so 1 M/s is 1000 bytes). A peer's task owns {BUFFER_BYTES} bytes to read into"
        ),
        ours: of(idle::<Underpin>),
        peers: [
            of(idle::<Tokio>),
            of(idle::<Smol>),
            of(idle::<Monoio>),
            of(idle::<Compio>),
            of(idle::<UnderpinUring>).called("limit: ours over io_uring"),
        ]
        .into_iter()
        .chain(libuv::version().map(|version| {
            Subject::new("libuv", version, move |_| {
                measured(connections, |address| libuv::serve(&address, connections))
            })
        }))
        .collect(),
    }]
}

fn idle<R: Runtime>(connections: usize) -> Subject {
    subject::<R>(move || {
        measured(connections, |address| {
            R::block_on(R::serve(address, connections, BUFFER_BYTES));
        })
    })
}

fn measured(
    connections: usize,
    server: impl FnOnce(Sender<SocketAddr>) + Send,
) -> Result<Sample, String> {
    let text = |error: std::io::Error| error.to_string();
    let (sender, address) = channel();
    thread::scope(|scope| {
        let server = scope.spawn(move || server(sender));
        let port = address.recv().map_err(|_| "no server")?.port();
        let sample = (|| {
            thread::sleep(Duration::from_millis(100));
            let idle = handed_out();
            let mut load = Load::connect(Traffic::Echo, port, connections).map_err(text)?;
            let mine = load.bytes();
            load.run(connections as u64).map_err(text)?;
            thread::sleep(Duration::from_millis(50));
            let bytes = handed_out().saturating_sub(idle + mine);
            Ok(Sample {
                operations: connections as u64,
                elapsed: Duration::from_nanos(bytes as u64),
            })
        })();
        let_go(&server, port, &sample);
        server.join().map_err(|_| "the server panicked")?;
        sample
    })
}

/// Bytes that the C library's allocator has handed out.
fn handed_out() -> usize {
    // SAFETY: it reads counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
