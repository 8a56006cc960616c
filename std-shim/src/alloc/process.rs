//! The allocator of this process, and its hooks into the life of threads and processes.
#![allow(unsafe_code, reason = "C's fork handlers and thread slots")]

use crate::sys::process::{Words, at_fork, spawn_service};
use crate::sys::{Native, Platform as _, SlotKey, ThreadSlots as _, native};
use core::sync::atomic::{AtomicUsize, Ordering};
use underpin_core::allocator::{Allocator, Hooks, Line, Misuse, Options};

/// The allocator.
pub(super) static ALLOCATOR: Allocator<Native, Words> = Allocator::new(
    native(),
    Words,
    Options::new(),
    Hooks {
        thread_start,
        misuse,
        foreign_free: |_| false,
        // No stacks here yet: samples say how much, not where.
        backtrace: |_| 0,
        // Where no such thread can be made from within an allocation, the others do its work.
        purger_start: || spawn_service(|| ALLOCATOR.purger_run()),
        clock: None,
    },
);

/// 0: no slot yet. 1: being made, or refused. Else the slot whose hook runs at thread exit, plus 2.
static SLOT: AtomicUsize = AtomicUsize::new(0);

fn thread_start() {
    if SLOT.load(Ordering::Acquire) == 0
        && SLOT
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    {
        process_start();
    }
    // Threads that start while the first one makes the slot do without: their heaps are never given to others. That is the moment
    // before `main`.
    let slot = SLOT.load(Ordering::Acquire);
    if slot >= 2 {
        let key = SlotKey::from_raw(slot - 2);
        // SAFETY: a live slot, whose hook takes any value.
        let _ = unsafe { native().slot_set(key, core::ptr::without_provenance_mut(1)) };
    }
}

/// At the first allocation.
fn process_start() {
    // SAFETY: the hook takes any value.
    if let Ok(key) = unsafe { native().slot_create(Some(thread_end)) } {
        SLOT.store(key.as_raw() + 2, Ordering::Release);
    }
    at_fork(fork_prepare, fork_parent, fork_child);
}

unsafe extern "C" fn thread_end(_: *mut u8) {
    ALLOCATOR.thread_end();
}

unsafe extern "C" fn fork_prepare() {
    ALLOCATOR.fork_prepare();
}

unsafe extern "C" fn fork_parent() {
    // SAFETY: called after `fork_prepare`, on the same thread.
    unsafe { ALLOCATOR.fork_parent() };
}

unsafe extern "C" fn fork_child() {
    // SAFETY: called after `fork_prepare`, on the only thread of the child.
    unsafe { ALLOCATOR.fork_child() };
}

fn misuse(misuse: Misuse) -> ! {
    native().fatal(Line::of("underpin: ", misuse).as_str())
}
