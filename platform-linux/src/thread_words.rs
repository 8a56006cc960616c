//! Words per thread in static thread-local storage, reached without a call: stable Rust has no attribute for that, and an
//! assembly symbol needs none.
//!
//! The initial-exec model: the loader writes the block's distance from the thread register into the global offset table, or the
//! linker writes it into the instruction. Works in programs, in libraries loaded with them, and in libraries loaded later while the
//! C library has static space left. A process whose thread register points at no thread-local storage must not use it.
#![allow(unsafe_code, reason = "the thread register is read by assembly")]

use core::arch::{asm, global_asm};
use underpin_core::platform::{THREAD_WORDS, ThreadWords};

/// The calling thread's words.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxThreadWords;

global_asm!(
    ".pushsection .tbss.underpin_thread_words,\"awT\",%nobits",
    ".balign 64",
    ".hidden underpin_thread_words",
    ".globl underpin_thread_words",
    ".type underpin_thread_words, %object",
    ".size underpin_thread_words, {bytes}",
    "underpin_thread_words:",
    ".zero {bytes}",
    ".popsection",
    bytes = const THREAD_WORDS * size_of::<*mut u8>(),
);

// SAFETY: static thread-local storage is zeroed for each thread and its own; the thread register differs between living threads
// and points at a block that is aligned to 16 at least.
#[cfg(target_arch = "x86_64")]
unsafe impl ThreadWords for LinuxThreadWords {
    type Base = usize;

    #[inline(always)]
    fn base(self) -> usize {
        let base: usize;
        // SAFETY: reads an entry of the global offset table that never changes.
        unsafe {
            asm!("mov {}, qword ptr [rip + underpin_thread_words@GOTTPOFF]", out(reg) base,
                options(pure, nomem, nostack, preserves_flags));
        }
        base
    }

    #[inline(always)]
    unsafe fn load(self, base: usize, index: usize) -> *mut u8 {
        let value: *mut u8;
        // SAFETY: the word is the thread's own (the caller's promise).
        unsafe {
            asm!("mov {}, qword ptr fs:[{} + 8*{}]", lateout(reg) value, in(reg) base, in(reg) index,
                options(readonly, pure, nostack, preserves_flags));
        }
        value
    }

    #[inline(always)]
    unsafe fn store(self, base: usize, index: usize, value: *mut u8) {
        // SAFETY: the word is the thread's own (the caller's promise).
        unsafe {
            asm!("mov qword ptr fs:[{} + 8*{}], {}", in(reg) base, in(reg) index, in(reg) value,
                options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    fn mix(self, value: usize) -> usize {
        let mut mixed = value;
        // SAFETY: the thread register's first word holds its own address, by the ABI.
        unsafe {
            asm!("xor {}, qword ptr fs:[0]", inout(reg) mixed, options(pure, nomem, nostack));
        }
        mixed
    }

    #[inline]
    fn address(self) -> *mut *mut u8 {
        let address: *mut *mut u8;
        // SAFETY: the thread register plus the block's distance.
        unsafe {
            asm!("mov {0}, qword ptr fs:[0]", "add {0}, qword ptr [rip + underpin_thread_words@GOTTPOFF]",
                out(reg) address, options(pure, nomem, nostack));
        }
        address
    }
}

// SAFETY: as above.
#[cfg(target_arch = "aarch64")]
unsafe impl ThreadWords for LinuxThreadWords {
    type Base = *mut *mut u8;

    #[inline(always)]
    fn base(self) -> *mut *mut u8 {
        let (base, thread): (*mut u8, usize);
        // SAFETY: reads the thread register and an entry of the global offset table that never changes.
        unsafe {
            asm!("mrs {1}, tpidr_el0", "adrp {0}, :gottprel:underpin_thread_words",
                "ldr {0}, [{0}, :gottprel_lo12:underpin_thread_words]", "add {0}, {0}, {1}",
                out(reg) base, out(reg) thread, options(pure, nomem, nostack, preserves_flags));
        }
        let _ = thread;
        base.cast()
    }

    #[inline(always)]
    unsafe fn load(self, base: *mut *mut u8, index: usize) -> *mut u8 {
        // SAFETY: the word is the thread's own (the caller's promise).
        unsafe { base.add(index).read() }
    }

    #[inline(always)]
    unsafe fn store(self, base: *mut *mut u8, index: usize, value: *mut u8) {
        // SAFETY: the word is the thread's own (the caller's promise).
        unsafe { base.add(index).write(value) }
    }

    #[inline(always)]
    fn mix(self, value: usize) -> usize {
        let thread: usize;
        // SAFETY: reads the thread register.
        unsafe {
            asm!("mrs {}, tpidr_el0", out(reg) thread, options(pure, nomem, nostack, preserves_flags));
        }
        value ^ thread
    }

    #[inline]
    fn address(self) -> *mut *mut u8 {
        self.base()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_start_null_and_belong_to_their_thread() {
        let words = LinuxThreadWords;
        let check = move || {
            let base = words.base();
            for index in [0, 1, THREAD_WORDS - 1] {
                // SAFETY: this test is the words' only user, and the indices are in range.
                unsafe {
                    assert!(words.load(base, index).is_null());
                    let mut value = index as u8;
                    words.store(base, index, &raw mut value);
                    assert_eq!(words.load(base, index), &raw mut value);
                    assert_eq!(words.address().add(index).read(), &raw mut value);
                    words.store(base, index, core::ptr::null_mut());
                }
            }
            (words.mix(0), words.address().addr())
        };
        let here = check();
        let there = std::thread::spawn(check).join().unwrap();
        assert!(here.0 != there.0 && here.1 != there.1);
        assert!(here.0.is_multiple_of(16) && there.0.is_multiple_of(16));
        assert_eq!(words.mix(here.0), 0);
    }
}
