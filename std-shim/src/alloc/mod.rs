//! The allocator, for a whole program:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: underpin::alloc::Underpin = underpin::alloc::Underpin;
//!
//! let text = String::from("on underpin");
//! assert!(underpin::alloc::owns(text.as_ptr()));
//! ```
//!
//! One instance serves the process. Threads give their memory to others when they end; a child process goes on with it after a
//! fork; memory that stays free goes back to the system, on Linux without any call, elsewhere when the program allocates.
//! The environment variables in [`OPTIONS`] choose; [`stats`] tells.
#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

mod heap;
mod process;

pub use heap::Heap;
pub use underpin_core::allocator::{ClassStats, OPTIONS, OptionRow, Options, Stats};

use core::alloc::{GlobalAlloc, Layout};
use process::ALLOCATOR;

/// The program's allocator.
///
/// Misuse that is noticed (a block freed twice, an address that was never allocated) ends the process with a line on standard error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Underpin;

// SAFETY: the allocator's blocks are as large and as aligned as asked for, and stay where they are until they are freed.
unsafe impl GlobalAlloc for Underpin {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 16 {
            return ALLOCATOR.malloc(layout.size());
        }
        ALLOCATOR.aligned(layout.align(), layout.size())
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's promise.
        unsafe { ALLOCATOR.free(block) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 16 {
            return ALLOCATOR.zeroed(layout.size());
        }
        ALLOCATOR.aligned_zeroed(layout.align(), layout.size())
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { ALLOCATOR.realloc(block, size, layout.align()) }
    }
}

/// A picture of what is in use, for people (`Display`) and programs.
///
/// ```
/// let stats = underpin::alloc::stats();
/// let mut json = String::new();
/// stats.write_json(&mut json)?;
/// assert!(json.starts_with('{') && json.ends_with("]}") && json.contains("\"used_bytes\":"), "{json}");
/// println!("{stats}");
/// # Ok::<(), core::fmt::Error>(())
/// ```
#[must_use]
pub fn stats() -> Stats {
    ALLOCATOR.stats()
}

/// Gives what is free back to the system: of the calling thread's caches and of what is shared. Returns how many bytes.
pub fn trim() -> usize {
    ALLOCATOR.trim()
}

/// Whether the address is one of this allocator's.
#[must_use]
pub fn owns(address: *const u8) -> bool {
    ALLOCATOR.owns(address)
}

/// How many bytes the block at `address` really has; 0 for what is no block.
#[must_use]
pub fn usable_size(address: *const u8) -> usize {
    ALLOCATOR.usable_size(address)
}

/// Checks the shared structures and the calling thread's. For tests: it takes time in proportion to what is allocated.
///
/// # Errors
/// What is wrong.
pub fn check() -> Result<(), &'static str> {
    ALLOCATOR.check()
}
