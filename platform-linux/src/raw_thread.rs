//! Threads made of the kernel's `clone` alone, for processes without a C library.
//!
//! # Picture
//!
//! One mapping per thread, freed by whoever is last:
//!
//! ```text
//! base                                                             base + bytes
//! | guard: touches fault | stack, grows down                <- | Control |
//! ```
//!
//! # Life of a thread
//!
//! `Control::state` goes from `RUNNING` to two of the three others in either order, each by one atomic swap:
//!
//! 1. `EXITED` by the thread, after its entry and its slots' hooks;
//! 2. `DETACHED` by the owner of the handle, or nothing, when the owner joins.
//!
//! The kernel stores 0 to `Control::tid` and wakes it when the thread no longer uses its stack (`CLONE_CHILD_CLEARTID`).
//!
//! - Joined: the owner waits for tid 0 and unmaps.
//! - `EXITED`, then `DETACHED`: the owner finds `EXITED`, waits the moment until tid 0, and unmaps.
//! - `DETACHED`, then `EXITED`: the thread finds `DETACHED` and unmaps the stack it stands on, in assembly. It first blocks
//!   signals, whose handlers would need the stack, and takes back the kernel's store to tid, which would hit foreign memory.
//!
//! # Not here
//!
//! Thread-local storage: the thread register is inherited, and a program without a C library has nothing behind it.
#![allow(unsafe_code, reason = "threads without a C library are assembly")]

use crate::Linux;
use crate::error::{error, error_as};
use crate::memory::page_bytes;
use crate::slot_table;
use crate::syscall::{number, syscall6};
use crate::thread::Start;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::io::Errno;
use rustix::thread::futex;
use underpin_core::platform::Memory;
use underpin_core::{Kind, Operation, Result};

/// Whether this architecture has them.
pub(crate) const SUPPORTED: bool = true;

/// The stack that a thread gets when it does not say: what Rust's own threads have.
const STACK_BYTES_DEFAULT: usize = 2 * 1024 * 1024;

const RUNNING: u32 = 0;
const EXITED: u32 = 1;
const DETACHED: u32 = 2;

/// What thread and owner share; at the high end of the thread's mapping.
#[repr(C, align(64))]
struct Control {
    tid: AtomicU32,
    state: AtomicU32,
    base: NonNull<u8>,
    bytes: usize,
    /// Written before the thread starts, taken by it.
    start: MaybeUninit<Start>,
}

/// A started thread that nobody has joined or detached.
#[derive(Debug)]
pub(crate) struct RawThread(NonNull<Control>);

// SAFETY: the control block is shared by design: its fields are atomics, or written before the thread starts.
unsafe impl Send for RawThread {}

/// Starts a thread; a stack size of 0 is the default.
pub(crate) fn spawn(start: Start, stack_bytes: usize) -> Result<RawThread> {
    const OP: Operation = Operation::Spawn;
    let page = page_bytes();
    let stack_bytes = if stack_bytes == 0 {
        STACK_BYTES_DEFAULT
    } else {
        stack_bytes
    };
    // `stack_bytes` is whole pages and below half the address space, so that this cannot overflow.
    let top_bytes = size_of::<Control>().next_multiple_of(page);
    let bytes = page + stack_bytes + top_bytes;
    let base = Linux.reserve(bytes, page).map_err(|error| {
        underpin_core::Error::from_raw(OP, error.kind(), error.domain(), error.raw())
    })?;
    // SAFETY: the guard page stays closed; the rest lies within the reservation made just now.
    let committed = unsafe { Linux.commit(base.add(page), bytes - page) };
    if let Err(error) = committed {
        // SAFETY: the reservation was made above and nothing refers into it.
        let _ = unsafe { Linux.release(base, bytes) };
        return Err(underpin_core::Error::from_raw(
            OP,
            error.kind(),
            error.domain(),
            error.raw(),
        ));
    }
    // SAFETY: the block's place is committed, page-aligned and large enough.
    let control = unsafe {
        let control = base.add(bytes - top_bytes).cast::<Control>();
        control.write(Control {
            tid: AtomicU32::new(u32::MAX),
            state: AtomicU32::new(RUNNING),
            base,
            bytes,
            start: MaybeUninit::new(start),
        });
        control
    };
    // SAFETY: the stack below the block is the new thread's own; block and stack live until the thread has ended (see the head).
    let result = unsafe { clone_thread(control) };
    if result > 0 {
        return Ok(RawThread(control));
    }
    // SAFETY: there is no thread, so nothing refers into the mapping.
    let _ = unsafe { Linux.release(base, bytes) };
    let errno = Errno::from_raw_os_error(i32::try_from(-result).unwrap_or(i32::MAX));
    Err(match errno {
        Errno::AGAIN => error_as(OP, Kind::Limit, errno),
        errno => error(OP, errno),
    })
}

impl RawThread {
    fn control(&self) -> &Control {
        // SAFETY: the mapping lives until join or detach, which end this value's use.
        unsafe { self.0.as_ref() }
    }

    /// Waits for the thread's end and frees its stack; false, and nothing done, if the thread is the caller.
    pub(crate) fn join(&self) -> bool {
        let own = rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs();
        if self.control().tid.load(Ordering::Relaxed) == own {
            return false;
        }
        self.await_and_free();
        true
    }

