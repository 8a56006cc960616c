//! What the executor must know of the machine below it: which thread this is, and how a panic is caught.
#![allow(unsafe_code, reason = "wakers trust the thread's token")]

#[cfg(feature = "alloc")]
use alloc::boxed::Box;
#[cfg(feature = "alloc")]
use core::any::Any;
use core::mem::ManuallyDrop;

/// What a panic carried.
#[cfg(feature = "alloc")]
pub type PanicPayload = Box<dyn Any + Send + 'static>;

/// What a panic carried: without an allocator a panic does not unwind, so there is none.
#[cfg(not(feature = "alloc"))]
pub type PanicPayload = core::convert::Infallible;

/// Threads and panics, without naming a system.
///
/// # Safety
/// Two calls of [`thread_token`](Self::thread_token) that return the same number never run at the same time, and neither
/// interrupts the other. A number is never 0, nor `usize::MAX`. [`is_thread`](Self::is_thread) says the same.
pub unsafe trait Host: 'static {
    /// A number for the calling thread, or for the calling interrupt level where those are the threads.
    fn thread_token() -> usize;

    /// Whether `token`, a number of some thread or `usize::MAX`, is the calling thread's. Cheap: each wake asks.
    #[inline]
    fn is_thread(token: usize) -> bool {
        Self::thread_token() == token
    }

    /// Runs `body` and gives what its panic carried, if it panicked. The default is for machines whose panics do not unwind.
    ///
    /// # Errors
    /// The payload of a panic.
    fn catch<R>(body: impl FnOnce() -> R) -> Result<R, PanicPayload> {
        Ok(body())
    }

    /// Goes on with a panic that [`catch`](Self::catch) caught: one of the future that `block_on` runs. Where `catch` catches, this is to
    /// be overridden; the default panics anew, without what the panic carried.
    fn resume(payload: PanicPayload) -> ! {
        // As above.
        let _kept = ManuallyDrop::new(payload);
        panic!("a future panicked");
    }
}

/// Runs foreign code whose panic nobody is there to hear.
pub(super) fn swallow<H: Host>(body: impl FnOnce()) {
    // The payload's drop could panic again.
    let _caught = ManuallyDrop::new(H::catch(body));
}
