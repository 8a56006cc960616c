//! The reactor with several threads at work: wakers from elsewhere, and rings that talk to each other.
#![forbid(unsafe_code)]

use super::operation::{buffer, transferred};
use crate::case::{Context, Stop, Verdict};
use crate::crew::crew;
use crate::net::wire::{Wire, until_ready};
use alloc::vec::Vec;
use core::time::Duration;
use underpin_core::platform::{Mutex, Op, Reactor, Ring, RingWaker, Threads, Woken};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

cases!("reactor::concurrent", Reactor | Threads:
    waker_of_another_thread_ends_the_wait,
    no_wake_is_lost,
    many_wakers_at_once,
    ring_may_move_to_another_thread,
    rings_of_two_threads_talk,
);

/// "Makes the ring's current ... `wait` return", from another thread and without a deadline.
fn waker_of_another_thread_ends_the_wait<P: Reactor + Threads>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    for pause_us in [0, 500, 10_000] {
        crew(
            cx.p,
            1,
            &|_| {
                cx.sleep(Duration::from_micros(pause_us));
                waker.wake();
            },
            || wire.ring.wait(None, &mut wire.done),
        )??;
        ensure!(wire.done.is_empty());
    }
    Ok(())
}

/// Each wake after the flag is seen: a ring that loses one waits to its deadline.
fn no_wake_is_lost<P: Reactor + Threads>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
    let rounds = cx.effort.rounds;
    let lost = crew(
        cx.p,
        1,
        &|_| {
            let deadline = cx.deadline();
            for round in 1..=rounds {
                asked.store(round, Ordering::Release);
                waker.wake();
                while answered.load(Ordering::Acquire) < round {
                    if cx.p.wait(&answered, round - 1, Some(deadline)) == Woken::TimedOut {
                        return;
                    }
                }
            }
        },
        || -> Result<u32, Stop> {
            let deadline = cx.deadline();
            while answered.load(Ordering::Relaxed) < rounds {
                wire.wait(deadline)?;
                answered.store(asked.load(Ordering::Acquire), Ordering::Release);
                cx.p.wake(&raw const answered, 1);
                if cx.now() >= deadline {
                    break;
                }
            }
            Ok(rounds - answered.load(Ordering::Relaxed))
        },
    )??;
    ensure!(lost == 0, "stuck with {lost} of {rounds} rounds to go");
    Ok(())
}

/// "only its wakers may be used from elsewhere": any number of them.
fn many_wakers_at_once<P: Reactor + Threads>(cx: &Context<'_, P>) -> Verdict {
    const THREADS: usize = 4;
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    let ended = AtomicU32::new(0);
    let rounds = cx.effort.rounds / 4;
    crew(
        cx.p,
        THREADS,
        &|_| {
            for _ in 0..rounds {
                waker.clone().wake();
            }
            ended.fetch_add(1, Ordering::AcqRel);
            waker.wake();
        },
        || -> Verdict {
            let deadline = cx.deadline();
            while ended.load(Ordering::Acquire) < THREADS as u32 {
                ensure!(cx.now() < deadline, "the last wakes came to nothing");
                ensure_eq!(wire.wait(deadline)?, 0);
            }
            Ok(())
        },
    )?
}

/// Rule 5: "A ring belongs to one thread at a time".
fn ring_may_move_to_another_thread<P: Reactor + Threads>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    wire.wait(cx.now())?;
    let Wire { ring, .. } = wire;
    let ring = Mutex::new(ring, cx.p.clone());
    let received = AtomicU32::new(0);
    crew(
        cx.p,
        1,
        &|_| {
            let mut done = Vec::new();
            let deadline = cx.deadline();
            while done.is_empty() && cx.now() < deadline {
                if ring.lock().wait(Some(deadline), &mut done).is_err() {
                    return;
                }
            }
            let fine = done.pop().is_some_and(|done| {
                transferred(done).is_ok_and(|(_, buffer)| buffer.as_slice() == b"x")
            });
            received.store(u32::from(fine), Ordering::Release);
        },
        || {
            cx.sleep(Duration::from_millis(2));
            until_ready(cx, || cx.p.try_send(&client, b"x"))
        },
    )??;
    ensure_eq!(received.load(Ordering::Acquire), 1);
    Ok(())
}

/// Receives and sends back until the end, on a ring of its own; the number of bytes.
fn echo<P: Reactor>(cx: &Context<'_, P>, socket: &P::Socket) -> Result<usize, Stop> {
    let mut wire = Wire::new(cx)?;
    let mut total = 0;
    loop {
        let op = Op::Receive {
            socket: socket.clone(),
            buffer: buffer(4_096, b""),
        };
        let (bytes, mut got) = transferred(wire.perform(op)?)?;
        if bytes == 0 {
            return Ok(total);
        }
        let mut start = 0;
        while start < bytes {
            let op = Op::Send {
                socket: socket.clone(),
                buffer: got,
                start,
            };
            let (sent, back) = transferred(wire.perform(op)?)?;
            start += sent;
            got = back;
        }
        total += bytes;
    }
}

/// Two threads, two rings, one connection: a stream goes there and back whole.
fn rings_of_two_threads_talk<P: Reactor + Threads>(cx: &Context<'_, P>) -> Verdict {
    let bytes = cx.effort.rounds as usize * 32;
    let pattern = |offset: usize| (offset / 3 % 251) as u8;
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    let echoed = AtomicU32::new(0);
    let server = Mutex::new(Some(server), cx.p.clone());
    crew(
        cx.p,
        1,
        &|_| {
            let socket = server.lock().take();
            let total = socket
                .and_then(|socket| echo(cx, &socket).ok())
                .unwrap_or(0);
            echoed.store(u32::try_from(total).unwrap_or(u32::MAX), Ordering::Release);
        },
        || -> Verdict {
            let mut received = 0;
            while received < bytes {
                // One piece is under way at a time, so that neither side waits for room that the other holds.
                let piece: Vec<u8> = (received..bytes.min(received + 200)).map(pattern).collect();
                let op = Op::Send {
                    socket: client.clone(),
                    buffer: buffer(0, &piece),
                    start: 0,
                };
                let (sent, _) = transferred(wire.perform(op)?)?;
                let mut echoed = Vec::new();
                while echoed.len() < sent {
                    let op = Op::Receive {
                        socket: client.clone(),
                        buffer: buffer(70, b""),
                    };
                    let (count, got) = transferred(wire.perform(op)?)?;
                    ensure!(count > 0, "the echo ends after {received} of {bytes} bytes");
                    echoed.extend_from_slice(got.as_slice());
                }
                ensure!(echoed == piece[..sent], "wrong bytes at {received}");
                received += sent;
            }
            cx.p.shutdown(&client, underpin_core::platform::ShutdownHow::Write)?;
            Ok(())
        },
    )??;
    ensure_eq!(echoed.load(Ordering::Acquire) as usize, bytes);
    Ok(())
}
