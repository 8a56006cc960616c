//! A thread that the C library does not know, for services that must be startable from within `malloc`: the C library's own way to
//! make one allocates and takes its locks.
//!
//! The price: it inherits the thread register of the thread that started it, so it must touch no thread-local storage, call no C
//! function and take no signal (all are blocked in it). A change of the process's user by the C library does not reach it.
#![allow(unsafe_code, reason = "makes a thread by hand")]

use crate::raw_thread;
use crate::syscall::{number, syscall6};
use crate::thread::Start;

/// Enough for a loop of system calls.
const STACK_BYTES: usize = 64 * 1024;

unsafe extern "C" fn enter(entry: *mut u8) {
    // SAFETY: `spawn_service` passed a function of this type.
    let entry = unsafe { core::mem::transmute::<*mut u8, fn()>(entry) };
    entry();
}

/// Starts a thread that runs `entry` until the process ends; false if the system refuses. `entry` keeps to the rules above.
/// Allocates nothing from the heap.
#[must_use]
pub fn spawn_service(entry: fn()) -> bool {
    if !raw_thread::SUPPORTED {
        return false;
    }
    let all_signals = u64::MAX;
    let mut before = 0_u64;
    let mask = |set: *const u64, old: *mut u64| {
        const SIG_SETMASK: usize = 2;
        let arguments = [
            SIG_SETMASK,
            set.expose_provenance(),
            old.expose_provenance(),
            8,
            0,
            0,
        ];
        // SAFETY: both point at masks of 8 bytes, or nowhere.
        unsafe { syscall6(number::RT_SIGPROCMASK, arguments) };
    };
    mask(&raw const all_signals, &raw mut before);
    // The new thread inherits the mask.
    let start = Start::plain(enter, entry as *mut u8);
    let started = raw_thread::spawn(start, STACK_BYTES);
    mask(&raw const before, core::ptr::null_mut());
    started.map(|mut thread| thread.detach()).is_ok()
}
