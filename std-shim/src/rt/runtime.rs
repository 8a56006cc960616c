//! The runtime of a thread, and the functions that use it.
#![forbid(unsafe_code)]

use super::host::ThreadHost;
use super::{JoinHandle, MissedTick, Sleep, Timeout};
use crate::sys::{Instant, Native, RingBackend, io_error, native, ring_backend};
use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;
use std::io;
use underpin_core::exec::{self, Executor};

/// What tasks need of their runtime; stays on its thread.
pub type Handle = exec::Handle<Native, ThreadHost>;

/// Spawns tasks from other threads; the futures move to the runtime's thread.
pub type Remote = exec::Remote<ThreadHost>;

std::thread_local! {
    /// The runtime whose `block_on` runs on this thread.
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// A runtime. Dropping it drops every future that is not done; their handles then say that they were cancelled.
#[derive(Debug)]
pub struct Runtime(Executor<Native, ThreadHost>);

impl Runtime {
    /// A runtime for this thread, with a reactor of its own: on Linux over epoll, or over io_uring where the variable `UNDERPIN_RING` is
    /// `io_uring` and the system allows it ([`ring_backend`](exec::Handle::ring_backend) tells).
    ///
    /// # Errors
    /// No handle or memory left; a system without a reactor.
    pub fn new() -> io::Result<Self> {
        Self::with_ring(ring_backend())
    }

    /// As [`new`](Self::new), over this kind of ring where the system has and allows it, whatever the environment says.
    ///
    /// # Errors
    /// As `new`.
    pub fn with_ring(backend: RingBackend) -> io::Result<Self> {
        Executor::with_ring(native(), backend)
            .map(Self)
            .map_err(io_error)
    }

    /// Runs tasks until `future` is ready, and returns its output. The future may borrow. Spawned tasks go on with the next call.
    ///
    /// # Panics
    /// From inside itself. A panic of `future` passes through; those of tasks are in their handles.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        struct Restore(Option<Handle>);
        impl Drop for Restore {
            fn drop(&mut self) {
                let mine = CURRENT.with(|current| current.replace(self.0.take()));
                drop(mine);
            }
        }
        let before = CURRENT.with(|current| current.replace(Some(self.0.handle().clone())));
        let _restore = Restore(before);
        self.0.block_on(future)
    }

    /// The runtime's handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.0.handle()
    }
}

/// Runs `future` on a new runtime.
///
/// # Errors
/// As [`Runtime::new`].
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(Runtime::new()?.block_on(future))
}

/// The handle of the runtime that runs on this thread.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn handle() -> Handle {
    with(Handle::clone)
}

pub(crate) fn with<R>(body: impl FnOnce(&Handle) -> R) -> R {
    CURRENT.with(|current| match &*current.borrow() {
        Some(handle) => body(handle),
        None => {
            panic!("no runtime is running on this thread: call this inside of `Runtime::block_on`")
        }
    })
}

/// Starts a task on this thread's runtime.
///
/// # Panics
/// As [`handle`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    with(|handle| handle.spawn(future))
}

/// The monotonic clock now.
///
/// # Panics
/// As [`handle`].
#[must_use]
pub fn now() -> Instant {
    with(Handle::now)
}

/// Ends `time` from now, or up to 66 us later. Cancel-safe.
///
/// # Panics
/// As [`handle`].
#[must_use]
pub fn sleep(time: Duration) -> Sleep {
    with(|handle| handle.sleep(time))
}

/// Ends at `deadline`, or up to 66 us later. Cancel-safe.
///
/// # Panics
/// As [`handle`].
#[must_use]
pub fn sleep_until(deadline: Instant) -> Sleep {
    with(|handle| handle.sleep_until(deadline))
}

/// `future`, for at most `time`. A future that is ready wins over a time that is over.
///
/// # Panics
/// As [`handle`].
pub fn timeout<F: Future>(time: Duration, future: F) -> Timeout<F> {
    with(|handle| handle.timeout(time, future))
}

/// Ticks each `period`, the first at once.
///
/// # Panics
/// As [`handle`].
#[must_use]
pub fn interval(period: Duration, missed: MissedTick) -> Interval {
    Interval(Box::pin(with(|handle| handle.interval(period, missed))))
}

/// Ticks at a period; see [`interval`].
#[derive(Debug)]
pub struct Interval(Pin<Box<exec::Interval<Handle>>>);

impl Interval {
    /// Waits for the next tick and returns the time for which it was meant. Cancel-safe.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.0.as_mut().poll_tick(cx, now)).await
    }
}

/// Lets every other task that wants to run go first.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
