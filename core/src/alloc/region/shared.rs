//! Regions that several cores, threads or interrupt handlers use: each of a few regions with an exclusion of its own, so that a core
//! seldom waits for another.
//!
//! ```
//! use core::mem::MaybeUninit;
//! use underpin_core::allocator::region::{SharedRegion, Spinning};
//!
//! // On a machine of its own, this would be its `#[global_allocator]`.
//! static HEAP: SharedRegion<Spinning, 2> = SharedRegion::new();
//!
//! let memory: &'static mut [MaybeUninit<u8>] = Box::leak(Box::new_uninit_slice(64 * 1024));
//! assert!(HEAP.add(memory));
//! let block = HEAP.allocate(100, 8).unwrap();
//! // SAFETY: allocated above, and not used any more.
//! unsafe { HEAP.free(block) };
//! ```
//!
//! # Invariants
//! - I1: a shard's region is touched within its exclusion alone.
//! - I2: a shard's pieces are written within its exclusion, start last, and never change after that; a start of 0 is no piece yet.
//!
//! # Bounds
//! An allocation that finds its first shard free takes what [`Region::allocate`] takes; a full or contended heap is asked shard by
//! shard. A free looks through the pieces, [`PIECES`] a shard at most.
#![allow(unsafe_code, reason = "shares memory between cores")]

use super::{Region, RegionStats};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};
#[cfg(target_has_atomic = "8")]
use core::sync::atomic::AtomicBool;
use core::sync::atomic::{AtomicUsize, Ordering::*};

/// Pieces of memory that a shard has at most.
pub const PIECES: usize = 8;

/// Keeps others out while something runs.
///
/// # Safety
/// Implementors promise that, of the calls of one value, one at a time runs what it is given, and that each sees what those before it
/// did.
pub unsafe trait Exclusion {
    /// One that nobody is in.
    const NEW: Self;

    /// Runs `inside` as soon as nobody else is in. Not to be called from within.
    fn with<R>(&self, inside: impl FnOnce() -> R) -> R;

    /// Runs `inside` if nobody else is in.
    fn try_with<R>(&self, inside: impl FnOnce() -> R) -> Option<R> {
        Some(self.with(inside))
    }
}

/// Waits by looking again and again: for cores that do nothing else meanwhile. An interrupt handler must not allocate on the core that it
/// interrupts.
#[cfg(target_has_atomic = "8")]
#[derive(Debug)]
pub struct Spinning(AtomicBool);

// SAFETY: who changes the flag to true is in until it stores false; acquire and release order what is done inside.
#[cfg(target_has_atomic = "8")]
unsafe impl Exclusion for Spinning {
    const NEW: Self = Self(AtomicBool::new(false));

    #[inline]
    fn with<R>(&self, inside: impl FnOnce() -> R) -> R {
        while self
            .0
            .compare_exchange_weak(false, true, Acquire, Relaxed)
            .is_err()
        {
            while self.0.load(Relaxed) {
                core::hint::spin_loop();
            }
        }
        let _leave = Leave(&self.0);
        inside()
    }

    #[inline]
    fn try_with<R>(&self, inside: impl FnOnce() -> R) -> Option<R> {
        self.0
            .compare_exchange(false, true, Acquire, Relaxed)
            .ok()?;
        let _leave = Leave(&self.0);
        Some(inside())
    }
}

/// Lets others in, also when what ran inside has panicked.
#[cfg(target_has_atomic = "8")]
struct Leave<'a>(&'a AtomicBool);

#[cfg(target_has_atomic = "8")]
impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

/// The program's critical section, from the crate `critical-section`: for interrupt handlers too.
#[cfg(feature = "critical-section-v1")]
#[derive(Debug)]
pub struct Critical(());

// SAFETY: what the crate promises of the implementation that the program chose.
#[cfg(feature = "critical-section-v1")]
unsafe impl Exclusion for Critical {
    const NEW: Self = Self(());

    #[inline]
    fn with<R>(&self, inside: impl FnOnce() -> R) -> R {
        critical_section::with(|_| inside())
    }
}

/// Where a piece of memory lies.
#[derive(Debug)]
struct Piece {
    start: AtomicUsize,
    end: AtomicUsize,
}

