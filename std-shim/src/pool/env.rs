//! The pool's surroundings in a program with `std`: a thread-local pointer and `catch_unwind`.
#![allow(
    unsafe_code,
    reason = "the pool's threads find their worker through it"
)]

use crate::sys::{Native, native};
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use underpin_core::pool::{Env, Payload};

std::thread_local! {
    static CURRENT: Cell<*const ()> = const { Cell::new(core::ptr::null()) };
}

/// A program with `std` on this platform.
#[derive(Clone, Copy, Debug, Default)]
pub struct Std;

// SAFETY: the thread-local has no destructor, so it reads what the thread set; catch_unwind calls once and lets nothing out.
unsafe impl Env for Std {
    type Platform = Native;

    #[inline(always)]
    fn platform(&self) -> &Native {
        const NATIVE: &Native = &native();
        NATIVE
    }

    #[inline(always)]
    fn current(&self) -> *const () {
        CURRENT.get()
    }

    fn set_current(&self, pointer: *const ()) {
        CURRENT.set(pointer);
    }

    fn catch<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        catch_unwind(AssertUnwindSafe(f))
    }

    fn resume(&self, payload: Payload) -> ! {
        resume_unwind(payload)
    }
}
