//! Where the stacks of simulated threads come from: a platform below the simulator.
#![allow(unsafe_code, reason = "a thread's entry takes a raw argument")]

use crate::error::Result;
use crate::platform::{ThreadOptions, Threads};
use crate::sync::atomic::AtomicU32;
use alloc::boxed::Box;

/// What a started thread runs. Never unwinds.
pub type Body = Box<dyn FnOnce() + Send>;

/// Lends threads to a simulated machine. It decides nothing: at any moment all but one of them wait.
///
/// Every [`Threads`] platform is one, so `Sim::with_host(seed, Linux)` is all that a test on Linux needs.
pub trait Host: Send + Sync + 'static {
    /// Starts a thread that runs `body`; nobody joins it.
    ///
    /// # Errors
    /// As [`Threads::spawn`].
    fn host_start(&self, body: Body, stack_bytes: usize) -> Result<()>;

    /// Waits while `word` holds `expected`; may return for no reason.
    fn host_wait(&self, word: &AtomicU32, expected: u32);

    /// Wakes the one thread that waits on `word`, if there is one.
    fn host_wake(&self, word: &AtomicU32);
}

impl<P: Threads> Host for P {
    fn host_start(&self, body: Body, stack_bytes: usize) -> Result<()> {
        let argument = Box::into_raw(Box::new(body)).cast::<u8>();
        let options = ThreadOptions::new().with_stack_bytes(stack_bytes);
        // SAFETY: run may be called once with the box that was leaked for it.
        match unsafe { self.spawn(&options, run, argument) } {
            Ok(_detached) => Ok(()),
            Err(error) => {
                // SAFETY: nothing was started, so the box is still this function's alone.
                drop(unsafe { Box::from_raw(argument.cast::<Body>()) });
                Err(error)
            }
        }
    }

    fn host_wait(&self, word: &AtomicU32, expected: u32) {
        let _woken = crate::platform::Park::wait(self, word, expected, None);
    }

    fn host_wake(&self, word: &AtomicU32) {
        let _count = crate::platform::Park::wake(self, word, 1);
    }
}

/// The entry of a host's thread.
///
/// # Safety
/// `argument` is a leaked box of a [`Body`] that nobody else uses.
unsafe extern "C" fn run(argument: *mut u8) {
    // SAFETY: the caller's promise.
    let body = unsafe { Box::from_raw(argument.cast::<Body>()) };
    body();
}