/// A region with what keeps others out of it.
#[derive(Debug)]
struct Shard<X> {
    exclusion: X,
    region: UnsafeCell<Region>,
    pieces: [Piece; PIECES],
}

impl<X: Exclusion> Shard<X> {
    const fn new() -> Self {
        Self {
            exclusion: X::NEW,
            region: UnsafeCell::new(Region::new()),
            pieces: [const {
                Piece {
                    start: AtomicUsize::new(0),
                    end: AtomicUsize::new(0),
                }
            }; PIECES],
        }
    }

    fn with<R>(&self, inside: impl FnOnce(&mut Region) -> R) -> R {
        // SAFETY: I1.
        self.exclusion
            .with(|| inside(unsafe { &mut *self.region.get() }))
    }

    fn try_with<R>(&self, inside: impl FnOnce(&mut Region) -> R) -> Option<R> {
        // SAFETY: I1.
        self.exclusion
            .try_with(|| inside(unsafe { &mut *self.region.get() }))
    }

    fn add(&self, memory: &'static mut [MaybeUninit<u8>]) -> bool {
        let range = memory.as_ptr_range();
        self.with(|region| {
            let Some(piece) = self
                .pieces
                .iter()
                .find(|piece| piece.start.load(Relaxed) == 0)
            else {
                return false;
            };
            region.add(memory);
            piece.end.store(range.end.addr(), Relaxed);
            piece.start.store(range.start.addr(), Release);
            true
        })
    }

    fn holds(&self, address: usize) -> bool {
        self.pieces.iter().any(|piece| {
            let start = piece.start.load(Acquire);
            start != 0 && address >= start && address < piece.end.load(Relaxed)
        })
    }
}

/// `SHARDS` regions that share the memory. A block is no larger than its shard's piece.
#[derive(Debug)]
pub struct SharedRegion<X, const SHARDS: usize = 1> {
    shards: [Shard<X>; SHARDS],
}

// SAFETY: I1 and I2.
unsafe impl<X: Exclusion + Sync, const SHARDS: usize> Sync for SharedRegion<X, SHARDS> {}

impl<X: Exclusion, const SHARDS: usize> SharedRegion<X, SHARDS> {
    /// A heap without memory.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(SHARDS > 0) };
        Self {
            shards: [const { Shard::new() }; SHARDS],
        }
    }

    /// Gives each shard its share of the memory, for ever; false if it was given memory [`PIECES`] times before. Then nothing is used, unless
    /// others add at the same time: two that ask for the last place may get it in one shard each, and both are told false. A part too small
    /// for a block takes up a place, too.
    pub fn add(&self, memory: &'static mut [MaybeUninit<u8>]) -> bool {
        let share = memory.len() / SHARDS;
        let mut rest = memory;
        let mut taken = true;
        for (index, shard) in self.shards.iter().enumerate() {
            let bytes = if index + 1 == SHARDS {
                rest.len()
            } else {
                share
            };
            let (piece, after) = rest.split_at_mut(bytes);
            rest = after;
            taken &= shard.add(piece);
        }
        taken
    }

    /// A block of at least `size` bytes at a multiple of `align`, a power of two; `None` if no shard has one.
    pub fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // Cores and threads have stacks of their own.
        let stack = 0_u8;
        let first = ((&raw const stack).addr() >> 12) % SHARDS;
        let order = || {
            (first..SHARDS)
                .chain(0..first)
                .map(|index| &self.shards[index])
        };
        let mut busy = false;
        for shard in order() {
            match shard.try_with(|region| region.allocate(size, align)) {
                Some(Some(block)) => return Some(block),
                Some(None) => {}
                None => busy = true,
            }
        }
        if !busy {
            return None;
        }
        order().find_map(|shard| shard.with(|region| region.allocate(size, align)))
    }

    /// Frees a block; an address outside this heap's memory is left alone.
    ///
    /// # Safety
    /// `address` came from this heap's [`allocate`](Self::allocate), is not free, and nothing uses it any more.
    pub unsafe fn free(&self, address: NonNull<u8>) {
        let holder = self
            .shards
            .iter()
            .find(|shard| shard.holds(address.addr().get()));
        debug_assert!(holder.is_some(), "not this heap's");
        if let Some(shard) = holder {
            // SAFETY: the caller's promise.
            shard.with(|region| unsafe { region.free(address) });
        }
    }

    /// What is in use, shard after shard: sums, and the largest free block. Walks every free block within the exclusion.
    #[must_use]
    pub fn stats(&self) -> RegionStats {
        let mut all = RegionStats::default();
        for shard in &self.shards {
            let one = shard.with(|region| region.stats());
            all.total_bytes += one.total_bytes;
            all.used_bytes += one.used_bytes;
            all.used_bytes_max += one.used_bytes_max;
            all.free_count += one.free_count;
            all.free_bytes_max = all.free_bytes_max.max(one.free_bytes_max);
        }
        all
    }
}

