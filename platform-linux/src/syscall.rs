//! The few system calls that rustix does not offer in the form that the seam needs.
//!
//! - `futex_wake` takes an address that may no longer be a word; a Rust reference to it must not exist.
//! - `epoll_pwait2` waits in nanoseconds and falls back to milliseconds on kernels before 5.11.
//!
//! Both have inline assembly for the architectures below and a slower way, through rustix, for the others.
#![allow(unsafe_code, reason = "system calls are assembly")]

use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use rustix::event::{Timespec, epoll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// Makes system call `number`; the result is the kernel's, so -4095..=-1 are errors.
///
/// # Safety
/// That call with these arguments is sound.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention, which clobbers rcx and r11 only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack, preserves_flags)
        );
    }
    result
}

/// Makes system call `number`; the result is the kernel's, so -4095..=-1 are errors.
///
/// # Safety
/// That call with these arguments is sound.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(crate) unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result: isize;
    // SAFETY: the registers are those of the kernel's calling convention, which keeps all others.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack, preserves_flags)
        );
    }
    result
}

/// The kernel's numbers for the calls that are made here.
#[cfg(target_arch = "x86_64")]
pub(crate) mod number {
    pub(crate) const MUNMAP: usize = 11;
    pub(crate) const RT_SIGPROCMASK: usize = 14;
    pub(crate) const CLONE: usize = 56;
    pub(crate) const EXIT: usize = 60;
    pub(crate) const FUTEX: usize = 202;
    pub(crate) const SET_TID_ADDRESS: usize = 218;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const TGKILL: usize = 234;
    pub(crate) const CLOCK_GETTIME: usize = 228;
    pub(crate) const EPOLL_PWAIT2: usize = 441;
}

/// The kernel's numbers for the calls that are made here.
#[cfg(target_arch = "aarch64")]
pub(crate) mod number {
    pub(crate) const EXIT: usize = 93;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const SET_TID_ADDRESS: usize = 96;
    pub(crate) const FUTEX: usize = 98;
    pub(crate) const TGKILL: usize = 131;
    pub(crate) const RT_SIGPROCMASK: usize = 135;
    pub(crate) const MUNMAP: usize = 215;
    pub(crate) const CLONE: usize = 220;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const EPOLL_PWAIT2: usize = 441;
}

/// The monotonic clock at the last timer tick, by a system call: a few milliseconds coarse, and in need of nothing but the kernel.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[must_use]
pub fn monotonic_by_call() -> underpin_core::platform::Instant {
    const MONOTONIC_COARSE: usize = 6;
    let mut time = [0_u64; 2];
    let place = time.as_mut_ptr().expose_provenance();
    // SAFETY: the call writes a `timespec`, two words, there.
    unsafe { syscall6(number::CLOCK_GETTIME, [MONOTONIC_COARSE, place, 0, 0, 0, 0]) };
    let [seconds, ns] = time;
    underpin_core::platform::Instant::from_ns(seconds.wrapping_mul(1_000_000_000).wrapping_add(ns))
}

/// Wakes up to `count` waiters of the private futex at `word` and returns how many.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
pub(crate) fn futex_wake(word: *const AtomicU32, count: u32) -> u32 {
    const FUTEX_WAKE_PRIVATE: usize = 1 | 128;
    // SAFETY: FUTEX_WAKE takes the address as a key and reads nothing through it.
    let woken = unsafe {
        syscall6(
            number::FUTEX,
            [word.addr(), FUTEX_WAKE_PRIVATE, count as usize, 0, 0, 0],
        )
    };
    u32::try_from(woken).unwrap_or(0)
}

/// Wakes up to `count` waiters of the private futex at `word` and returns how many.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
pub(crate) fn futex_wake(word: *const AtomicU32, count: u32) -> u32 {
    use rustix::thread::futex;
    // SAFETY: the reference lives for the system call alone, which uses the address as a key; references to
    // interior-mutable memory are not marked dereferenceable, so the compiler reads nothing either.
    let word = unsafe { &*word };
    futex::wake(word, futex::Flags::PRIVATE, count)
        .ok()
        .and_then(|woken| u32::try_from(woken).ok())
        .unwrap_or(0)
}

