//! References to tasks: who counts where, and who frees.
//!
//! The owner's thread counts in plain memory (`local_refs`). Every other thread counts in the remote word: a clone is a debt of
//! minus one, a drop one of plus one, so `references = local_refs - debt`, and either number alone may be negative.
//!
//! # Invariants
//!
//! R1: only the owner frees a task, until the executor is gone. A drop by another thread posts the task into the inbox, so the
//!     owner hears of it; the owner frees a task only when `POSTED` is clear and the settled number is 0.
//! R2: while `POSTED` is set the task and its scheduler are alive: the poster needs no reference of its own from there on.
//! R3: when the executor goes, it moves the settled number into the remote word (`ORPHAN`), one more if `POSTED`, for the thread
//!     that is about to find the inbox closed; from then on the word alone counts, and whoever takes the last reference frees.
//! R4: each orphan holds one reference of the scheduler.
#![allow(unsafe_code, reason = "reference counting")]

use super::header::{Header, TaskPtr};
use super::state::{ABORTED, DONE, ONE, ORPHAN, POSTED, REFERENCES_MAX, WAKE, number};
use crate::exec::scheduler::Scheduler;
use crate::sync::atomic::Ordering;

#[cold]
#[inline(never)]
fn too_many() -> ! {
    panic!("too many wakers of one task are alive, or were forgotten");
}

/// Schedules the task, on its own thread.
///
/// # Safety
/// The caller is the owner's thread, the executor is open, and the task is alive.
#[inline]
pub(in crate::exec) unsafe fn schedule(task: TaskPtr) {
    // SAFETY: the caller's word.
    let header = unsafe { task.as_ref() };
    if !header.scheduled.get() {
        header.scheduled.set(true);
        // SAFETY: R2, and the owner's thread; the flag said that the task is in no queue and not done.
        unsafe { header.scheduler.as_ref().enqueue(task) }
    }
}

/// Asks for the task to be cancelled, on its own thread.
///
/// # Safety
/// The caller is the owner's thread, and the task is alive. (After the executor is gone every task is `DONE`.)
pub(super) unsafe fn abort(task: TaskPtr) {
    // SAFETY: the caller's word.
    let header = unsafe { task.as_ref() };
    let flags = header.flags.get();
    if flags & DONE == 0 {
        header.flags.set(flags | ABORTED);
        // SAFETY: the caller's word; a task that is not done has an open executor.
        unsafe { schedule(task) }
    }
}

/// Adds a reference, on the owner's thread.
///
/// # Safety
/// As [`schedule`].
#[inline]
pub(super) unsafe fn clone_local(task: TaskPtr) {
    // SAFETY: the caller's word.
    let header = unsafe { task.as_ref() };
    let refs = header.local_refs.get();
    if refs > REFERENCES_MAX {
        too_many();
    }
    header.local_refs.set(refs + 1);
}

/// Gives a reference up, on the owner's thread.
///
/// # Safety
/// As [`schedule`], and the reference is not used again.
#[inline]
pub(in crate::exec) unsafe fn drop_local(task: TaskPtr) {
    // SAFETY: the caller's word.
    let header = unsafe { task.as_ref() };
    let refs = header.local_refs.get() - 1;
    header.local_refs.set(refs);
    if refs <= 0 {
        // SAFETY: the caller's word; R1: with no reference left and nothing in the word nobody else can reach it.
        unsafe {
            if refs == 0 && header.remote.load(Ordering::Acquire) == 0 {
                free_local(task);
            } else {
                settle(task);
            }
        }
    }
}

/// Takes the debt into account, and frees the task if nobody is left.
#[cold]
#[inline(never)]
unsafe fn settle(task: TaskPtr) {
    // SAFETY: the caller's word.
    let header = unsafe { task.as_ref() };
    let mut word = header.remote.load(Ordering::Acquire);
    loop {
        if word & POSTED != 0 {
            // R1: receiving it from the inbox settles.
            return;
        }
        match header
            .remote
            .compare_exchange(word, 0, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => break,
            Err(now) => word = now,
        }
    }
    let refs = header.local_refs.get() - number(word);
    header.local_refs.set(refs);
    debug_assert!(refs >= 0);
    if refs == 0 {
        // SAFETY: R1: no reference is left and none is on its way.
        unsafe { free_local(task) }
    }
}

/// # Safety
/// The owner's thread, an open executor, and no reference left.
#[inline]
unsafe fn free_local(task: TaskPtr) {
    // SAFETY: the caller's word.
    let (vtable, scheduler) = unsafe { (task.as_ref().vtable, task.as_ref().scheduler) };
    // SAFETY: the scheduler is open; the task is in its list and nobody has it any more.
    unsafe {
        scheduler.as_ref().unlink(task);
        (vtable.release)(task, Some(scheduler.as_ref()));
    }
}

/// Gives a handle's reference up: on the owner's thread, or on what was that thread before the executor went.
///
/// # Safety
/// As said, and the reference is not used again.
pub(super) unsafe fn drop_local_or_orphan(task: TaskPtr) {
    // SAFETY: R2.
    unsafe {
        if task.as_ref().scheduler.as_ref().is_open() {
            drop_local(task);
        } else {
            drop_remote(task);
        }
    }
}

