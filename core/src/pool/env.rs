//! What a pool wants besides a platform: a pointer per thread, and a way to catch panics.
//!
//! The core has neither `thread_local!` nor `catch_unwind`; an application's shim has both, and so do the tests. Firmware uses
//! [`Bare`], whose panics end the program and whose only thread is a slot of its own.
#![allow(unsafe_code, reason = "threads find their worker through it")]

use crate::platform::Threads;
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::sync::spin_hint;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;

/// What a panic carries.
pub type Payload = Box<dyn Any + Send>;

/// Surroundings of a pool.
///
/// # Safety
/// Implementors promise that [`current`](Self::current) returns what the calling thread itself set last, and null if it set
/// nothing; that [`catch`](Self::catch) calls its argument exactly once; and that no panic leaves `catch`.
pub unsafe trait Env: Clone + Send + Sync + 'static {
    /// Where threads, waiting and time come from.
    type Platform: Threads;

    /// The platform.
    fn platform(&self) -> &Self::Platform;

    /// The calling thread's pointer.
    fn current(&self) -> *const ();

    /// Sets the calling thread's pointer.
    fn set_current(&self, pointer: *const ());

    /// Calls `f` and catches its panic.
    ///
    /// # Errors
    /// The payload of the panic.
    fn catch<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload>;

    /// Goes on with a panic that was caught.
    fn resume(&self, payload: Payload) -> !;

    /// One turn of a loop that waits for another thread.
    #[inline]
    fn relax(&self) {
        spin_hint();
    }

    /// A point where another thread might come in between. Does nothing, except on the simulator, whose scheduler has no other
    /// way in.
    #[inline]
    fn preempt(&self) {}
}

/// Surroundings without `std`, for a program whose panics do not unwind and in which one thread at a time uses the pool: a pool
/// without threads of its own on a single-core board.
#[derive(Clone)]
pub struct Bare<P> {
    platform: P,
    current: Arc<AtomicPtr<()>>,
}

impl<P: Threads> Bare<P> {
    /// Surroundings over `platform`.
    ///
    /// # Safety
    /// Panics do not unwind, and all pools of these surroundings are used by one thread only.
    pub unsafe fn new(platform: P) -> Self {
        Self {
            platform,
            current: Arc::new(AtomicPtr::new(core::ptr::null_mut())),
        }
    }
}

// SAFETY: one thread only (the promise of `new`), so one word is that thread's word; a panic never returns.
unsafe impl<P: Threads> Env for Bare<P> {
    type Platform = P;

    fn platform(&self) -> &P {
        &self.platform
    }

    fn current(&self) -> *const () {
        self.current.load(Ordering::Relaxed)
    }

    fn set_current(&self, pointer: *const ()) {
        self.current.store(pointer.cast_mut(), Ordering::Relaxed);
    }

    fn catch<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        Ok(f())
    }

    fn resume(&self, _payload: Payload) -> ! {
        self.platform
            .fatal("a panic was carried where none unwinds")
    }
}

impl<P> fmt::Debug for Bare<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bare")
    }
}
