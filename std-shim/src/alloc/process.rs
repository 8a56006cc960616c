//! The allocator of this process, and its hooks into the life of threads and processes.
#![allow(unsafe_code, reason = "C's fork handlers and thread slots")]

use crate::sys::process::{Words, at_fork, spawn_service};
use crate::sys::{Clock as _, ClockId, Native, Platform as _, native};
use core::sync::atomic::{AtomicBool, Ordering};
use underpin_core::allocator::{Allocator, ExitSlot, Hooks, Line, Misuse, Options};

/// The allocator.
// SAFETY: a static, and the only user of the words, which are this crate's own (copies of the crate have words and allocators of their own).
pub(super) static ALLOCATOR: Allocator<Native, Words> = unsafe {
    Allocator::new(
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
    )
};

/// Its hook runs at thread exit.
static EXIT_SLOT: ExitSlot = ExitSlot::new();

/// Whether forks are looked after.
static FORKS: AtomicBool = AtomicBool::new(false);

fn thread_start() -> bool {
    let now = || native().now(ClockId::Monotonic);
    // SAFETY: the hook takes any value.
    let set = unsafe { EXIT_SLOT.set(&native(), thread_end, now) };
    if !FORKS.swap(true, Ordering::Relaxed) {
        at_fork(fork_prepare, fork_parent, fork_child);
    }
    set
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
    EXIT_SLOT.after_fork();
    // SAFETY: called after `fork_prepare`, on the only thread of the child.
    unsafe { ALLOCATOR.fork_child() };
}

fn misuse(misuse: Misuse) -> ! {
    native().fatal(Line::of("underpin: ", misuse).as_str())
}
