//! The owner's end of a task: wait for its output, abort it, or let it go.
#![allow(unsafe_code, reason = "holds a reference to a task")]

use super::header::TaskPtr;
use super::reference::{abort, drop_local_or_orphan};
use super::state::{DONE, HANDLE, OUTPUT};
use crate::exec::host::PanicPayload;
use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

/// Why a task has no output.
pub struct JoinError(Cause);

enum Cause {
    Cancelled,
    Panicked(PanicPayload),
}

impl JoinError {
    pub(super) const CANCELLED: Self = Self(Cause::Cancelled);

    pub(super) fn panicked(payload: PanicPayload) -> Self {
        Self(Cause::Panicked(payload))
    }

    /// Whether the task was aborted, or its executor dropped, before it was done.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panicked(_))
    }

    /// What the panic carried, if the task panicked; fit for `resume_unwind`.
    #[must_use]
    pub fn into_panic(self) -> Option<PanicPayload> {
        match self.0 {
            Cause::Cancelled => None,
            Cause::Panicked(payload) => Some(payload),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Cancelled => f.write_str("the task was cancelled"),
            #[cfg(feature = "alloc")]
            Cause::Panicked(payload) => {
                let text = payload
                    .downcast_ref::<&'static str>()
                    .copied()
                    .or_else(|| Some(payload.downcast_ref::<alloc::string::String>()?.as_str()));
                write!(f, "the task panicked: {}", text.unwrap_or("no message"))
            }
            #[cfg(not(feature = "alloc"))]
            Cause::Panicked(never) => match *never {},
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl core::error::Error for JoinError {}

/// Waits for a task's output. Dropping it lets the task go on alone; what it then returns, or panics with, is dropped.
///
/// Cancel-safe: a dropped `&mut handle` loses nothing. Polling again after the output was given panics.
pub struct JoinHandle<T> {
    task: TaskPtr,
    _output: PhantomData<*mut T>,
}

impl<T> JoinHandle<T> {
    /// # Safety
    /// `task` has output `T`, its `HANDLE` bit is set, and the caller gives one reference away.
    pub(super) unsafe fn new(task: TaskPtr) -> Self {
        Self {
            task,
            _output: PhantomData,
        }
    }

    fn state(&self) -> u32 {
        // SAFETY: the handle's reference keeps the task alive, and the handle cannot leave the owner's thread.
        unsafe { self.task.as_ref() }.state.get()
    }

    /// The output, if it is in place.
    #[inline]
    fn take_output(&self) -> Option<Result<T, JoinError>> {
        // SAFETY: as in `state`.
        let header = unsafe { self.task.as_ref() };
        let state = header.state.get();
        if state & OUTPUT == 0 {
            return None;
        }
        header.state.set(state & !OUTPUT);
        // SAFETY: OUTPUT said that an output of this type is in place, and now says that it is gone.
        Some(unsafe { self.output().read() })
    }

    /// Where the output is.
    #[inline]
    fn output(&self) -> *mut Result<T, JoinError> {
        // SAFETY: as in `state`; the offset leads to a place within the same block.
        unsafe {
            let offset = self.task.as_ref().vtable.output;
            self.task.as_ptr().byte_add(offset).cast()
        }
    }

    /// Cancels the task: its future is dropped, by the executor, before it would be polled again. No effect on a task that is
    /// done. Join the handle to know when the future is gone.
    pub fn abort(&self) {
        // SAFETY: as in `state`.
        unsafe { abort(self.task) }
    }

    /// Whether the task's output is there, or was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state() & DONE != 0
    }

    /// The task, for comparing.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn task(&self) -> TaskPtr {
        self.task
    }

    /// A waker of the task.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn waker(&self) -> core::task::Waker {
        // SAFETY: the handle's reference keeps the task alive.
        let waker = unsafe { super::waker::borrowed(self.task, self.task.as_ref().vtable.waker) };
        core::task::Waker::clone(&waker)
    }

    /// Lets the task go on alone: the same as dropping the handle, and says so.
    pub fn detach(self) {
        drop(self);
    }
}

impl<T> Unpin for JoinHandle<T> {}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(output) = self.take_output() {
            return Poll::Ready(output);
        }
        assert!(
            self.state() & DONE == 0,
            "a JoinHandle was polled after it gave its task's output"
        );
        // SAFETY: as in `state`.
        let header = unsafe { self.task.as_ref() };
        let ours = header.vtable.waker;
        if header.joiner.is(cx.waker(), ours) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        // A waker of somebody else's may have run the executor meanwhile.
        if let Some(output) = self.take_output() {
            return Poll::Ready(output);
        }
        // The old waker is dropped after the new one is in place.
        drop(header.joiner.replace(Some(waker), ours));
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        struct Release(TaskPtr);
        impl Drop for Release {
            fn drop(&mut self) {
                // SAFETY: the handle's reference, given up once.
                unsafe { drop_local_or_orphan(self.0) }
            }
        }
        // Also if dropping the output panics.
        let _release = Release(self.task);
        // SAFETY: as in `state`.
        let header = unsafe { self.task.as_ref() };
        let state = header.state.get();
        header.state.set(state & !(HANDLE | OUTPUT));
        drop(header.joiner.replace(None, header.vtable.waker));
        if state & OUTPUT != 0 {
            // SAFETY: OUTPUT said that it is in place, and now says that it is gone.
            unsafe { self.output().drop_in_place() }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}
