//! The base with several threads at work: no wake is lost, time agrees, any thread may use any memory.
//!
//! Each wait carries a deadline; a wait that reaches it is a lost wake, so that a broken platform fails a case
//! rather than hang it. One case waits without a deadline, after these have passed.
#![forbid(unsafe_code)]

use crate::case::{Context, Random, Verdict};
use crate::crew::crew;
use crate::memory::Reservation;
use core::time::Duration;
use underpin_core::platform::{Instant, Threads, Woken};
use underpin_core::sync::atomic::{AtomicU32, Ordering};

cases!("thread::concurrent", Threads:
    wake_reaches_a_waiter,
    ping_pong_loses_no_wake,
    lock_over_a_word_excludes_and_loses_no_wake,
    racing_deadlines_are_never_early,
    wake_all_wakes_all,
    wake_counts_at_most_what_was_asked_for,
    words_are_told_apart_by_address,
    endless_wait_is_woken,
    monotonic_agrees_across_threads,
    any_thread_may_use_any_memory,
    clones_share_what_they_made,
    random_bytes_differ_across_threads,
);

/// Waits until the word is no longer `old`; false if a wake got lost.
fn wait_for_change<P: Threads>(cx: &Context<'_, P>, word: &AtomicU32, old: u32) -> bool {
    let deadline = cx.deadline();
    while word.load(Ordering::Acquire) == old {
        if cx.p.wait(word, old, Some(deadline)) == Woken::TimedOut {
            return false;
        }
    }
    true
}

/// "Waits while `word` holds `expected`, until woken".
fn wake_reaches_a_waiter<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    for pause_us in [0, 100, 5_000] {
        let word = AtomicU32::new(0);
        let lost = AtomicU32::new(0);
        crew(
            cx.p,
            1,
            &|_| {
                if !wait_for_change(cx, &word, 0) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            },
            || {
                cx.sleep(Duration::from_micros(pause_us));
                word.store(1, Ordering::Release);
                cx.p.wake(&raw const word, 1);
            },
        )?;
        ensure_eq!(lost.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// "a thread that changes the word and then wakes cannot slip in between" comparison and wait.
fn ping_pong_loses_no_wake<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let rounds = cx.effort.rounds;
    let word = AtomicU32::new(0);
    let lost = AtomicU32::new(0);
    // Each side waits for the word to become its own parity and passes it on.
    let play = |side: u32| {
        for round in 0..rounds {
            let mine = 2 * round + side;
            loop {
                let seen = word.load(Ordering::Acquire);
                if seen == mine {
                    break;
                }
                if lost.load(Ordering::Relaxed) != 0 || !wait_for_change(cx, &word, seen) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            word.store(mine + 1, Ordering::Release);
            cx.p.wake(&raw const word, 1);
        }
    };
    crew(cx.p, 1, &|_| play(1), || play(0))?;
    ensure_eq!(lost.load(Ordering::Relaxed), 0);
    ensure_eq!(word.load(Ordering::Relaxed), 2 * rounds);
    Ok(())
}

/// A three-state lock over a word (Drepper, "Futexes are tricky", 2005): each lost wake stalls a thread.
fn lock_over_a_word_excludes_and_loses_no_wake<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    const THREADS: usize = 4;
    let (word, lost) = (AtomicU32::new(0), AtomicU32::new(0));
    let (holders, overlaps, total) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let lock = || {
        if word
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            return true;
        }
        while word.swap(2, Ordering::Acquire) != 0 {
            let deadline = cx.deadline();
            if cx.p.wait(&word, 2, Some(deadline)) == Woken::TimedOut {
                return false;
            }
        }
        true
    };
    crew(
        cx.p,
        THREADS,
        &|index| {
            for round in 0..cx.effort.rounds {
                if lost.load(Ordering::Relaxed) != 0 {
                    return;
                }
                if !lock() {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                if holders.fetch_add(1, Ordering::Relaxed) != 0 {
                    overlaps.fetch_add(1, Ordering::Relaxed);
                }
                // Held for longer now and then, so that others come to wait.
                if (round as usize + index).is_multiple_of(16) {
                    cx.p.yield_now();
                }
                total.fetch_add(1, Ordering::Relaxed);
                holders.fetch_sub(1, Ordering::Relaxed);
                if word.swap(0, Ordering::Release) == 2 {
                    cx.p.wake(&raw const word, 1);
                }
            }
        },
        || (),
    )?;
    ensure_eq!(lost.load(Ordering::Relaxed), 0);
    ensure_eq!(overlaps.load(Ordering::Relaxed), 0);
    ensure_eq!(
        total.load(Ordering::Relaxed),
        THREADS as u32 * cx.effort.rounds
    );
    Ok(())
}

/// "Never returns `TimedOut` before the deadline", with wakes that race it.
fn racing_deadlines_are_never_early<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    let (early, stop) = (AtomicU32::new(0), AtomicU32::new(0));
    let rounds = cx.effort.rounds / 4;
    crew(
        cx.p,
        2,
        &|index| {
            let mut random = Random(cx.effort.seed ^ index as u64);
            for _ in 0..rounds {
                let pause = Duration::from_nanos(random.below(60_000) as u64);
                let until = cx.now().saturating_add(pause);
                if cx.p.wait(&word, 0, Some(until)) == Woken::TimedOut && cx.now() < until {
                    early.fetch_add(1, Ordering::Relaxed);
                }
            }
            stop.fetch_add(1, Ordering::Release);
        },
        || {
            while stop.load(Ordering::Acquire) < 2 {
                cx.p.wake(&raw const word, 1);
                cx.sleep(Duration::from_micros(20));
            }
        },
    )?;
    ensure_eq!(early.load(Ordering::Relaxed), 0);
    Ok(())
}

