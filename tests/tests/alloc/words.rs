//! A thread's words for tests: one allocator at a time uses them on a thread.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use underpin_core::platform::{THREAD_WORDS, ThreadWords};

#[repr(align(16))]
struct Words(UnsafeCell<[*mut u8; THREAD_WORDS]>);

static NEXT_TOKEN: AtomicUsize = AtomicUsize::new(4096);

std::thread_local! {
    /// So close to those of other threads that a place of a block of most sizes mixed with both is one again.
    static TOKEN: usize = NEXT_TOKEN.fetch_add(4096, Relaxed);
    static WORDS: Words = const { Words(UnsafeCell::new([std::ptr::null_mut(); THREAD_WORDS])) };
}

/// The words of the test's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestWords;

/// Makes the calling thread's words null: for the next allocator.
pub(crate) fn reset() {
    WORDS.with(|words| {
        // SAFETY: the thread's own, and no reference to them is kept.
        unsafe { *words.0.get() = [std::ptr::null_mut(); THREAD_WORDS] };
    });
}

// SAFETY: thread-locals are null at first, the thread's own, in place, and tokens are counted.
unsafe impl ThreadWords for TestWords {
    type Base = *mut *mut u8;

    fn base(self) -> *mut *mut u8 {
        self.address()
    }
    unsafe fn load(self, base: *mut *mut u8, index: usize) -> *mut u8 {
        // SAFETY: in range.
        unsafe { base.add(index).read() }
    }
    unsafe fn store(self, base: *mut *mut u8, index: usize, value: *mut u8) {
        // SAFETY: in range.
        unsafe { base.add(index).write(value) }
    }
    fn mix(self, value: usize) -> usize {
        value ^ TOKEN.with(|token| *token)
    }
    fn address(self) -> *mut *mut u8 {
        WORDS.with(|words| words.0.get().cast())
    }
}
