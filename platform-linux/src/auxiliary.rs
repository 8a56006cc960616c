//! The auxiliary vector, in which the kernel tells a new process its page size and where the vDSO is.
//!
//! rustix asks the kernel for it (`PR_GET_AUXV`, since 6.4), else reads `/proc/self/auxv`, and panics if neither works: on an older
//! kernel without `/proc`, or in a process with file capabilities, whose `/proc/self/auxv` belongs to root. So nothing here lets
//! rustix look before it was seen that it can; where it cannot, clocks are system calls.
#![allow(unsafe_code, reason = "system calls are made by number")]

use crate::pthread;
use core::sync::atomic::{AtomicU8, Ordering};
use rustix::time::{ClockId, Timespec};

/// `AT_PAGESZ` in the vector.
const PAGE_SIZE: core::ffi::c_ulong = 6;

/// The largest page size that Linux has, for the case that nobody tells: multiples of it are multiples of every other.
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Whether rustix can read the vector. Looked at once.
#[inline]
pub(crate) fn is_readable() -> bool {
    const UNKNOWN: u8 = 0;
    const READABLE: u8 = 1;
    const HIDDEN: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
    match STATE.load(Ordering::Relaxed) {
        READABLE => true,
        HIDDEN => false,
        _ => {
            let readable = look();
            STATE.store(if readable { READABLE } else { HIDDEN }, Ordering::Relaxed);
            readable
        }
    }
}

#[cold]
fn look() -> bool {
    use rustix::fs::{Mode, OFlags, open};
    kernel_tells()
        || open(
            c"/proc/self/auxv",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .is_ok()
}

/// Whether the kernel hands the vector out.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn kernel_tells() -> bool {
    use crate::syscall::{number, syscall6};
    const PR_GET_AUXV: usize = 0x4155_5856;
    let mut first = 0_usize;
    // SAFETY: the kernel writes at most the given number of bytes, which is the word's size.
    let result = unsafe {
        let place = (&raw mut first).expose_provenance();
        syscall6(
            number::PRCTL,
            [PR_GET_AUXV, place, size_of::<usize>(), 0, 0, 0],
        )
    };
    result > 0
}

/// Whether the kernel hands the vector out.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn kernel_tells() -> bool {
    false
}

/// Reads a clock by system call; `None` if the kernel lacks it.
#[cold]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn clock_gettime(id: ClockId) -> Option<Timespec> {
    use crate::syscall::{number, syscall6};
    let mut time = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec, whose layout rustix's is.
    let result = unsafe {
        let place = (&raw mut time).expose_provenance();
        syscall6(number::CLOCK_GETTIME, [id as usize, place, 0, 0, 0, 0])
    };
    (result == 0).then_some(time)
}

/// Reads a clock through rustix, which on these architectures may panic if the vector is hidden.
#[cold]
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn clock_gettime(id: ClockId) -> Option<Timespec> {
    Some(rustix::time::clock_gettime(id))
}

/// The page size on architectures where the kernel's configuration decides.
pub(crate) fn page_bytes() -> usize {
    match pthread::auxiliary_value(PAGE_SIZE) as usize {
        0 if is_readable() => rustix::param::page_size(),
        0 => PAGE_BYTES_MAX,
        bytes => bytes,
    }
}
