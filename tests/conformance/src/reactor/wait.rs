//! Waiting: deadlines, and wakers on the same thread.
#![forbid(unsafe_code)]

use super::operation::buffer;
use crate::case::{Context, Verdict};
use crate::net::wire::{Wire, send_all};
use core::time::Duration;
use underpin_core::platform::{Instant, Op, Reactor, Ring, RingWaker};

cases!("reactor::wait", Reactor:
    passed_deadline_does_not_wait,
    deadline_is_never_early,
    deadline_is_never_early_with_operations_pending,
    completion_ends_the_wait,
    passed_deadline_still_delivers,
    waker_before_the_wait_ends_it,
    wakes_before_the_wait_are_one,
    wake_keeps_completions,
    waker_outlives_its_ring,
    wakers_belong_to_their_ring,
);

/// "a deadline that has passed: not at all".
fn passed_deadline_does_not_wait<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    for until in [Instant::ZERO, cx.now()] {
        let start = cx.now();
        ensure_eq!(wire.wait(until)?, 0);
        let took = cx.now().saturating_duration_since(start);
        ensure!(took < Duration::from_secs(2), "took {took:?}");
    }
    Ok(())
}

/// Waits for nothing until some deadlines.
fn ensure_not_early<P: Reactor>(cx: &Context<'_, P>, wire: &mut Wire<'_, P>) -> Verdict {
    for wait_us in [1, 300, 1_000, 1_500, 10_000, 20_000] {
        let until = cx.now().saturating_add(Duration::from_micros(wait_us));
        ensure_eq!(wire.wait(until)?, 0);
        let now = cx.now();
        ensure!(
            now >= until,
            "{wait_us} us: early by {:?}",
            until.saturating_duration_since(now)
        );
        let late = now.saturating_duration_since(until);
        ensure!(
            late < Duration::from_secs(3),
            "{wait_us} us: late by {late:?}"
        );
    }
    Ok(())
}

/// "or the monotonic clock reaches `until`": not before, not long after.
fn deadline_is_never_early<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    ensure_not_early(cx, &mut Wire::new(cx)?)
}

/// The same while an operation waits for what does not come.
fn deadline_is_never_early_with_operations_pending<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (_client, server) = wire.pair()?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    // The operation may start with the first wait.
    wire.wait(cx.now())?;
    ensure_not_early(cx, &mut wire)
}

/// "Waits until something completes".
fn completion_ends_the_wait<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
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
    send_all(cx, &client, b"x")?;
    // Without a deadline: a ring that does not see the byte hangs here.
    while wire.done.is_empty() {
        wire.ring.wait(None, &mut wire.done)?;
    }
    wire.complete(1)?.result?;
    Ok(())
}

/// A poll brings what is done: "hands completions to `out`", also when it does not wait.
fn passed_deadline_still_delivers<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let (client, server) = wire.pair()?;
    send_all(cx, &client, b"x")?;
    wire.submit(
        Op::Receive {
            socket: server,
            buffer: buffer(8, b""),
        },
        1,
    )?;
    let deadline = cx.deadline();
    while wire.done.is_empty() {
        ensure!(cx.now() < deadline, "polls bring nothing");
        wire.wait(Instant::ZERO)?;
        cx.sleep(Duration::from_micros(100));
    }
    wire.complete(1)?.result?;
    Ok(())
}

/// "or, if it is not waiting, next `wait` return".
fn waker_before_the_wait_ends_it<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    for _ in 0..3 {
        waker.wake();
        let start = cx.now();
        ensure_eq!(wire.wait(cx.deadline())?, 0);
        let took = cx.now().saturating_duration_since(start);
        ensure!(took < cx.effort.patience / 2, "the wake came to nothing");
    }
    Ok(())
}

/// "Wakes before that are one wake."
fn wakes_before_the_wait_are_one<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    let clone = waker.clone();
    for _ in 0..3 {
        for _ in 0..100 {
            waker.wake();
            clone.wake();
        }
        wire.wait(cx.deadline())?;
        let until = cx.now().saturating_add(Duration::from_millis(20));
        wire.wait(until)?;
        ensure!(cx.now() >= until, "a wake is left over");
    }
    Ok(())
}

/// A wake delivers nothing and loses nothing.
fn wake_keeps_completions<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let mut wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    let (client, server) = wire.pair()?;
    for token in 0..20 {
        wire.submit(
            Op::Receive {
                socket: server.clone(),
                buffer: buffer(1, b""),
            },
            token,
        )?;
        waker.wake();
        send_all(cx, &client, b"x")?;
        waker.wake();
        wire.complete(token)?.result?;
    }
    ensure!(wire.done.is_empty());
    Ok(())
}

/// "Harmless after the ring is gone."
fn waker_outlives_its_ring<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let wire = Wire::new(cx)?;
    let waker = wire.ring.waker();
    drop(wire);
    waker.wake();
    // Another ring may have taken the place; it must not be woken by a stranger.
    let mut other = Wire::new(cx)?;
    waker.wake();
    waker.clone().wake();
    let until = cx.now().saturating_add(Duration::from_millis(10));
    other.wait(until)?;
    ensure!(
        cx.now() >= until,
        "the waker of a ring that is gone woke another"
    );
    Ok(())
}

/// "A waker for this ring."
fn wakers_belong_to_their_ring<P: Reactor>(cx: &Context<'_, P>) -> Verdict {
    let (mut left, mut right) = (Wire::new(cx)?, Wire::new(cx)?);
    left.ring.waker().wake();
    let until = cx.now().saturating_add(Duration::from_millis(10));
    right.wait(until)?;
    ensure!(cx.now() >= until, "another ring's waker ended the wait");
    left.wait(cx.deadline())?;
    Ok(())
}
