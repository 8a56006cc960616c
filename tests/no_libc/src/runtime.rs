//! What a C library would have brought: the first instructions, memory functions, an allocator, printing, the end.

use alloc::format;
use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use underpin_core::platform::{Memory, Platform};
use underpin_linux::Linux;

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "bl {main}",
    "brk 1",
    main = sym main,
);

extern "C" fn main() -> ! {
    crate::run();
    exit()
}

/// Ends the process with status 0.
fn exit() -> ! {
    // SAFETY: exit_group takes a number and does not return.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("syscall", in("rax") 231, in("rdi") 0, options(noreturn, nostack));
    }
    // SAFETY: exit_group takes a number and does not return.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("svc 0", in("x8") 94, in("x0") 0, options(noreturn, nostack));
    }
}

/// Writes to standard output.
pub(crate) fn print(text: &str) {
    // SAFETY: the descriptor is open in every program that the test starts, and write reads the text alone.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "syscall", inlateout("rax") 1_usize => _, in("rdi") 1, in("rsi") text.as_ptr(), in("rdx") text.len(),
            lateout("rcx") _, lateout("r11") _, options(nostack)
        );
    }
    // SAFETY: the descriptor is open in every program that the test starts, and write reads the text alone.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "svc 0", in("x8") 64, inlateout("x0") 1_usize => _, in("x1") text.as_ptr(), in("x2") text.len(),
            options(nostack)
        );
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    Linux.fatal(&format!("{info}"))
}

/// Hands out memory once; the program is short.
struct Bump;

#[global_allocator]
static ALLOCATOR: Bump = Bump;

const HEAP_BYTES: usize = 64 << 20;
/// Address of the heap; 0 before it is made.
static HEAP: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

fn heap() -> usize {
    let made = HEAP.load(Ordering::Acquire);
    if made != 0 {
        return made;
    }
    // Threads start after the first allocation, so nobody races here.
    let Ok(at) = Linux.reserve(HEAP_BYTES, 4096) else {
        return 0;
    };
    // SAFETY: the reservation was made just now.
    if unsafe { Linux.commit(at, HEAP_BYTES) }.is_err() {
        return 0;
    }
    HEAP.store(at.as_ptr().expose_provenance(), Ordering::Release);
    at.addr().get()
}

// SAFETY: ranges handed out lie in the heap, are aligned, and never overlap: `USED` only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = heap();
        let bytes = layout.size() + layout.align();
        let start = USED.fetch_add(bytes, Ordering::Relaxed);
        if heap == 0 || start + bytes > HEAP_BYTES {
            return core::ptr::null_mut();
        }
        let at = (heap + start).next_multiple_of(layout.align());
        NonNull::new(core::ptr::with_exposed_provenance_mut::<u8>(at))
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

// The compiler calls these by name. Byte loops, kept from being turned into calls of themselves by a volatile access.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    for index in 0..bytes {
        // SAFETY: the caller's ranges are `bytes` long.
        unsafe { to.add(index).write_volatile(from.add(index).read()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    if to.addr() <= from.addr() {
        // SAFETY: the caller's promise; copying upwards reads each byte before it is overwritten.
        return unsafe { memcpy(to, from, bytes) };
    }
    for index in (0..bytes).rev() {
        // SAFETY: the caller's ranges are `bytes` long.
        unsafe { to.add(index).write_volatile(from.add(index).read()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8 {
    for index in 0..bytes {
        // SAFETY: the caller's range is `bytes` long.
        unsafe { to.add(index).write_volatile(value as u8) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    for index in 0..bytes {
        // SAFETY: the caller's ranges are `bytes` long.
        let (a, b) = unsafe { (left.add(index).read_volatile(), right.add(index).read()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
    // SAFETY: the same promise.
    unsafe { memcmp(left, right, bytes) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const core::ffi::c_char) -> usize {
    let mut bytes = 0;
    // SAFETY: the caller's text ends with a NUL.
    while unsafe { text.add(bytes).read_volatile() } != 0 {
        bytes += 1;
    }
    bytes
}

// The prebuilt `alloc` refers to unwinding, which this program, built to abort on a panic, never does.

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    Linux.fatal("unwinding in a program that aborts")
}

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
