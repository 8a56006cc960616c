//! `std`'s threads and panics, for the executor.
#![allow(unsafe_code, reason = "promises that two threads have two tokens")]

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::panic::{catch_unwind, resume_unwind};
use underpin_core::exec::{Host, PanicPayload};

/// The threads of this process.
#[derive(Clone, Copy, Debug)]
pub struct ThreadHost;

/// The last token that was given away.
static LAST: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// The thread's token; 0 until it is asked for. A constant without a destructor, so that on most systems it is there until the
    /// thread's last moment.
    static TOKEN: Cell<usize> = const { Cell::new(0) };
}

/// A number that was never given away.
#[cold]
#[inline(never)]
fn new_token() -> usize {
    let next = |last: usize| last.checked_add(1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    last.expect("fewer threads than numbers") + 1
}

// SAFETY: no number is given away twice, and none is 0. A thread whose place for its number is gone already (where thread-locals are the
// program's own matter, late in the thread's end) has a new one each time: that of a thread which owns nothing. A signal handler runs on
// its thread and must not wake (wakers are not made for signal handlers, as `std` says of most things).
unsafe impl Host for ThreadHost {
    fn thread_token() -> usize {
        let token = TOKEN.try_with(|token| {
            if token.get() == 0 {
                token.set(new_token());
            }
            token.get()
        });
        token.unwrap_or_else(|_| new_token())
    }

    #[inline]
    fn is_thread(token: usize) -> bool {
        // A thread that never asked for its number has 0, which is no thread's; so has none whose place for it is gone.
        TOKEN.try_with(|own| own.get() == token).unwrap_or(false)
    }

    #[inline]
    fn catch<R>(body: impl FnOnce() -> R) -> Result<R, PanicPayload> {
        catch_unwind(AssertUnwindSafe(body))
    }

    fn resume(payload: PanicPayload) -> ! {
        resume_unwind(payload)
    }
}
