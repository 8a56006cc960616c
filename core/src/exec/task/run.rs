//! One poll of a task, and its end.
#![allow(unsafe_code, reason = "calls the task's functions")]

use super::header::{Header, TaskPtr};
use super::reference::drop_local;
use super::state::{ABORTED, DONE, NEW, OUTPUT, RUNNING, SCHEDULED};
use super::waker::borrowed;
use core::task::Context;

/// Polls a task that was just taken out of the run queue; cancels it instead if it was aborted.
///
/// # Safety
/// The owner's thread, an open executor, and the task stood in its run queue.
pub(in crate::exec) unsafe fn run(task: TaskPtr) {
    // SAFETY: a task in the queue is not done, so the scheduler's reference keeps it alive; at the end of this function too, unless
    // `complete` gave it up.
    unsafe {
        let header = task.as_ref();
        let state = header.state.get();
        debug_assert!(state & (SCHEDULED | RUNNING | DONE) == SCHEDULED);
        header.state.set((state & !SCHEDULED) | RUNNING);
        if state & ABORTED != 0 {
            (header.vtable.cancel)(task);
            complete(task);
            return;
        }
        header.polls.set(header.polls.get().wrapping_add(1));
        let waker = borrowed(task);
        if (header.vtable.poll)(task, &mut Context::from_waker(&waker)) {
            complete(task);
            return;
        }
        let state = header.state.get() & !RUNNING;
        if state & SCHEDULED != 0 {
            header.state.set(state);
            header.scheduler.as_ref().enqueue(task);
        } else {
            header.state.set(state);
        }
    }
}

/// Drops the future of a task that is not done and not running, wherever it stands.
///
/// # Safety
/// The owner's thread, an open executor whose run queue is not used any more.
pub(in crate::exec) unsafe fn cancel(task: TaskPtr) {
    // SAFETY: the scheduler's reference keeps the task alive until `complete` gives it up.
    unsafe {
        let header = task.as_ref();
        header.state.set(header.state.get() | RUNNING | ABORTED);
        (header.vtable.cancel)(task);
        complete(task);
    }
}

/// The future is gone and the output in place: says so, and gives the scheduler's reference up.
unsafe fn complete(task: TaskPtr) {
    // SAFETY: as in `run`.
    unsafe {
        let header = task.as_ref();
        let state = header.state.get() & !(RUNNING | SCHEDULED);
        header.state.set(state | DONE | OUTPUT);
        header.scheduler.as_ref().count_done();
        (header.vtable.announce)(task);
        drop_local(task);
    }
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