impl<X: Exclusion, const SHARDS: usize> Default for SharedRegion<X, SHARDS> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: blocks are as large and as aligned as asked for, and stay where they are until they are freed.
unsafe impl<X: Exclusion + Sync, const SHARDS: usize> GlobalAlloc for SharedRegion<X, SHARDS> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocate(layout.size(), layout.align())
            .map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller's promise.
            unsafe { self.free(block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    static HEAP: SharedRegion<Spinning, 2> = SharedRegion::new();

    #[test]
    fn a_panic_inside_keeps_nobody_out() {
        let spinning = Spinning::NEW;
        let inside = core::panic::AssertUnwindSafe(|| spinning.with(|| panic!("inside")));
        assert!(std::panic::catch_unwind(inside).is_err());
        let inside = core::panic::AssertUnwindSafe(|| spinning.try_with(|| panic!("inside")));
        assert!(std::panic::catch_unwind(inside).is_err());
        assert_eq!(spinning.try_with(|| 1), Some(1));
    }

    #[test]
    fn threads_share_the_memory_and_all_of_it_comes_back() {
        let memory =
            |bytes| -> &'static mut [MaybeUninit<u8>] { Box::leak(Box::new_uninit_slice(bytes)) };
        assert!(HEAP.allocate(1, 1).is_none());
        assert!(HEAP.add(memory(1 << 18)) && HEAP.add(memory(1 << 16)));
        let before = HEAP.stats();
        let work = |seed: usize| {
            let mut live: Vec<(usize, usize)> = Vec::new();
            let mut random = seed;
            for step in 0..3_000_usize {
                random = random
                    .wrapping_mul(2_862_933_555_777_941_757_u64 as usize)
                    .wrapping_add(3);
                let (size, place) = (1 + (random >> 16) % 700, (random >> 8) % 64);
                if place < live.len() {
                    let (address, size) = live.swap_remove(place);
                    let block = core::ptr::with_exposed_provenance_mut::<u8>(address);
                    // SAFETY: a live block of that size.
                    unsafe {
                        let bytes = core::slice::from_raw_parts(block, size);
                        assert!(bytes.iter().all(|byte| *byte == size as u8));
                        HEAP.free(NonNull::new(block).unwrap());
                    }
                }
                let align = 1 << (step % 8);
                if let Some(block) = HEAP.allocate(size, align) {
                    assert!(block.addr().get().is_multiple_of(align));
                    // SAFETY: a live block of that size.
                    unsafe { block.write_bytes(size as u8, size) };
                    live.push((block.as_ptr().expose_provenance(), size));
                }
            }
            for (address, _) in live {
                let block = core::ptr::with_exposed_provenance_mut::<u8>(address);
                // SAFETY: a live block.
                unsafe { HEAP.free(NonNull::new(block).unwrap()) };
            }
        };
        std::thread::scope(|scope| {
            for seed in 1..=4 {
                scope.spawn(move || work(seed));
            }
        });
        let after = HEAP.stats();
        assert_eq!((after.used_bytes, after.free_count), (0, before.free_count));
        assert_eq!(after.free_bytes_max, before.free_bytes_max);
        // One shard is full: the other serves.
        assert!(HEAP.allocate(100_000, 8).is_some() && HEAP.allocate(100_000, 8).is_some());
        assert_eq!(HEAP.allocate(100_000, 8), None);
        for _ in 2..PIECES {
            assert!(HEAP.add(memory(1_000)));
        }
        assert!(!HEAP.add(memory(1_000)));
    }
}
