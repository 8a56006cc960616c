//! Words per thread by `std`'s thread-locals, where there is nothing shorter: constant at first and without a destructor, so that
//! they work at any time of a thread's life and allocate nothing.
#![allow(unsafe_code, reason = "words hold raw pointers")]

use core::cell::UnsafeCell;
use core::ptr::null_mut;
use underpin_core::platform::{THREAD_WORDS, ThreadWords};

#[repr(align(64))]
struct Block(UnsafeCell<[*mut u8; THREAD_WORDS]>);

std::thread_local! {
    static BLOCK: Block = const { Block(UnsafeCell::new([null_mut(); THREAD_WORDS])) };
}

/// The calling thread's words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StdThreadWords;

// SAFETY: a thread-local is null at first, its thread's own, stays in place, and its address is no other living thread's.
unsafe impl ThreadWords for StdThreadWords {
    type Base = *mut *mut u8;

    #[inline]
    fn base(self) -> *mut *mut u8 {
        BLOCK.with(|block| block.0.get().cast())
    }

    #[inline]
    unsafe fn load(self, base: *mut *mut u8, index: usize) -> *mut u8 {
        // SAFETY: the index is in range (the caller's promise).
        unsafe { base.add(index).read() }
    }

    #[inline]
    unsafe fn store(self, base: *mut *mut u8, index: usize, value: *mut u8) {
        // SAFETY: the index is in range (the caller's promise).
        unsafe { base.add(index).write(value) }
    }

    #[inline]
    fn mix(self, value: usize) -> usize {
        value ^ self.base().addr()
    }

    fn address(self) -> *mut *mut u8 {
        self.base()
    }
}