    /// Lets the thread free its own stack when it ends.
    pub(crate) fn detach(&mut self) {
        if self.control().state.swap(DETACHED, Ordering::AcqRel) == EXITED {
            self.await_and_free();
        }
    }

    /// Waits until the kernel says that the thread has left its stack, and unmaps it.
    fn await_and_free(&self) {
        let control = self.control();
        loop {
            let tid = control.tid.load(Ordering::Acquire);
            if tid == 0 {
                break;
            }
            // The kernel wakes with a shared futex. Any return is a reason to look again.
            let _ = futex::wait(&control.tid, futex::Flags::empty(), tid, None);
        }
        // What the thread wrote happens before this load: it stored EXITED last.
        let _ = control.state.load(Ordering::Acquire);
        let (base, bytes) = (control.base, control.bytes);
        // SAFETY: the thread is gone and the owner uses the handle no more.
        let _ = unsafe { Linux.release(base, bytes) };
    }
}

/// The new thread's first function, on its own stack.
unsafe extern "C" fn main(control: *mut Control) -> ! {
    // SAFETY: `spawn` wrote the start for this thread, which takes it once; the block outlives the use.
    unsafe {
        let start = (*control).start.as_ptr().read();
        start.run();
    }
    slot_table::run_hooks();
    // SAFETY: the block lives until after the swap says who frees it.
    let (previous, base, bytes) = unsafe {
        let (base, bytes) = ((*control).base, (*control).bytes);
        ((*control).state.swap(EXITED, Ordering::AcqRel), base, bytes)
    };
    if previous == DETACHED {
        // SAFETY: the owner gave the mapping up, so it is this thread's alone; nothing on the stack is used again.
        unsafe {
            let all_signals = u64::MAX;
            syscall6(
                number::RT_SIGPROCMASK,
                [0, (&raw const all_signals).expose_provenance(), 0, 8, 0, 0],
            );
            syscall6(number::SET_TID_ADDRESS, [0; 6]);
            unmap_and_exit(base.as_ptr(), bytes)
        }
    }
    // SAFETY: ends this thread; the owner unmaps the stack once the kernel has cleared the tid.
    unsafe { syscall6(number::EXIT, [0; 6]) };
    crate::syscall::abort()
}

/// `CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID`: a thread of this process, whose
/// number the kernel keeps in the control block while it lives.
const CLONE_FLAGS: usize =
    0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000 | 0x10_0000 | 0x20_0000;

/// Starts a thread that runs [`main`] with its stack ending at `control`; returns its number or a negative errno.
///
/// # Safety
/// The memory below `control` is a stack for the new thread; `control` is initialised.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_thread(control: NonNull<Control>) -> isize {
    let result: isize;
    // SAFETY: in the caller the code only makes the system call. In the new thread it runs on the new stack, aligned as the calling
    // convention wants it, and calls a function that does not return.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") number::CLONE => result,
            in("rdi") CLONE_FLAGS,
            in("rsi") control.as_ptr(),
            in("rdx") control.as_ptr(),
            in("r10") control.as_ptr(),
            in("r8") 0_usize,
            in("r12") control.as_ptr(),
            in("r13") main as unsafe extern "C" fn(*mut Control) -> !,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Starts a thread that runs [`main`] with its stack ending at `control`; returns its number or a negative errno.
///
/// # Safety
/// The memory below `control` is a stack for the new thread; `control` is initialised.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_thread(control: NonNull<Control>) -> isize {
    let result: isize;
    // SAFETY: in the caller the code only makes the system call. In the new thread it runs on the new stack, aligned as the calling
    // convention wants it, and calls a function that does not return.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x9",
            "blr x10",
            "brk 1",
            "2:",
            in("x8") number::CLONE,
            inlateout("x0") CLONE_FLAGS => result,
            in("x1") control.as_ptr(),
            in("x2") control.as_ptr(),
            in("x3") 0_usize,
            in("x4") control.as_ptr(),
            in("x9") control.as_ptr(),
            in("x10") main as unsafe extern "C" fn(*mut Control) -> !,
        );
    }
    result
}

/// Unmaps the stack that the thread stands on and ends the thread.
///
/// # Safety
/// The mapping is the thread's own, nobody uses it again, and no signal can arrive.
#[cfg(target_arch = "x86_64")]
unsafe fn unmap_and_exit(base: *mut u8, bytes: usize) -> ! {
    // SAFETY: after the first call nothing touches memory: the second takes its arguments from registers.
    unsafe {
        core::arch::asm!(
            "syscall",
            "mov eax, {exit}",
            "xor edi, edi",
            "syscall",
            "ud2",
            exit = const number::EXIT,
            in("rax") number::MUNMAP, in("rdi") base, in("rsi") bytes,
            options(noreturn, nostack)
        );
    }
}

/// Unmaps the stack that the thread stands on and ends the thread.
///
/// # Safety
/// The mapping is the thread's own, nobody uses it again, and no signal can arrive.
#[cfg(target_arch = "aarch64")]
unsafe fn unmap_and_exit(base: *mut u8, bytes: usize) -> ! {
    // SAFETY: after the first call nothing touches memory: the second takes its arguments from registers.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "mov x8, #{exit}",
            "mov x0, xzr",
            "svc 0",
            "brk 1",
            exit = const number::EXIT,
            in("x8") number::MUNMAP, in("x0") base, in("x1") bytes,
            options(noreturn, nostack)
        );
    }
}
