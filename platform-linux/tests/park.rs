//! Waiting on words: deadlines hold in the presence of signals, and wakes for words that are gone are harmless.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use underpin_core::platform::{Clock, ClockId, Instant, Park, Woken};
use underpin_linux::Linux;

fn after(duration: Duration) -> Instant {
    Linux.now(ClockId::Monotonic).saturating_add(duration)
}

#[test]
fn deadlines_are_absolute_and_never_early() {
    let word = AtomicU32::new(1);
    assert_eq!(Linux.wait(&word, 0, None), Woken::Changed);
    assert_eq!(Linux.wait(&word, 1, Some(Instant::ZERO)), Woken::TimedOut);
    for us in [0, 1, 100, 5000] {
        let until = after(Duration::from_micros(us));
        while Linux.wait(&word, 1, Some(until)) != Woken::TimedOut {}
        assert!(Linux.now(ClockId::Monotonic) >= until);
    }
}

#[test]
fn a_deadline_that_never_comes_is_no_deadline() {
    for until in [
        Instant::MAX,
        Instant::from_ns(u64::MAX - 1),
        Instant::from_ns(1 << 63),
    ] {
        let word = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&word);
        let thread = std::thread::spawn(move || {
            while other.load(Ordering::Acquire) == 0 {
                assert_ne!(Linux.wait(&other, 0, Some(until)), Woken::TimedOut);
            }
        });
        std::thread::sleep(Duration::from_millis(2));
        word.store(1, Ordering::Release);
        Linux.wake(Arc::as_ptr(&word), u32::MAX);
        thread.join().unwrap();
    }
}

#[test]
fn wake_counts_and_takes_any_address() {
    let word = Arc::new(AtomicU32::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (word, stop) = (Arc::clone(&word), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    Linux.wait(&word, 0, Some(after(Duration::from_secs(10))));
                }
            })
        })
        .collect();
    // Until all three sleep, fewer are woken; each one woken waits again.
    let until = after(Duration::from_secs(10));
    while Linux.wake(Arc::as_ptr(&word), 3) < 3 {
        assert!(Linux.now(ClockId::Monotonic) < until);
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Release);
    for thread in threads {
        while !thread.is_finished() {
            Linux.wake(Arc::as_ptr(&word), 3);
            std::thread::yield_now();
        }
        thread.join().unwrap();
    }
    for nobody in [core::ptr::null(), core::ptr::without_provenance(1 << 40)] {
        assert_eq!(Linux.wake(nobody, 1), 0);
    }
}
