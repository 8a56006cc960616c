//! One poll of a task, and its end: whole for each type of future, so that a poll is one call through a pointer.
#![allow(unsafe_code, reason = "works on tasks by pointer")]

use super::body;
use super::header::{Header, TaskPtr};
use super::join_handle::JoinError;
use super::reference::drop_local;
use super::state::{ABORTED, DONE, NEW, OUTPUT};
use super::waker::Wakers;
use crate::exec::host::{Host, PanicPayload};
use core::task::Context;

/// Polls a task that was just taken out of the run queue; cancels it instead if it was aborted. A panic of its poll passes through, and
/// [`panicked`] is called next.
///
/// # Safety
/// The owner's thread, an open executor, and the task, a `Task<F, H>`, stood in its run queue.
pub(super) unsafe fn run<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: the scheduler's reference keeps a task in the queue alive; at the end of this function too, unless `complete` gave it up.
    unsafe {
        let header = task.as_ref();
        if header.flags.get() & (ABORTED | DONE) != 0 {
            end::<F, H>(task);
            return;
        }
        header.scheduled.set(false);
        header.polls.set(header.polls.get().wrapping_add(1));
        let waker = Wakers::<H>::borrowed(task);
        if body::poll::<F, H>(task, &mut Context::from_waker(&waker)) {
            let is_queued = header.scheduled.replace(true);
            complete::<F, H>(task, is_queued);
        }
    }
}

/// Ends what was found in the run queue and is not to be polled: aborted, or woken in the poll that was its last.
///
/// # Safety
/// As [`run`].
#[cold]
#[inline(never)]
unsafe fn end<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: the caller's word; a task that is done left its scheduler's reference to be given up here.
    unsafe {
        if task.as_ref().flags.get() & DONE == 0 {
            cancel::<F, H>(task);
        } else {
            drop_local(task);
        }
    }
}

/// Drops the future of a task that is not done and not being polled, and that stands in no run queue.
///
/// # Safety
/// The owner's thread, an open executor, and the task is a `Task<F, H>`.
#[cold]
#[inline(never)]
pub(super) unsafe fn cancel<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: the scheduler's reference keeps the task alive until `complete` gives it up.
    unsafe {
        let header = task.as_ref();
        // The future's drop may wake it.
        header.scheduled.set(true);
        header.flags.set(header.flags.get() | ABORTED);
        body::fail::<F, H>(task, JoinError::CANCELLED);
        complete::<F, H>(task, false);
    }
}

/// Ends a task whose poll panicked.
///
/// # Safety
/// The owner's thread, an open executor, and the task is a `Task<F, H>` whose poll unwound out of [`run`] just now.
#[cold]
#[inline(never)]
pub(super) unsafe fn panicked<F: Future, H: Host>(task: TaskPtr, payload: PanicPayload) {
    // SAFETY: as in `cancel`: the poll left the future in place.
    unsafe {
        let header = task.as_ref();
        debug_assert!(header.flags.get() & DONE == 0);
        let is_queued = header.scheduled.replace(true);
        body::fail::<F, H>(task, JoinError::panicked(payload));
        complete::<F, H>(task, is_queued);
    }
}

/// The future is gone and the output in place: says so, and gives the scheduler's reference up, unless the task is in the run queue.
#[inline]
unsafe fn complete<F: Future, H: Host>(task: TaskPtr, is_queued: bool) {
    // SAFETY: as in `run`.
    unsafe {
        let header = task.as_ref();
        header.flags.set(header.flags.get() | DONE | OUTPUT);
        header.scheduler.as_ref().count_done();
        body::announce::<F, H>(task);
        if !is_queued {
            drop_local(task);
        }
    }
}

/// The task that stands for `block_on`'s future was taken out of the run queue: wakes put it in again from now on.
#[cfg(feature = "alloc")]
pub(in crate::exec) fn begin_main(header: &Header) {
    header.scheduled.set(false);
    header.polls.set(header.polls.get().wrapping_add(1));
}

/// Keeps a task that is not in the run queue out of it for good: to wakes it is in it already.
pub(in crate::exec) fn keep_out(header: &Header) {
    header.scheduled.set(true);
}

/// Whether the task's future is gone.
pub(in crate::exec) fn is_done(header: &Header) -> bool {
    header.flags.get() & DONE != 0
}

/// Whether the task came from another thread and was not received yet; clears the mark.
pub(in crate::exec) fn take_new(header: &Header) -> bool {
    let flags = header.flags.get();
    header.flags.set(flags & !NEW);
    flags & NEW != 0
}

/// Whether the task wants a poll.
#[cfg(feature = "alloc")]
pub(in crate::exec) fn is_scheduled(header: &Header) -> bool {
    header.scheduled.get()
}