/// Adds a reference, on any thread but the owner's.
///
/// # Safety
/// The caller has a reference.
pub(super) unsafe fn clone_remote(task: TaskPtr) {
    // SAFETY: the caller's word.
    let remote = unsafe { &task.as_ref().remote };
    let mut word = remote.load(Ordering::Relaxed);
    loop {
        if number(word).unsigned_abs() > REFERENCES_MAX.unsigned_abs() {
            too_many();
        }
        let new = if word & ORPHAN != 0 {
            word.wrapping_add(ONE)
        } else {
            word.wrapping_sub(ONE)
        };
        // Relaxed, as with any reference count: the new reference comes from one that is held.
        match remote.compare_exchange_weak(word, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => word = now,
        }
    }
}

/// Wakes, on any thread but the owner's. The reference stays the caller's.
///
/// # Safety
/// The caller has a reference.
pub(super) unsafe fn wake_remote(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe { post(task, WAKE, 0) }
}

/// Wakes and gives the reference up, on any thread but the owner's.
///
/// # Safety
/// The caller has a reference and does not use it again.
pub(super) unsafe fn wake_and_drop_remote(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe { post(task, WAKE, ONE) }
}

/// Gives a reference up, on any thread but the owner's.
///
/// # Safety
/// The caller has a reference and does not use it again.
pub(super) unsafe fn drop_remote(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe { post(task, 0, ONE) }
}

/// The one step of other threads: leaves a wake, or a reference that is given up, or both, and sees to it that the owner hears.
unsafe fn post(task: TaskPtr, wake: u32, given: u32) {
    // SAFETY: the caller has a reference until the exchange below succeeds.
    let header: &Header = unsafe { task.as_ref() };
    let mut word = header.remote.load(Ordering::Relaxed);
    loop {
        if word & ORPHAN != 0 {
            if given != 0 {
                // SAFETY: the executor is gone, and the caller's reference is given up here.
                unsafe { drop_orphan(task) }
            }
            return;
        }
        let new = (word | POSTED | wake).wrapping_add(given);
        // Release: what the waker did before the wake is seen by the poll that it causes, also if the task is posted
        // already.
        match header
            .remote
            .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => break,
            Err(now) => word = now,
        }
    }
    if word & POSTED == 0 {
        // SAFETY: this thread set POSTED, so it alone puts the task in, and R2 keeps task and scheduler until then.
        unsafe { Scheduler::receive(header.scheduler, task) }
    }
}

/// Takes back a `POSTED` that found the inbox closed.
///
/// # Safety
/// The caller set `POSTED`, and does not use the task again.
pub(in crate::exec) unsafe fn unpost(task: TaskPtr) {
    // SAFETY: R2.
    let remote = unsafe { &task.as_ref().remote };
    let mut word = remote.load(Ordering::Acquire);
    loop {
        if word & ORPHAN != 0 {
            // SAFETY: R3 counted this thread's posting as a reference.
            unsafe { drop_orphan(task) }
            return;
        }
        let new = word & !(POSTED | WAKE);
        match remote.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Acquire) {
            // The debt stays: the executor, which is closing, will make an orphan of the task.
            Ok(_) => return,
            Err(now) => word = now,
        }
    }
}

/// # Safety
/// The word has `ORPHAN`, and the caller gives one of its references up.
unsafe fn drop_orphan(task: TaskPtr) {
    // SAFETY: the reference keeps the task until the next line.
    let (vtable, scheduler, before) = unsafe {
        let header = task.as_ref();
        let (vtable, scheduler) = (header.vtable, header.scheduler);
        (
            vtable,
            scheduler,
            header.remote.fetch_sub(ONE, Ordering::AcqRel),
        )
    };
    if number(before) == 1 {
        // SAFETY: R3: that was the last one; R4: it had a reference of the scheduler.
        unsafe {
            (vtable.release)(task, None);
            Scheduler::drop_ref(scheduler);
        }
    }
}

/// Receives a task from the inbox: settles, schedules it if a wake was left, frees it if nobody is left.
///
/// # Safety
/// The owner's thread, an open executor, and the task was just taken out of the inbox.
pub(in crate::exec) unsafe fn received(task: TaskPtr) {
    // SAFETY: R2, up to the exchange; then the settled number.
    let header = unsafe { task.as_ref() };
    let word = header.remote.swap(0, Ordering::AcqRel);
    debug_assert!(word & POSTED != 0 && word & ORPHAN == 0);
    let refs = header.local_refs.get() - number(word);
    header.local_refs.set(refs);
    // SAFETY: a task that has no reference left is not scheduled, since a task that is not done, or stands in the run queue, has the scheduler's.
    unsafe {
        if word & WAKE != 0 {
            schedule(task);
        }
        if refs == 0 {
            free_local(task);
        }
    }
}

/// Hands a task over to whoever still refers to it, because the executor goes; frees it if nobody does.
///
/// # Safety
/// The owner's thread; the inbox is closed and emptied; the task's future is gone and the scheduler's reference to it given up.
pub(in crate::exec) unsafe fn orphan(task: TaskPtr, scheduler: &Scheduler) {
    // SAFETY: the owner still has the task in its list.
    let header = unsafe { task.as_ref() };
    let mut word = header.remote.load(Ordering::Acquire);
    loop {
        let posting = i32::from(word & POSTED != 0);
        let refs = header.local_refs.get() - number(word) + posting;
        if refs == 0 {
            // SAFETY: R1 and R3: nobody is left who could change the word.
            unsafe { (header.vtable.release)(task, None) }
            return;
        }
        scheduler.add_ref();
        let new = (refs.cast_unsigned() * ONE) | ORPHAN;
        match header
            .remote
            .compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => return,
            Err(now) => {
                scheduler.forget_ref();
                word = now;
            }
        }
    }
}
