//! A fence that all threads of the process pass: `membarrier`, the private expedited one, which interrupts the processors that run
//! threads of this process and no others.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};
use rustix::io::Errno;
use rustix::thread::{MembarrierCommand, membarrier};

/// Whether the process has registered, which the kernel wants first. A child that was forked asks anew where it must.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Has all threads pass a fence. False on kernels before 4.14, and where a filter of system calls refuses it.
pub(crate) fn fence_others() -> bool {
    let mut again = !REGISTERED.load(Ordering::Relaxed);
    if again && !register() {
        return false;
    }
    loop {
        match membarrier(MembarrierCommand::PrivateExpedited) {
            Ok(()) => return true,
            // For want of memory it can be had a moment later: whoever relies on the fence cannot do without.
            Err(Errno::NOMEM | Errno::INTR | Errno::AGAIN) => rustix::thread::sched_yield(),
            Err(Errno::PERM) if !again && register() => again = true,
            Err(_) => return false,
        }
    }
}

fn register() -> bool {
    let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok();
    REGISTERED.store(registered, Ordering::Relaxed);
    registered
}
