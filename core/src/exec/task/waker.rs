//! The task's waker: `Send` and `Sync`, and free of atomic operations on the task's own thread.
//!
//! Each function asks whether the caller is the owner's thread: one load and a compare. If so it works on plain memory, else on the
//! remote word. See [`reference`](super::reference) for why that counts right.
#![allow(unsafe_code, reason = "raw wakers")]

use super::header::{Header, TaskPtr};
use super::reference::{
    clone_local, clone_remote, drop_local, drop_remote, schedule, wake_and_drop_remote, wake_remote,
};
use crate::exec::host::Host;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::task::{RawWaker, RawWakerVTable, Waker};

/// The waker functions of a host.
pub(super) struct Wakers<H>(PhantomData<H>);

impl<H: Host> Wakers<H> {
    pub(super) const VTABLE: &'static RawWakerVTable =
        &RawWakerVTable::new(clone::<H>, wake::<H>, wake_by_ref::<H>, drop_waker::<H>);

    /// A waker that has no reference of its own, for the time of one poll.
    ///
    /// # Safety
    /// The task outlives the waker, and has this host.
    #[inline]
    pub(super) unsafe fn borrowed(task: TaskPtr) -> ManuallyDrop<Waker> {
        // SAFETY: the caller's word.
        unsafe { borrowed(task, Self::VTABLE) }
    }
}

/// A waker that has no reference of its own.
///
/// # Safety
/// The task outlives the waker, and `vtable` is that of its wakers.
#[inline]
pub(super) unsafe fn borrowed(
    task: TaskPtr,
    vtable: &'static RawWakerVTable,
) -> ManuallyDrop<Waker> {
    let data = task.as_ptr().cast_const().cast();
    // SAFETY: the reference that the waker stands for is the caller's, and never dropped.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, vtable)) })
}

/// The task that a waker wakes, if it is one of the same executor as `header`'s.
#[inline]
pub(super) fn task_beside(waker: &Waker, header: &Header) -> Option<TaskPtr> {
    if !core::ptr::eq(waker.vtable(), header.vtable.waker) {
        return None;
    }
    // SAFETY: the vtable is that of our wakers, and a waker's task is alive; its scheduler is never written.
    unsafe {
        let task = task_of(waker.data());
        (task.as_ref().scheduler == header.scheduler).then_some(task)
    }
}

/// The task behind a waker's data.
unsafe fn task_of(data: *const ()) -> TaskPtr {
    // SAFETY: the data of every waker with this vtable is a task's pointer, which is not null.
    unsafe { NonNull::new_unchecked(data.cast::<Header>().cast_mut()) }
}

/// Whether the caller may use the plain fields. The owner of a closed scheduler is no thread.
#[inline]
unsafe fn is_local<H: Host>(task: TaskPtr) -> bool {
    // SAFETY: a task that is alive has a live scheduler.
    let owner = unsafe { task.as_ref().scheduler.as_ref() }.owner();
    H::is_thread(owner)
}

unsafe fn clone<H: Host>(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned has a reference; `is_local` chose the side.
    unsafe {
        let task = task_of(data);
        if is_local::<H>(task) {
            clone_local(task);
        } else {
            clone_remote(task);
        }
    }
    RawWaker::new(data, Wakers::<H>::VTABLE)
}

#[inline]
unsafe fn wake<H: Host>(data: *const ()) {
    // SAFETY: the waker gives its reference up; `is_local` chose the side.
    unsafe {
        let task = task_of(data);
        if is_local::<H>(task) {
            schedule(task);
            drop_local(task);
        } else {
            wake_and_drop_remote(task);
        }
    }
}

unsafe fn wake_by_ref<H: Host>(data: *const ()) {
    // SAFETY: the waker has a reference; `is_local` chose the side.
    unsafe {
        let task = task_of(data);
        if is_local::<H>(task) {
            schedule(task);
        } else {
            wake_remote(task);
        }
    }
}

unsafe fn drop_waker<H: Host>(data: *const ()) {
    // SAFETY: the waker gives its reference up; `is_local` chose the side.
    unsafe {
        let task = task_of(data);
        if is_local::<H>(task) {
            drop_local(task);
        } else {
            drop_remote(task);
        }
    }
}