/// Waits for events of `epoll`: `timeout` in nanoseconds where the kernel can, else in milliseconds, rounded up.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn epoll_wait<'a>(
    epoll: BorrowedFd<'_>,
    events: &'a mut [MaybeUninit<epoll::Event>],
    timeout: Option<&Timespec>,
) -> Result<&'a [epoll::Event], Errno> {
    use core::sync::atomic::{AtomicBool, Ordering};
    use rustix::fd::AsRawFd;
    /// Set once the kernel, or a filter, refused the newer call.
    static MILLISECONDS_ONLY: AtomicBool = AtomicBool::new(false);

    let Some(time) = timeout else {
        return coarse_wait(epoll, events, None);
    };
    let immediate = time.tv_sec == 0 && time.tv_nsec == 0;
    if immediate || MILLISECONDS_ONLY.load(Ordering::Relaxed) {
        return coarse_wait(epoll, events, timeout);
    }
    let (Ok(fd), Ok(capacity)) = (
        usize::try_from(epoll.as_raw_fd()),
        i32::try_from(events.len()),
    ) else {
        return Err(Errno::INVAL);
    };
    let time: *const Timespec = time;
    // SAFETY: the kernel writes at most `capacity` events, reads one timespec, and gets no signal mask. Both structures have the
    // kernel's layout (rustix passes the same ones). Exposing lets the kernel write through the address.
    let result = unsafe {
        syscall6(
            number::EPOLL_PWAIT2,
            [
                fd,
                events.as_mut_ptr().expose_provenance(),
                capacity as usize,
                time.expose_provenance(),
                0,
                0,
            ],
        )
    };
    match usize::try_from(result) {
        // SAFETY: the kernel initialised the first `count` events.
        Ok(count) => Ok(unsafe { core::slice::from_raw_parts(events.as_ptr().cast(), count) }),
        Err(_) => match Errno::from_raw_os_error(result.unsigned_abs() as i32) {
            Errno::NOSYS | Errno::PERM => {
                MILLISECONDS_ONLY.store(true, Ordering::Relaxed);
                coarse_wait(epoll, events, timeout)
            }
            errno => Err(errno),
        },
    }
}

/// Waits for events of `epoll`; the timeout is rounded up to milliseconds.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn epoll_wait<'a>(
    epoll: BorrowedFd<'_>,
    events: &'a mut [MaybeUninit<epoll::Event>],
    timeout: Option<&Timespec>,
) -> Result<&'a [epoll::Event], Errno> {
    coarse_wait(epoll, events, timeout)
}

fn coarse_wait<'a>(
    epoll: BorrowedFd<'_>,
    events: &'a mut [MaybeUninit<epoll::Event>],
    timeout: Option<&Timespec>,
) -> Result<&'a [epoll::Event], Errno> {
    // A longer timeout does not fit the older call; waking early after eleven days costs one more turn of the caller's loop.
    const LONGEST: Timespec = Timespec {
        tv_sec: 1_000_000,
        tv_nsec: 0,
    };
    let timeout = timeout.map(|time| {
        if time.tv_sec >= LONGEST.tv_sec {
            &LONGEST
        } else {
            time
        }
    });
    epoll::wait(epoll, events, timeout).map(|(ready, _)| &*ready)
}

/// Ends the process: `SIGABRT` to this thread, then, should that be blocked or handled, what cannot be.
pub(crate) fn abort() -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let process = getpid().as_raw_nonzero().get().unsigned_abs() as usize;
        let thread = rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs() as usize;
        let signal = Signal::ABORT.as_raw().unsigned_abs() as usize;
        // SAFETY: a signal to this very thread, and the end of the process, break no promise to anyone.
        unsafe {
            syscall6(number::TGKILL, [process, thread, signal, 0, 0, 0]);
            syscall6(number::EXIT_GROUP, [134, 0, 0, 0, 0, 0]);
        }
    }
    loop {
        let _ = kill_process(getpid(), Signal::ABORT);
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
