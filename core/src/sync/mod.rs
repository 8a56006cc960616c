//! Atomics through one door, so that every protocol in the core can run under the loom model checker.
//!
//! With `--cfg loom` the names below are loom's, else `core`'s. Code that implements a concurrent
//! protocol imports atomics from here and nowhere else.
#![forbid(unsafe_code)]

/// Atomic integers, orderings and fences.
pub mod atomic {
    #[cfg(all(not(loom), target_has_atomic = "64"))]
    pub use core::sync::atomic::AtomicU64;
    #[cfg(not(loom))]
    pub use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence,
    };
    #[cfg(loom)]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Tells the processor that this is a spin loop; under loom, lets another thread run.
#[inline]
pub fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
