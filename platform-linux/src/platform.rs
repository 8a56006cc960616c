//! What this kernel can do, and how the program stops.
#![allow(unsafe_code, reason = "standard error is a number")]

use crate::Linux;
use crate::error::{error, error_as};
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::event::{EventfdFlags, epoll};
use rustix::fd::BorrowedFd;
use rustix::rand::GetRandomFlags;
use underpin_core::platform::{Caps, ClockId, Memory, Platform};
use underpin_core::{Error, Operation};

/// Bit that no capability has: says that the cache was filled.
const PROBED: u32 = 1 << 31;

impl Platform for Linux {
    const NAME: &'static str = "linux";

    fn caps(&self) -> Caps {
        static CAPS: AtomicU32 = AtomicU32::new(0);
        let cached = CAPS.load(Ordering::Relaxed);
        if cached & PROBED != 0 {
            return Caps::from_bits_truncate(cached);
        }
        let caps = probe();
        CAPS.store(caps.bits() | PROBED, Ordering::Relaxed);
        caps
    }

    fn fatal(&self, message: &str) -> ! {
        fatal(message)
    }
}

/// Whether a harmless call shows that the system has the ability. Running out of handles or memory says nothing against it.
fn has<T>(result: rustix::io::Result<T>) -> bool {
    use rustix::io::Errno;
    match result {
        Ok(_) | Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR) => {
            true
        }
        Err(_) => false,
    }
}

/// The error for a call that failed: `Unsupported` if the probe found the whole ability missing, whatever number the kernel, or
/// a filter in front of it, gave.
#[cold]
pub(crate) fn refused(capability: Caps, operation: Operation, errno: rustix::io::Errno) -> Error {
    if Linux.caps().contains(capability) {
        error(operation, errno)
    } else {
        error_as(operation, underpin_core::Kind::Unsupported, errno)
    }
}

#[cold]
fn probe() -> Caps {
    use rustix::net::{AddressFamily, SocketType, socket};
    // What every kernel has had since long before the oldest that Rust supports.
    let mut caps = Caps::PROTECT
        | Caps::DECOMMIT_FAULTS
        | Caps::REAL_CLOCK
        | Caps::THREAD_NAMES
        | Caps::FILES
        | Caps::SYNC_DIRECTORY
        | Caps::SYNC_FULL
        | Caps::HARD_LINKS
        | Caps::LOCKS
        | Caps::MAP;
    caps.set(Caps::HUGE_PAGES, probe_huge_pages());
    caps.set(Caps::ENTROPY, has(probe_entropy()));
    caps.set(
        Caps::THREAD_CPU_CLOCK,
        crate::clock::exists(ClockId::ThreadCpu),
    );
    caps.set(Caps::BOOT_CLOCK, crate::clock::exists(ClockId::Boot));
    caps.set(Caps::AFFINITY, has(rustix::thread::sched_getaffinity(None)));
    caps.set(Caps::THREADS, crate::thread::can_spawn());
    caps.set(Caps::THREAD_SLOTS, crate::thread_slot::available());
    let (preallocate, punch) = probe_allocation();
    caps.set(Caps::PREALLOCATE, preallocate);
    caps.set(Caps::PUNCH, punch);
    caps.set(
        Caps::NET,
        has(socket(AddressFamily::INET, SocketType::STREAM, None))
            || has(socket(AddressFamily::INET6, SocketType::STREAM, None)),
    );
    caps.set(
        Caps::DATAGRAMS,
        has(socket(AddressFamily::INET, SocketType::DGRAM, None))
            || has(socket(AddressFamily::INET6, SocketType::DGRAM, None)),
    );
    caps.set(
        Caps::LOCAL_SOCKETS,
        has(socket(AddressFamily::UNIX, SocketType::STREAM, None)),
    );
    caps.set(
        Caps::REACTOR,
        has(epoll::create(epoll::CreateFlags::CLOEXEC))
            && has(rustix::event::eventfd(0, EventfdFlags::CLOEXEC)),
    );
    caps
}

fn probe_entropy() -> rustix::io::Result<usize> {
    let mut byte = [0];
    rustix::rand::getrandom(&mut byte, GetRandomFlags::NONBLOCK)
}

fn probe_huge_pages() -> bool {
    Linux.memory_info().huge_page_bytes != 0
}

/// Preallocating and punching, tried on a file in memory. A file system may refuse what the kernel can.
fn probe_allocation() -> (bool, bool) {
    use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
    let Ok(file) = memfd_create(c"underpin", MemfdFlags::CLOEXEC) else {
        // No such file to try on; calls that turn out impossible say so themselves.
        return (true, true);
    };
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    (
        has(fallocate(&file, FallocateFlags::empty(), 0, 1)),
        has(fallocate(&file, punch, 0, 1)),
    )
}

/// Writes the message to standard error and ends the process by `SIGABRT`, so that it leaves a core where those are wanted.
pub(crate) fn fatal(message: &str) -> ! {
    // SAFETY: the descriptor is used for these writes only; should the program have closed it, they fail or reach what took its
    // number, and the process ends either way.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    for part in ["fatal: ", message, "\n"] {
        write_all(stderr, part.as_bytes());
    }
    crate::syscall::abort()
}

/// Writes a text to standard error without the C library; for reports from where nothing may be allocated.
pub fn write_stderr(text: &str) {
    // SAFETY: as in `fatal`.
    write_all(unsafe { BorrowedFd::borrow_raw(2) }, text.as_bytes());
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            // Nobody is left to tell.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_kernel_has_everything_but_a_cheap_barrier() {
        let caps = Linux.caps();
        assert!(!caps.contains(Caps::SYNC_BARRIER));
        assert!(
            caps.contains(
                Caps::ENTROPY | Caps::FILES | Caps::NET | Caps::REACTOR | Caps::PREALLOCATE
            )
        );
        assert_eq!(Linux.caps(), caps, "the cache tells the same");
    }
}
