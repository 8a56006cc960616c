//! Tasks: one block each, counted and woken without atomic operations on their own thread.
//!
//! ```text
//!             spawn                          wake, also while it is polled
//!   (nothing) -----> [scheduled: in the queue] <---------------------------- [not scheduled]
//!                      |             |    '------ poll begins: pending ------------^
//!         aborted:     |             '- poll begins: ready -.
//!         not polled   '----------------------------------> [DONE | OUTPUT] --- taken, dropped --> [DONE]
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `state` | what is known of a task, bit by bit |
//! | `header` | what every task begins with |
//! | `reference` | counting and waking, from the owner's thread and from others |
//! | `waker` | the choice between the two |
//! | `body` | the block with future and output |
//! | `run` | one poll, and the end |
//! | `join_handle`, `joiner` | waiting, aborting, letting go |
//! | `space` | static memory for firmware |
#![allow(unsafe_code, reason = "calls the functions of a task's type")]

mod body;
mod header;
mod join_handle;
#[cfg(feature = "alloc")]
mod joiner;
#[cfg(not(feature = "alloc"))]
#[path = "joiner_without_alloc.rs"]
mod joiner;
mod reference;
mod run;
mod space;
mod state;
mod waker;

pub(super) use body::Task;
pub(super) use header::{Header, TaskPtr};
pub use join_handle::{JoinError, JoinHandle};
pub(super) use reference::{drop_local, orphan, received, unpost};
#[cfg(feature = "alloc")]
pub(super) use run::{begin_main, is_scheduled};
pub(super) use run::{is_done, keep_out, take_new};
pub use space::TaskSpace;

use super::host::PanicPayload;

/// Polls a task that was just taken out of the run queue; cancels it instead if it was aborted. A panic of its poll passes through, so that
/// one catch serves many polls: the caller hands it to [`panicked`].
///
/// # Safety
/// The owner's thread, an open executor, and the task stood in its run queue.
#[inline]
pub(super) unsafe fn run(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe { (task.as_ref().vtable.run)(task) }
}

/// Ends a task whose poll, by [`run`], panicked.
///
/// # Safety
/// The owner's thread, an open executor; `run` was called for the task, unwound with the payload, and nothing was done with it since.
#[cold]
#[inline(never)]
pub(super) unsafe fn panicked(task: TaskPtr, payload: PanicPayload) {
    // SAFETY: the caller's word.
    unsafe { (task.as_ref().vtable.panicked)(task, payload) }
}

/// Drops the future of a task that is not done, not being polled and in no run queue.
///
/// # Safety
/// The owner's thread and an open executor.
pub(super) unsafe fn cancel(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe { (task.as_ref().vtable.cancel)(task) }
}
