//! `std`'s threads and panics, for the executor.
#![allow(unsafe_code, reason = "promises that two threads have two tokens")]

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use underpin_core::exec::{Host, PanicPayload};

/// The threads of this process.
#[derive(Clone, Copy, Debug)]
pub struct ThreadHost;

std::thread_local! {
    /// Only its address counts. A constant without a destructor, so that it is there until the thread's last moment.
    static TOKEN: u8 = const { 0 };
}

// SAFETY: two threads that live at the same time have two thread-locals, and an address is never 0. A signal handler runs on its
// thread and must not wake (wakers are not made for signal handlers, as `std` says of most things).
unsafe impl Host for ThreadHost {
    #[inline]
    fn thread_token() -> usize {
        TOKEN.with(|token| core::ptr::from_ref(token).addr())
    }

    #[inline]
    fn catch<R>(body: impl FnOnce() -> R) -> Result<R, PanicPayload> {
        catch_unwind(AssertUnwindSafe(body))
    }
}
