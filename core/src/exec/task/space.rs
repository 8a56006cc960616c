//! Static memory for one task, for machines without an allocator.
#![allow(unsafe_code, reason = "memory that is claimed by a flag")]

use crate::sync::atomic::{AtomicBool, Ordering};
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// Room for one task of at most `BYTES` bytes, header included; what a future needs beyond that does not compile.
///
/// It is free again when the task is done and its handle and wakers are gone.
#[repr(C, align(16))]
pub struct TaskSpace<const BYTES: usize> {
    claimed: AtomicBool,
    block: Block<BYTES>,
}

/// Aligned for every task that [`TaskSpace::fits`].
#[repr(C, align(16))]
struct Block<const BYTES: usize>(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

/// Bytes before the block.
const BLOCK_OFFSET: usize = 16;
const _: () = assert!(core::mem::offset_of!(TaskSpace<16>, block) == BLOCK_OFFSET);

// SAFETY: the block is used by whoever claimed it, and after that by the task in it.
unsafe impl<const BYTES: usize> Sync for TaskSpace<BYTES> {}

impl<const BYTES: usize> TaskSpace<BYTES> {
    /// Free room.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            claimed: AtomicBool::new(false),
            block: Block(UnsafeCell::new(MaybeUninit::uninit())),
        }
    }

    pub(in crate::exec) const fn fits(layout: core::alloc::Layout) -> bool {
        layout.size() <= BYTES && layout.align() <= 16
    }

    /// The room, if it is free.
    pub(in crate::exec) fn claim(&'static self) -> Option<NonNull<u8>> {
        if self.claimed.swap(true, Ordering::AcqRel) {
            return None;
        }
        // From the whole space, so that `release` may go back to the flag.
        let whole = NonNull::from(self).cast::<u8>();
        // SAFETY: the block lies inside of the space.
        Some(unsafe { whole.add(BLOCK_OFFSET) })
    }

    /// Frees the room that `block` is.
    ///
    /// # Safety
    /// `block` came from [`claim`](Self::claim) of a space of any size, and is not used again.
    pub(super) unsafe fn release(block: NonNull<u8>) {
        // SAFETY: the flag stands so many bytes before the block, in a space that is static.
        let claimed = unsafe { block.sub(BLOCK_OFFSET).cast::<AtomicBool>().as_ref() };
        claimed.store(false, Ordering::Release);
    }

    /// Whether no task is in it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        !self.claimed.load(Ordering::Acquire)
    }
}

#[cfg(not(loom))]
impl<const BYTES: usize> Default for TaskSpace<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> fmt::Debug for TaskSpace<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpace")
            .field("bytes", &BYTES)
            .field("free", &self.is_free())
            .finish()
    }
}