/// A count that is larger than the number of waiters reaches every one.
fn wake_all_wakes_all<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    const THREADS: usize = 6;
    for _ in 0..20 {
        let (word, lost, arrived) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        crew(
            cx.p,
            THREADS,
            &|_| {
                arrived.fetch_add(1, Ordering::AcqRel);
                if !wait_for_change(cx, &word, 0) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            },
            || {
                cx.poll(|| arrived.load(Ordering::Acquire) == THREADS as u32);
                word.store(1, Ordering::Release);
                cx.p.wake(&raw const word, u32::MAX);
            },
        )?;
        ensure_eq!(lost.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// "Wakes at most `count` threads that wait on `word` and returns how many".
fn wake_counts_at_most_what_was_asked_for<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    const THREADS: usize = 4;
    let (word, gone) = (AtomicU32::new(0), AtomicU32::new(0));
    let (mut too_many, mut woken_in_all) = (0, 0);
    crew(
        cx.p,
        THREADS,
        &|_| {
            // A token each: a thread ends when it gets one.
            let deadline = cx.deadline();
            loop {
                let tokens = word.load(Ordering::Acquire);
                if tokens > 0 {
                    let taken = word.compare_exchange(
                        tokens,
                        tokens - 1,
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    );
                    if taken.is_ok() {
                        break;
                    }
                } else if cx.p.wait(&word, 0, Some(deadline)) == Woken::TimedOut {
                    break;
                }
            }
            gone.fetch_add(1, Ordering::AcqRel);
        },
        || {
            cx.sleep(Duration::from_millis(10));
            for count in [0, 1, 1, 2] {
                word.fetch_add(count, Ordering::AcqRel);
                let woken = cx.p.wake(&raw const word, count);
                too_many += u32::from(woken > count);
                woken_in_all += woken;
            }
        },
    )?;
    ensure!(too_many == 0, "a wake reached more waiters than it was to");
    ensure!(woken_in_all <= 4, "four waiters, {woken_in_all} woken");
    ensure_eq!(gone.load(Ordering::Relaxed), THREADS as u32);
    ensure_eq!(word.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "Identity is the word's address within this process."
fn words_are_told_apart_by_address<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let words = [AtomicU32::new(0), AtomicU32::new(0)];
    let (lost, wrong) = (AtomicU32::new(0), AtomicU32::new(0));
    let arrived = AtomicU32::new(0);
    crew(
        cx.p,
        1,
        &|_| {
            arrived.store(1, Ordering::Release);
            if !wait_for_change(cx, &words[0], 0) {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        },
        || {
            cx.poll(|| arrived.load(Ordering::Acquire) == 1);
            cx.sleep(Duration::from_millis(5));
            for _ in 0..50 {
                wrong.fetch_add(cx.p.wake(&raw const words[1], u32::MAX), Ordering::Relaxed);
            }
            words[0].store(1, Ordering::Release);
            cx.p.wake(&raw const words[0], 1);
        },
    )?;
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    ensure_eq!(lost.load(Ordering::Relaxed), 0);
    Ok(())
}

/// A wait without a deadline, or with one that never comes, ends when it is woken.
fn endless_wait_is_woken<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    for until in [None, Some(Instant::MAX)] {
        let word = AtomicU32::new(0);
        let timed_out = AtomicU32::new(0);
        crew(
            cx.p,
            2,
            &|_| {
                while word.load(Ordering::Acquire) == 0 {
                    if cx.p.wait(&word, 0, until) == Woken::TimedOut {
                        timed_out.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
            },
            || {
                cx.sleep(Duration::from_millis(10));
                word.store(1, Ordering::Release);
                cx.p.wake(&raw const word, 2);
            },
        )?;
        ensure_eq!(timed_out.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

/// "never steps back, across threads too".
fn monotonic_agrees_across_threads<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    // The word orders the readings: who holds 1 reads and publishes, in two halves, and nobody else is at it.
    let (turn, back) = (AtomicU32::new(0), AtomicU32::new(0));
    let latest = [AtomicU32::new(0), AtomicU32::new(0)];
    crew(
        cx.p,
        4,
        &|_| {
            let mut done = 0;
            while done < cx.effort.rounds {
                if turn
                    .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_err()
                {
                    cx.p.yield_now();
                    continue;
                }
                let before = u64::from(latest[1].load(Ordering::Relaxed)) << 32
                    | u64::from(latest[0].load(Ordering::Relaxed));
                let now = cx.now().as_ns();
                back.fetch_add(u32::from(now < before), Ordering::Relaxed);
                latest[0].store((now & 0xffff_ffff) as u32, Ordering::Relaxed);
                latest[1].store((now >> 32) as u32, Ordering::Relaxed);
                turn.store(0, Ordering::Release);
                done += 1;
            }
        },
        || (),
    )?;
    ensure_eq!(back.load(Ordering::Relaxed), 0);
    Ok(())
}

/// "any thread may use any range", and "Every method may be called from any thread at any time".
fn any_thread_may_use_any_memory<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let failed = AtomicU32::new(0);
    let (head, tail) = (AtomicU32::new(0), AtomicU32::new(0));
    crew(
        cx.p,
        4,
        &|_| {
            for _ in 0..cx.effort.rounds / 20 {
                head.fetch_add(1, Ordering::Relaxed);
                let fine = Reservation::of_pages(cx.p, 2).and_then(|memory| memory.commit(0, 2));
                failed.fetch_add(u32::from(fine.is_err()), Ordering::Relaxed);
                tail.fetch_add(1, Ordering::Relaxed);
            }
        },
        || (),
    )?;
    ensure_eq!(failed.load(Ordering::Relaxed), 0);
    ensure_eq!(head.load(Ordering::Relaxed), tail.load(Ordering::Relaxed));
    crate::memory::crosses_threads(cx)
}

/// "what one clone made, another may use": here a clone wakes who waits through the original.
fn clones_share_what_they_made<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    let word = AtomicU32::new(0);
    let lost = AtomicU32::new(0);
    crew(
        cx.p,
        1,
        &|_| {
            if !wait_for_change(cx, &word, 0) {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        },
        || {
            let clone = cx.p.clone();
            cx.sleep(Duration::from_millis(5));
            word.store(1, Ordering::Release);
            clone.wake(&raw const word, 1);
        },
    )?;
    ensure_eq!(lost.load(Ordering::Relaxed), 0);
    Ok(())
}

/// Threads that ask at the same time get different bytes.
fn random_bytes_differ_across_threads<P: Threads>(cx: &Context<'_, P>) -> Verdict {
    needs!(cx, ENTROPY);
    const THREADS: usize = 4;
    let numbers: [[AtomicU32; 8]; THREADS] = [const { [const { AtomicU32::new(0) }; 8] }; THREADS];
    let failed = AtomicU32::new(0);
    crew(
        cx.p,
        THREADS,
        &|index| {
            for pair in numbers[index].chunks(2) {
                match cx.p.random_u64() {
                    Ok(number) => {
                        pair[0].store((number & 0xffff_ffff) as u32, Ordering::Relaxed);
                        pair[1].store((number >> 32) as u32, Ordering::Relaxed);
                    }
                    Err(_) => {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        },
        || (),
    )?;
    ensure_eq!(failed.load(Ordering::Relaxed), 0);
    let pair = |index: usize| {
        let pair = &numbers[index / 4][index % 4 * 2..][..2];
        (
            pair[0].load(Ordering::Relaxed),
            pair[1].load(Ordering::Relaxed),
        )
    };
    for index in 0..THREADS * 4 {
        for other in 0..index {
            ensure!(
                pair(index) != pair(other),
                "two threads got the same number"
            );
        }
    }
    Ok(())
}
