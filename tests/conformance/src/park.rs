//! Waiting on a word, as far as one thread can tell; several threads are in `thread::concurrent`.
#![forbid(unsafe_code)]

use crate::case::{Context, Verdict};
use crate::memory::Reservation;
use core::time::Duration;
use underpin_core::platform::{Instant, Platform, Woken};
use underpin_core::sync::atomic::AtomicU32;

/// Tries before a case no longer believes in chance: a platform may wake for no reason, but not always.
const TRIES: usize = 64;

cases!("park", Platform:
    changed_word_returns_at_once,
    changed_word_returns_with_a_far_deadline,
    passed_deadline_returns_at_once,
    deadline_is_never_early,
    deadline_is_kept,
    wake_of_nobody_counts_nobody,
    wake_does_not_touch_the_word,
);

/// "The word did not hold the expected value."
fn changed_word_returns_at_once<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(7);
    ensure!(
        (0..TRIES).any(|_| cx.p.wait(&word, 8, None) == Woken::Changed),
        "a changed word is never seen as such"
    );
    Ok(())
}

/// A deadline, also [`Instant::MAX`], does not keep a changed word from being seen.
fn changed_word_returns_with_a_far_deadline<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(u32::MAX);
    for until in [cx.deadline(), Instant::MAX] {
        let start = cx.now();
        ensure!(cx.p.wait(&word, 0, Some(until)) != Woken::TimedOut);
        ensure!(cx.now().saturating_duration_since(start) < cx.effort.patience / 2);
    }
    Ok(())
}

/// "a deadline that has passed returns at once".
fn passed_deadline_returns_at_once<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    for until in [Instant::ZERO, Instant::from_ns(1), cx.now()] {
        let start = cx.now();
        ensure!(
            (0..TRIES).any(|_| cx.p.wait(&word, 0, Some(until)) == Woken::TimedOut),
            "never TimedOut"
        );
        let took = cx.now().saturating_duration_since(start);
        ensure!(took < Duration::from_secs(2), "took {took:?}");
    }
    Ok(())
}

/// "Never returns `TimedOut` before the deadline".
fn deadline_is_never_early<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    for wait_us in [1, 30, 300, 999, 1_000, 1_001, 2_500, 10_000, 25_000] {
        let until = cx.now().saturating_add(Duration::from_micros(wait_us));
        let mut timed_out = false;
        while !timed_out && cx.now() < until {
            timed_out = cx.p.wait(&word, 0, Some(until)) == Woken::TimedOut;
            ensure!(
                !timed_out || cx.now() >= until,
                "{wait_us} us: early by {:?}",
                until.saturating_duration_since(cx.now())
            );
        }
    }
    Ok(())
}

/// "until the monotonic clock reaches `until`": it does not sleep through it, nor wake for nothing for ever.
fn deadline_is_kept<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    let start = cx.now();
    let until = start.saturating_add(Duration::from_millis(5));
    let given_up = start.saturating_add(Duration::from_secs(3));
    while cx.p.wait(&word, 0, Some(until)) != Woken::TimedOut {
        ensure!(cx.now() < given_up, "waiting 5 ms does not end");
    }
    let took = cx.now().saturating_duration_since(start);
    ensure!(took < Duration::from_secs(3), "5 ms took {took:?}");
    Ok(())
}

/// "May be called for a word that nobody waits on", and then wakes none.
fn wake_of_nobody_counts_nobody<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    for count in [0, 1, 2, i32::MAX as u32, u32::MAX] {
        ensure_eq!(cx.p.wake(&raw const word, count), 0);
    }
    Ok(())
}

/// "`word` is an address only: it is not read".
fn wake_does_not_touch_the_word<P: Platform>(cx: &Context<'_, P>) -> Verdict {
    let gone = {
        let memory = Reservation::of_pages(cx.p, 1)?;
        memory.at.as_ptr().cast::<AtomicU32>()
    };
    // No longer mapped, where there is such a thing.
    ensure_eq!(cx.p.wake(gone, 1), 0);
    ensure_eq!(cx.p.wake(gone, u32::MAX), 0);
    Ok(())
}
