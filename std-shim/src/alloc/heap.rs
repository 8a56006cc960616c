//! Heaps as values, and the collections' allocator traits.
//!
//! ```
//! use allocator_api2::vec::Vec;
//! use underpin::alloc::Heap;
//!
//! let heap = Heap::new().expect("memory for a heap");
//! let mut numbers = Vec::new_in(&heap);
//! numbers.extend(0..1_000);
//! assert_eq!(numbers.iter().sum::<i32>(), 499_500);
//! drop(numbers);
//! drop(heap); // Whatever is still in it is gone.
//! ```
#![allow(unsafe_code, reason = "Allocator is an unsafe trait")]

use super::Underpin;
use super::process::ALLOCATOR;
use crate::sys::Native;
use crate::sys::process::Words;
use allocator_api2::alloc::{AllocError, Allocator};
use core::alloc::{GlobalAlloc as _, Layout};
use core::ptr::NonNull;
use underpin_core::allocator;

/// A heap of its own: its blocks are freed one by one, or all at once when it is dropped.
///
/// One thread at a time uses it. A block may be freed by any thread with the program's `free`.
#[derive(Debug)]
pub struct Heap(allocator::Heap<'static, Native, Words>);

impl Heap {
    /// A heap without blocks; `None` if there is no memory for it.
    #[must_use]
    pub fn new() -> Option<Self> {
        allocator::Heap::new_in(&ALLOCATOR).map(Self)
    }

    /// A block for `layout`, as large and aligned as it says; null if there is no memory. A size of zero gets a block too.
    #[must_use]
    pub fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout.size(), layout.align())
    }

    /// As [`alloc`](Self::alloc), reading as zero.
    #[must_use]
    pub fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.0.allocate_zeroed(layout.size(), layout.align())
    }

    /// Frees a block.
    ///
    /// # Safety
    /// The block came from this heap or from [`Underpin`], is not free, and nothing uses it any more.
    pub unsafe fn dealloc(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.0.free(block) };
    }

    /// Makes a block hold `size` bytes at its layout's alignment, moving it if it must; null, and no change, if there is no memory.
    ///
    /// # Safety
    /// The block came from this heap for `layout`, is not free, and nothing uses its old place any more.
    #[must_use]
    pub unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.reallocate(block, size, layout.align()) }
    }

    /// Ends the heap and lets its blocks live on, each to be freed by [`Underpin`].
    pub fn leave(self) {
        self.0.leave();
    }
}

fn filled(block: *mut u8, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let block = NonNull::new(block).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

fn empty(layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0)
}

// SAFETY: blocks live until they are freed or the heap, which is borrowed, is dropped; copies of the reference are the same heap.
unsafe impl Allocator for &Heap {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        filled(self.alloc(layout), layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        filled(self.alloc_zeroed(layout), layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(block.as_ptr()) };
        }
    }
}

// SAFETY: blocks live until they are freed; there is one allocator.
unsafe impl Allocator for Underpin {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        // SAFETY: the size is not zero.
        filled(unsafe { self.alloc(layout) }, layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(empty(layout));
        }
        // SAFETY: the size is not zero.
        filled(unsafe { self.alloc_zeroed(layout) }, layout)
    }

    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(block.as_ptr(), layout) };
        }
    }

    unsafe fn grow(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.allocate(new);
        }
        // SAFETY: the caller's promise; blocks of the larger alignment serve the smaller one too.
        unsafe {
            if new.align() <= old.align() {
                return filled(self.realloc(block.as_ptr(), old, new.size()), new);
            }
            let moved = self.allocate(new)?;
            let target: *mut u8 = moved.as_ptr().cast();
            target.copy_from_nonoverlapping(block.as_ptr(), old.size());
            self.deallocate(block, old);
            Ok(moved)
        }
    }
}
