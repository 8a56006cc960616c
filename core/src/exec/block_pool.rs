//! Memory for tasks: a free list for each size, so that spawn after join costs no call of the allocator.
//!
//! Sizes go in steps of 8 bytes up to 1 KiB, so that an idle task costs no more than it needs; larger or more strictly aligned blocks come from the allocator each time. Each block is an
//! allocation of its own, so that any thread can free one.
//!
//! # Bounds
//! A size keeps at most [`KEPT_BYTES_MAX`]; the rest goes back to the allocator.
#![allow(unsafe_code, reason = "raw memory")]

use super::cell::Cell;
use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr::NonNull;

const STEP: usize = 8;
const CLASSES: usize = 128;
const ALIGN: usize = 16;

/// Free memory that one size keeps.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A free block: the next one of its size.
struct Free(*mut Free);

/// The free lists; the owner's thread alone uses them.
pub(super) struct BlockPool {
    free: [Cell<*mut Free>; CLASSES],
    kept: [Cell<u32>; CLASSES],
}

/// The class of a layout, if it has one.
const fn class_of(layout: Layout) -> Option<usize> {
    let class = layout.size().div_ceil(STEP);
    if class > 0 && class <= CLASSES && layout.align() <= ALIGN {
        Some(class - 1)
    } else {
        None
    }
}

/// What is really allocated for a layout.
const fn rounded(layout: Layout) -> Layout {
    match class_of(layout) {
        Some(class) => match Layout::from_size_align((class + 1) * STEP, ALIGN) {
            Ok(layout) => layout,
            Err(_) => layout,
        },
        None => layout,
    }
}

/// A block of at least this layout, from the allocator. Does not return when memory is out.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    let layout = rounded(layout);
    debug_assert!(layout.size() > 0);
    // SAFETY: a task has a header, so its size is not 0.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives a block back to the allocator.
///
/// # Safety
/// It came from [`allocate`] or [`BlockPool::take`] with the same layout and is not used again.
pub(super) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: `allocate` rounded the same way.
    unsafe { dealloc(block.as_ptr(), rounded(layout)) }
}

impl BlockPool {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            free: [const { Cell::new(core::ptr::null_mut()) }; CLASSES],
            kept: [const { Cell::new(0) }; CLASSES],
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            free: core::array::from_fn(|_| Cell::new(core::ptr::null_mut())),
            kept: core::array::from_fn(|_| Cell::new(0)),
        }
    }

    /// A block of at least this layout.
    #[inline]
    pub(super) fn take(&self, layout: Layout) -> NonNull<u8> {
        if let Some(class) = class_of(layout)
            && let Some(block) = NonNull::new(self.free[class].get())
        {
            // SAFETY: a block in the list holds its link.
            self.free[class].set(unsafe { block.read() }.0);
            self.kept[class].set(self.kept[class].get() - 1);
            return block.cast();
        }
        allocate(layout)
    }

    /// Keeps a block for later, or frees it.
    ///
    /// # Safety
    /// As [`free`].
    #[inline]
    pub(super) unsafe fn give(&self, block: NonNull<u8>, layout: Layout) {
        match class_of(layout) {
            Some(class)
                if (self.kept[class].get() as usize) < KEPT_BYTES_MAX / ((class + 1) * STEP) =>
            {
                let link = block.cast::<Free>();
                // SAFETY: the caller's word; a block is aligned and large enough for a pointer.
                unsafe { link.write(Free(self.free[class].get())) };
                self.free[class].set(link.as_ptr());
                self.kept[class].set(self.kept[class].get() + 1);
            }
            // SAFETY: the caller's word.
            _ => unsafe { free(block, layout) },
        }
    }
}

impl Drop for BlockPool {
    fn drop(&mut self) {
        for (class, head) in self.free.iter().enumerate() {
            let mut next = head.get();
            while let Some(block) = NonNull::new(next) {
                // SAFETY: a block in the list holds its link, and is nobody else's.
                unsafe {
                    next = block.read().0;
                    let layout = Layout::from_size_align_unchecked((class + 1) * STEP, ALIGN);
                    dealloc(block.as_ptr().cast(), layout);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_for_the_same_size_and_surplus_is_freed() {
        let pool = BlockPool::new();
        let layout = Layout::new::<[u64; 12]>();
        let first = pool.take(layout);
        // SAFETY: given back once, with its layout.
        unsafe { pool.give(first, layout) };
        assert_eq!(
            pool.take(Layout::new::<[u8; 95]>()),
            first,
            "96 bytes hold 95"
        );
        let mut blocks: alloc::vec::Vec<_> = (0..2_000).map(|_| pool.take(layout)).collect();
        blocks.push(first);
        for block in blocks {
            // SAFETY: as above.
            unsafe { pool.give(block, layout) };
        }
        let class = class_of(layout).expect("small");
        assert_eq!(pool.kept[class].get() as usize, KEPT_BYTES_MAX / 96);
    }

    #[test]
    fn strange_layouts_have_no_class() {
        assert_eq!(class_of(Layout::new::<[u8; 1_025]>()), None);
        let aligned = Layout::from_size_align(64, 64).expect("a layout");
        assert_eq!(class_of(aligned), None);
        assert_eq!(rounded(aligned), aligned);
    }
}
