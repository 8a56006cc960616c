//! The owner's end of a task: wait for its output, abort it, or let it go.
#![allow(unsafe_code, reason = "holds a reference to a task")]

use super::header::TaskPtr;
use super::reference::{abort, clone_local, drop_local_or_orphan};
use super::state::{DONE, HANDLE, OUTPUT};
use super::waker;
use crate::exec::host::PanicPayload;
use core::fmt;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

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

/// Who waits for a task's output.
pub(super) enum Waiting {
    /// A task of the same executor, one of whose references this is; or nobody.
    Task(Option<TaskPtr>),
    Other(Waker),
}

impl Waiting {
    /// Gives the reference up, or drops the waker.
    #[inline]
    fn let_go(self) {
        match self {
            Self::Task(None) => {}
            // SAFETY: the reference, given up once, on the owner's thread, or on what was that before the executor went.
            Self::Task(Some(task)) => unsafe { drop_local_or_orphan(task) },
            Self::Other(waker) => drop(waker),
        }
    }
}

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

    fn flags(&self) -> u8 {
        // SAFETY: the handle's reference keeps the task alive, and the handle cannot leave the owner's thread.
        unsafe { self.task.as_ref() }.flags.get()
    }

    /// The output, if it is in place.
    #[inline]
    fn take_output(&self) -> Option<Result<T, JoinError>> {
        // SAFETY: as in `flags`.
        let header = unsafe { self.task.as_ref() };
        let flags = header.flags.get();
        if flags & OUTPUT == 0 {
            return None;
        }
        header.flags.set(flags & !OUTPUT);
        // SAFETY: OUTPUT said that an output of this type is in place, and now says that it is gone.
        Some(unsafe { self.output().read() })
    }

    /// Where the output is.
    #[inline]
    fn output(&self) -> *mut Result<T, JoinError> {
        // SAFETY: as in `flags`; the offset leads to a place within the same block.
        unsafe {
            let offset = self.task.as_ref().vtable.output;
            self.task.as_ptr().byte_add(offset).cast()
        }
    }

    /// Cancels the task: its future is dropped, by the executor, before it would be polled again. No effect on a task that is
    /// done. Join the handle to know when the future is gone.
    pub fn abort(&self) {
        // SAFETY: as in `flags`.
        unsafe { abort(self.task) }
    }

    /// Whether the task's output is there, or was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.flags() & DONE != 0
    }

    /// The task, for comparing.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn task(&self) -> TaskPtr {
        self.task
    }

    /// A waker of the task.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn waker(&self) -> Waker {
        // SAFETY: the handle's reference keeps the task alive.
        let waker = unsafe { waker::borrowed(self.task, self.task.as_ref().vtable.waker) };
        Waker::clone(&waker)
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
            self.flags() & DONE == 0,
            "a JoinHandle was polled after it gave its task's output"
        );
        // SAFETY: as in `flags`.
        let header = unsafe { self.task.as_ref() };
        let waiting = if let Some(task) = waker::task_beside(cx.waker(), header) {
            if header.joiner.is_task(task) {
                return Poll::Pending;
            }
            // SAFETY: this task is not done, so the executor of both is open, and this is its thread; the waker has a reference.
            unsafe { clone_local(task) }
            Waiting::Task(Some(task))
        } else {
            if header.joiner.is_other(cx.waker()) {
                return Poll::Pending;
            }
            let waker = cx.waker().clone();
            // A waker of somebody else's may have run the executor meanwhile.
            if let Some(output) = self.take_output() {
                return Poll::Ready(output);
            }
            Waiting::Other(waker)
        };
        // The old one is let go after the new one is in place.
        header.joiner.replace(waiting).let_go();
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
        // SAFETY: as in `flags`.
        let header = unsafe { self.task.as_ref() };
        let flags = header.flags.get();
        header.flags.set(flags & !(HANDLE | OUTPUT));
        header.joiner.replace(Waiting::Task(None)).let_go();
        if flags & OUTPUT != 0 {
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
