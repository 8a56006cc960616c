//! What a connection costs while nothing happens on it.
#![allow(unsafe_code, reason = "asks the C library what it has handed out")]

use super::load::{Load, let_go};
use super::subject::{Compio, Monoio, Runtime, Smol, Tokio, Underpin, subject};
use crate::case::{Case, Sample, Settings, Subject};
use std::sync::mpsc::channel;
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
        peers: vec![
            of(idle::<Tokio>),
            of(idle::<Smol>),
            of(idle::<Monoio>),
            of(idle::<Compio>),
        ],
    }]
}

fn idle<R: Runtime>(connections: usize) -> Subject {
    subject::<R>(move || {
        let text = |error: std::io::Error| error.to_string();
        let (sender, address) = channel();
        thread::scope(|scope| {
            let server =
                scope.spawn(move || R::block_on(R::serve(sender, connections, BUFFER_BYTES)));
            let port = address.recv().map_err(|_| "no server")?.port();
            let sample = (|| {
                thread::sleep(Duration::from_millis(100));
                let idle = handed_out();
                let mut load = Load::connect(port, connections).map_err(text)?;
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
    })
}

/// Bytes that the C library's allocator has handed out.
fn handed_out() -> usize {
    // SAFETY: it reads counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
