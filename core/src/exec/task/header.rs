//! What every task begins with, whatever its future.
#![allow(unsafe_code, reason = "tasks are shared by raw pointers")]

use super::join_handle::JoinError;
use super::joiner::Joiner;
use super::state::HANDLE;
#[cfg(feature = "alloc")]
use super::state::{NEW, POSTED, WAKE};
use crate::exec::cell::Cell;
use crate::exec::host::PanicPayload;
use crate::exec::scheduler::Scheduler;
use crate::sync::atomic::AtomicU32;
use core::ptr::NonNull;
use core::task::RawWakerVTable;

/// A pointer to a live task.
pub(in crate::exec) type TaskPtr = NonNull<Header>;

/// What depends on the type of the future. Every function is called on the owner's thread, `release` on any.
pub(in crate::exec) struct VTable {
    /// [`run`](super::run::run) for the future's type.
    pub(super) run: unsafe fn(TaskPtr),
    /// [`cancel`](super::run::cancel) for the future's type.
    pub(super) cancel: unsafe fn(TaskPtr),
    /// [`panicked`](super::run::panicked) for the future's type.
    pub(super) panicked: unsafe fn(TaskPtr, PanicPayload),
    /// Bytes from the task's beginning to its output.
    pub(super) output: usize,
    /// Gives the memory back. The scheduler is there if the caller is its thread and it is open.
    pub(super) release: unsafe fn(TaskPtr, Option<&Scheduler>),
    /// The functions of the task's wakers.
    pub(super) waker: &'static RawWakerVTable,
    /// The name of the future's type.
    pub(super) name: fn() -> &'static str,
}

/// The part of a task that does not depend on its future. See [`state`](super::state) for the words.
#[repr(C)]
pub(in crate::exec) struct Header {
    pub(super) vtable: &'static VTable,
    /// Alive as long as the task is (the scheduler counts its orphans).
    pub(in crate::exec) scheduler: NonNull<Scheduler>,
    /// The run queue's link; the owner's.
    pub(in crate::exec) queue_next: Cell<*const Header>,
    /// The inbox's link: whoever set `POSTED` writes it, the owner reads it when it takes the inbox.
    pub(in crate::exec) inbox_next: Cell<*const Header>,
    /// The list of all tasks; the owner's.
    pub(in crate::exec) all_previous: Cell<*const Header>,
    pub(in crate::exec) all_next: Cell<*const Header>,
    /// Who waits for the output; the owner's.
    pub(super) joiner: Joiner,
    /// How often it was polled, modulo 2^32.
    pub(super) polls: Cell<u32>,
    pub(super) scheduled: Cell<bool>,
    pub(super) flags: Cell<u8>,
    /// References as far as the owner has heard: the true number is this minus the remote word's debt.
    pub(super) local_refs: Cell<i32>,
    pub(super) remote: AtomicU32,
}

impl Header {
    /// A task that its own thread is about to schedule, with a handle. Two references: the scheduler's, until the future is gone, and
    /// the handle's.
    pub(super) fn local(vtable: &'static VTable, scheduler: NonNull<Scheduler>) -> Self {
        Self::with(vtable, scheduler, true, HANDLE, 2, 0)
    }

    /// A task on its way into the inbox of another thread's scheduler, without a handle.
    #[cfg(feature = "alloc")]
    pub(super) fn posted(vtable: &'static VTable, scheduler: NonNull<Scheduler>) -> Self {
        Self::with(vtable, scheduler, false, NEW, 1, POSTED | WAKE)
    }

    fn with(
        vtable: &'static VTable,
        scheduler: NonNull<Scheduler>,
        scheduled: bool,
        flags: u8,
        refs: i32,
        remote: u32,
    ) -> Self {
        let null = core::ptr::null();
        Self {
            vtable,
            scheduler,
            queue_next: Cell::new(null),
            inbox_next: Cell::new(null),
            all_previous: Cell::new(null),
            all_next: Cell::new(null),
            polls: Cell::new(0),
            scheduled: Cell::new(scheduled),
            flags: Cell::new(flags),
            local_refs: Cell::new(refs),
            remote: AtomicU32::new(remote),
            joiner: Joiner::new(),
        }
    }

    /// How often the task was polled, modulo 2^32; for the owner.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) fn polls(&self) -> u32 {
        self.polls.get()
    }

    /// The name of the future's type.
    pub(in crate::exec) fn name(&self) -> &'static str {
        (self.vtable.name)()
    }
}

/// The output's type as the vtable's functions see it.
pub(super) type Output<T> = Result<T, JoinError>;
