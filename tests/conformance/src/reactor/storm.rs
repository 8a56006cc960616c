//! Random operations and cancellations from a seed, against a model: each token once, and every byte in its place.
//!
//! The model is a log for each direction of each connection: what completed sends said that they sent, and what receives
//! brought. Completions of one direction come in order, so appending at completion gives the stream. At the end both
//! logs must be the same, so an operation that was reported as cancelled and moved bytes all the same is seen.
#![forbid(unsafe_code)]

use super::operation::buffer;
use crate::case::{Context, Random, Stop, Verdict};
use crate::net::wire::{Wire, receive};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{
    Cancel, Completion, Interest, Op, OpId, Outcome, Reactor, Ring, ShutdownHow,
};

cases!("reactor::storm", Reactor:
    random_operations_complete_exactly_once,
);

/// Connections under way at a time.
const CONNECTIONS: usize = 4;
/// Operations pending at most, so that the storm is a mix of all states.
const PENDING_MAX: usize = 64;

/// What the model knows of a pending operation.
enum Kept {
    Ready,
    Send { end: usize, start: usize },
    Receive { end: usize },
}

/// One direction of a connection.
#[derive(Default)]
struct Stream {
    sent: Vec<u8>,
    received: Vec<u8>,
}

struct Storm<'a, P: Reactor> {
    wire: Wire<'a, P>,
    /// Sockets; number `n` sends into stream `n` and receives from stream `n ^ 1`.
    ends: Vec<P::Socket>,
    streams: Vec<Stream>,
    kept: BTreeMap<u64, (OpId, Kept)>,
    token_next: u64,
}

impl<P: Reactor> Storm<'_, P> {
    fn submit(&mut self, op: Op<P::Socket>, kept: Kept) -> Result<(), Stop> {
        let token = self.token_next;
        self.token_next += 1;
        let id = self.wire.submit(op, token)?;
        self.kept.insert(token, (id, kept));
        Ok(())
    }

    /// A random operation on a random socket.
    fn start(&mut self, random: &mut Random) -> Result<(), Stop> {
        let end = random.below(self.ends.len());
        let socket = self.ends[end].clone();
        match random.below(4) {
            0 => {
                let interest = if random.below(2) == 0 {
                    Interest::Read
                } else {
                    Interest::Write
                };
                self.submit(Op::Ready { socket, interest }, Kept::Ready)
            }
            1 => {
                let buffer = buffer(1 + random.below(300), b"");
                self.submit(Op::Receive { socket, buffer }, Kept::Receive { end })
            }
            _ => {
                let bytes: Vec<u8> = (0..1 + random.below(300))
                    .map(|_| random.next() as u8)
                    .collect();
                let start = random.below(bytes.len());
                let op = Op::Send {
                    socket,
                    buffer: buffer(0, &bytes),
                    start,
                };
                self.submit(op, Kept::Send { end, start })
            }
        }
    }

    /// Cancels a random operation.
    fn cancel(&mut self, random: &mut Random) -> Verdict {
        let index = random.below(self.kept.len().max(1));
        if let Some((id, _)) = self.kept.values().nth(index) {
            let answer = self.wire.ring.cancel(*id);
            ensure!(
                answer == Cancel::Requested,
                "a pending operation is {answer:?}"
            );
        }
        Ok(())
    }

    /// Books what has completed.
    fn settle(&mut self) -> Verdict {
        for completion in core::mem::take(&mut self.wire.done) {
            let token = completion.token;
            let Some((_, kept)) = self.kept.remove(&token) else {
                fail!("token {token} completes a second time, or was never given");
            };
            self.book(completion, &kept)?;
        }
        Ok(())
    }

    fn book(&mut self, completion: Completion<P::Socket>, kept: &Kept) -> Verdict {
        let bytes = match (&completion.result, kept) {
            (Err(error), _) if error.kind() == Kind::Cancelled => 0,
            (Err(error), _) => fail!("token {}: {error}", completion.token),
            (Ok(Outcome::Ready), Kept::Ready) => return Ok(()),
            (Ok(Outcome::Transferred { bytes }), Kept::Send { .. } | Kept::Receive { .. }) => {
                *bytes
            }
            (Ok(other), _) => fail!("token {} brought {other:?}", completion.token),
        };
        match (kept, completion.buffer) {
            (Kept::Ready, None) => {}
            (Kept::Receive { end }, Some(buffer)) => {
                ensure!(buffer.as_slice().len() == bytes, "count and buffer differ");
                self.streams[*end ^ 1]
                    .received
                    .extend_from_slice(buffer.as_slice());
            }
            (Kept::Send { end, start }, Some(buffer)) => {
                match buffer.as_slice().get(*start..*start + bytes) {
                    Some(sent) => self.streams[*end].sent.extend_from_slice(sent),
                    None => fail!("more was sent than the buffer holds"),
                }
            }
            _ => fail!("token {}: a buffer too many or too few", completion.token),
        }
        Ok(())
    }
}

/// Rule 1, under everything at once: "exactly once, also after `Ring::cancel`".
fn random_operations_complete_exactly_once<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut random = Random(cx.effort.seed);
    let mut wire = Wire::new(cx)?;
    let mut ends = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, server) = wire.pair()?;
        ends.extend([client, server]);
    }
    let streams = ends.iter().map(|_| Stream::default()).collect();
    let mut storm = Storm {
        wire,
        ends,
        streams,
        kept: BTreeMap::new(),
        token_next: 0,
    };
    for _ in 0..cx.effort.rounds {
        match random.below(8) {
            0 | 1 => storm.cancel(&mut random)?,
            2 => {
                let pause = Duration::from_micros(random.below(200) as u64);
                storm.wire.wait(cx.now().saturating_add(pause))?;
            }
            3 => {
                storm.wire.wait(cx.now())?;
            }
            _ if storm.kept.len() < PENDING_MAX => storm.start(&mut random)?,
            _ => storm.cancel(&mut random)?,
        }
        storm.settle()?;
        ensure_eq!(storm.wire.ring.pending(), storm.kept.len());
    }
    // The end: what is pending is cancelled, and what was sent is read to its last byte.
    let deadline = cx.deadline();
    while !storm.kept.is_empty() {
        ensure!(
            cx.now() < deadline,
            "{} operations never complete",
            storm.kept.len()
        );
        for (id, _) in storm.kept.values() {
            storm.wire.ring.cancel(*id);
        }
        storm.wire.wait(deadline)?;
        storm.settle()?;
    }
    ensure_eq!(storm.wire.ring.pending(), 0);
    for end in 0..storm.ends.len() {
        cx.p.shutdown(&storm.ends[end], ShutdownHow::Write)?;
        let peer = &storm.ends[end ^ 1];
        let stream = &mut storm.streams[end];
        let mut chunk = [0; 1024];
        loop {
            let bytes = receive(cx, peer, &mut chunk)?;
            if bytes.is_empty() {
                break;
            }
            stream.received.extend_from_slice(bytes);
        }
        let (sent, received) = (stream.sent.len(), stream.received.len());
        ensure!(
            sent == received,
            "stream {end}: {sent} bytes sent, {received} received"
        );
        ensure!(
            stream.sent == stream.received,
            "stream {end}: the bytes differ"
        );
    }
    Ok(())
}
