//! One poll of a task, and its end: whole for each type of future, so that a poll is one call through a pointer.
#![allow(unsafe_code, reason = "works on tasks by pointer")]

use super::body;
use super::header::{Header, TaskPtr};
use super::join_handle::JoinError;
use super::reference::drop_local;
use super::state::{ABORTED, DONE, NEW, OUTPUT, POLL, RUNNING, SCHEDULED};
use super::waker::Wakers;
use crate::exec::host::{Host, PanicPayload};
use core::task::Context;

/// Polls a task that was just taken out of the run queue; cancels it instead if it was aborted. A panic of its poll passes through, and
/// [`panicked`] is called next.
///
/// # Safety
/// The owner's thread, an open executor, and the task, a `Task<F, H>`, stood in its run queue.
pub(super) unsafe fn run<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: a task in the queue is not done, so the scheduler's reference keeps it alive; at the end of this function too, unless
    // `complete` gave it up.
    unsafe {
        let header = task.as_ref();
        let state = header.state.get();
        debug_assert!(state & (SCHEDULED | RUNNING | DONE) == SCHEDULED);
        if state & ABORTED != 0 {
            cancel::<F, H>(task);
            return;
        }
        header
            .state
            .set(((state & !SCHEDULED) | RUNNING).wrapping_add(POLL));
        let waker = Wakers::<H>::borrowed(task);
        if body::poll::<F, H>(task, &mut Context::from_waker(&waker)) {
            complete::<F, H>(task);
            return;
        }
        let state = header.state.get() & !RUNNING;
        header.state.set(state);
        if state & SCHEDULED != 0 {
            header.scheduler.as_ref().enqueue(task);
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
        header.state.set(header.state.get() | RUNNING | ABORTED);
        body::fail::<F, H>(task, JoinError::CANCELLED);
        complete::<F, H>(task);
    }
}

/// Ends a task whose poll panicked.
///
/// # Safety
/// The owner's thread, an open executor, and the task is a `Task<F, H>` whose poll unwound out of [`run`] just now.
#[cold]
#[inline(never)]
pub(super) unsafe fn panicked<F: Future, H: Host>(task: TaskPtr, payload: PanicPayload) {
    // SAFETY: as in `cancel`: the poll left the future in place and the task `RUNNING`.
    unsafe {
        debug_assert!(task.as_ref().state.get() & (RUNNING | DONE) == RUNNING);
        body::fail::<F, H>(task, JoinError::panicked(payload));
        complete::<F, H>(task);
    }
}

/// The future is gone and the output in place: says so, and gives the scheduler's reference up.
#[inline]
unsafe fn complete<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: as in `run`.
    unsafe {
        let header = task.as_ref();
        let state = header.state.get() & !(RUNNING | SCHEDULED);
        header.state.set(state | DONE | OUTPUT);
        header.scheduler.as_ref().count_done();
        body::announce::<F, H>(task);
        drop_local(task);
    }
}

/// The task that stands for `block_on`'s future was taken out of the run queue: wakes put it in again from now on.
#[cfg(feature = "alloc")]
pub(in crate::exec) fn begin_main(header: &Header) {
    let state = header.state.get() & !SCHEDULED;
    header.state.set(state.wrapping_add(POLL));
}

/// Keeps the task out of the run queue for good: to wakes it is in it already.
pub(in crate::exec) fn keep_out(header: &Header) {
    header.state.set(header.state.get() | SCHEDULED);
}

/// Whether the task's future is gone.
pub(in crate::exec) fn is_done(header: &Header) -> bool {
    header.state.get() & DONE != 0
}

/// Whether the task came from another thread and was not received yet; clears the mark.
pub(in crate::exec) fn take_new(header: &Header) -> bool {
    let state = header.state.get();
    header.state.set(state & !NEW);
    state & NEW != 0
}

/// Whether the task wants a poll.
#[cfg(feature = "alloc")]
pub(in crate::exec) fn is_scheduled(header: &Header) -> bool {
    header.state.get() & SCHEDULED != 0
}
