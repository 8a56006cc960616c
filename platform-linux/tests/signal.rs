//! Signals neither shorten a wait nor show up as errors, and may wake a ring.
#![allow(unsafe_code, reason = "signal handlers are installed by hand")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Mutex, OnceLock};
use underpin_core::platform::{
    Clock, ClockId, Completion, Park, Reactor, Ring, RingOptions, RingWaker, Woken,
};
use underpin_linux::{Linux, LinuxWaker, Socket};

static HANDLED: AtomicU32 = AtomicU32::new(0);
static WAKER: OnceLock<LinuxWaker> = OnceLock::new();
/// Both tests count the same handler's calls.
static ALONE: Mutex<()> = Mutex::new(());

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn wake(_: libc::c_int) {
    if let Some(waker) = WAKER.get() {
        waker.wake();
    }
}

/// Installs a handler without `SA_RESTART`, so that every system call is interrupted.
fn install(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: an all-zero sigaction is valid; the handlers do only what is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        assert_eq!(
            libc::sigaction(signal, &raw const action, core::ptr::null_mut()),
            0
        );
    }
}

/// Runs `call` while another thread sends this one signals without pause; returns how many were handled.
fn under_fire(call: impl FnOnce()) -> u32 {
    let stop = Arc::new(AtomicBool::new(false));
    // SAFETY: the thread lives until after the sender is joined.
    let target = unsafe { libc::pthread_self() } as usize;
    let before = HANDLED.load(Ordering::Relaxed);
    let sender = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // SAFETY: as above.
                unsafe { libc::pthread_kill(target as libc::pthread_t, libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(100));
            }
        })
    };
    call();
    stop.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    HANDLED.load(Ordering::Relaxed) - before
}

#[test]
fn waits_end_at_their_deadline_and_not_at_a_signal() {
    let _alone = ALONE.lock().unwrap();
    install(libc::SIGUSR1, count);
    let word = AtomicU32::new(0);
    let mut ring = Linux.ring(&RingOptions::default()).unwrap();
    let handled = under_fire(|| {
        let until = Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_millis(60));
        // Nobody wakes this word, so only a signal could make it return early.
        assert_eq!(Linux.wait(&word, 0, Some(until)), Woken::TimedOut);
        assert!(Linux.now(ClockId::Monotonic) >= until);
    });
    assert!(
        handled > 10,
        "{handled} signals: the test has lost its force"
    );
    let handled = under_fire(|| {
        let until = Linux
            .now(ClockId::Monotonic)
            .saturating_add(Duration::from_millis(60));
        let mut done: Vec<Completion<Socket>> = Vec::new();
        assert_eq!(ring.wait(Some(until), &mut done).unwrap(), 0);
        assert!(Linux.now(ClockId::Monotonic) >= until);
    });
    assert!(
        handled > 10,
        "{handled} signals: the test has lost its force"
    );
}

#[test]
fn a_signal_handler_may_wake_a_ring() {
    let _alone = ALONE.lock().unwrap();
    let mut ring = Linux.ring(&RingOptions::default()).unwrap();
    WAKER.set(ring.waker()).unwrap();
    install(libc::SIGUSR2, wake);
    // SAFETY: the thread lives until after the sender is joined.
    let target = unsafe { libc::pthread_self() } as usize;
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        // SAFETY: as above.
        unsafe { libc::pthread_kill(target as libc::pthread_t, libc::SIGUSR2) };
    });
    let mut done: Vec<Completion<Socket>> = Vec::new();
    assert_eq!(ring.wait(None, &mut done).unwrap(), 0);
    sender.join().unwrap();
}
