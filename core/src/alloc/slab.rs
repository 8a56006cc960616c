//! What the allocator knows about one slice of 64 KiB: a line in a table, apart from the memory that it describes.
//!
//! A slice holds a *slab* (blocks of one class), begins or ends a *run* (a large block of whole slices), or is free. The line of
//! a slab has two halves, a cache line each: the first is the owning thread's, the second is where other threads leave blocks.
//!
//! # Counting
//! ```text
//! carved   blocks that the bump cursor has handed out, of `capacity`
//! used     = left + extra: carved blocks that are in none of the slab's own lists (local); those in a heap's head list,
//!            in a remote list and with the program all count
//! left     local frees until the owner takes the slow path: all blocks free, or, for a full slab, some are again; of a coarse
//!          class the next one, if any is used
//! ```
//!
//! # Invariants
//! - I1: fields of the first half are written by the owner of the slab, or under the space's lock when it has none;
//!   others read them as hints.
//! - I2: `key` is the slab's address mixed with the owner's thread (see `ThreadWords::mix`), an even number; odd values match
//!   no thread.
//! - I3: `local` heads a list, through the blocks' first words, of the `carved - used` blocks of this slab that touch no hole.
//! - I4: a free block's second word is its line's address.
//! - I5: a run that a thread's heap gave out has a key like a slab's, `left` is 1, and its one block starts at 0, so that its free takes the
//!   path of a slab's last block; it keeps them while it waits in that heap's slots.
#![allow(unsafe_code, reason = "lists run through free blocks")]

use super::home::Home;
use super::remote_free::RemoteList;
use super::size_class;
use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering::Relaxed,
};

/// log2 of [`SLICE_BYTES`].
pub(super) const SLICE_SHIFT: u32 = 16;
/// The unit of the range: what a slab takes, and what runs are multiples of.
pub const SLICE_BYTES: usize = 1 << SLICE_SHIFT;
/// log2 of a line's size.
pub(super) const LINE_SHIFT: u32 = 7;

/// The key of a line whose slice is nobody's slab: odd, so that no thread's is the same, and no more than an address, as
/// [`Starts::has`] wants it.
pub(super) const KEY_NOBODY: usize = 0x79B9_7F4A_7C15_u64 as usize;

/// What a slice is used for.
pub(super) mod kind {
    /// Never used yet.
    pub(crate) const NONE: u8 = 0;
    /// Within a free run; its first and last slices know how long it is.
    pub(crate) const FREE: u8 = 1;
    /// Blocks of one class.
    pub(crate) const SLAB: u8 = 2;
    /// The first slice of a large block.
    pub(crate) const RUN: u8 = 3;
    /// The last slice of a large block, if it is not the first.
    pub(crate) const TAIL: u8 = 4;
    /// A large block that is being freed, or waits in a heap's cache.
    pub(crate) const CACHED: u8 = 5;
    /// The allocator's own structures.
    pub(crate) const OWN: u8 = 6;
    /// Blocks of one class whose state is apart from them: see `secure.rs`.
    pub(crate) const SECURE: u8 = 7;
}

/// State of a slab that its owner keeps.
pub(super) mod flag {
    /// In no queue: every block is out. Other threads' frees announce it to the owner's ready stack.
    pub(crate) const FULL: u8 = 1;
    /// For runs: counted as one that may grow, see `huge.rs`.
    pub(crate) const GROWING: u8 = 1;
    /// On its way to, or on, the ready stack: it must not be given away.
    pub(crate) const READY: u8 = 2;
    /// For runs, free or not: memory reads as zero.
    pub(crate) const ZERO: u8 = 4;
    /// The slab waits in the space's list of those without an owner.
    pub(crate) const ABANDONED: u8 = 8;
    /// Its holes have been looked for since it was left.
    pub(crate) const PUNCHED: u8 = 16;
    /// For runs and slabs of kind `SECURE`: their last pages are without access.
    pub(crate) const GUARDED: u8 = 16;
    /// Pages of its holes may have to be committed again: the system took them and failed to give others.
    pub(crate) const UNSURE: u8 = 32;
    /// Some of its pages were given back.
    pub(crate) const HOLES: u8 = 64;
    /// A slab or run of a heap that is a value: see `value.rs`.
    pub(crate) const VALUE: u8 = 128;
    /// What stays with a slab when it changes hands.
    pub(crate) const LASTING: u8 = UNSURE | HOLES;
}

/// A line of the table.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Slab {
    pub(super) key: AtomicUsize,
    pub(super) local: AtomicPtr<u8>,
    pub(super) left: AtomicU32,
    pub(super) extra: AtomicU32,
    pub(super) kind: AtomicU8,
    pub(super) flags: AtomicU8,
    pub(super) class: AtomicU16,
    pub(super) carved: AtomicU32,
    /// Links of the class's queue, of the space's list of abandoned slabs, or of a bin of free runs. For a run in use that a
    /// thread may free by its key, `previous` is its first byte.
    pub(super) next: AtomicPtr<Slab>,
    pub(super) previous: AtomicPtr<Slab>,
    starts: StartsAtomic,
    second: SecondHalf,
}

/// Where other threads write.
#[repr(C, align(64))]
#[derive(Debug)]
struct SecondHalf {
    remote: RemoteList,
    /// When a free run became free, in units of the space's clock.
    stamp: AtomicU32,
    /// Length of a run in slices; kept at the first and last line of a free one.
    slices: AtomicU32,
    home: AtomicPtr<Home>,
    ready_next: AtomicPtr<Slab>,
    owned_next: AtomicPtr<Slab>,
    owned_previous: AtomicPtr<Slab>,
    /// Bytes of a large block, as asked for or in whole pages; of each block of a slab.
    bytes: AtomicUsize,
    capacity: AtomicU32,
    /// Bit per page that was given back; see `holes.rs`.
    holes: AtomicU16,
}

const _: () = assert!(size_of::<Slab>() == 1 << LINE_SHIFT);

/// Where the fields are that assembly for `free` reads; see [`Allocator::free`](super::Allocator::free).
pub mod layout {
    use super::Slab;
    use core::mem::offset_of;

    /// Shift from an address to the offset of its line.
    pub const ADDRESS_SHIFT: u32 = super::SLICE_SHIFT - super::LINE_SHIFT;
    /// Offset of a line's key.
    pub const KEY: usize = offset_of!(Slab, key);
    /// Offset of the head of a slab's local list.
    pub const LOCAL: usize = offset_of!(Slab, local);
    /// Offset of the 32-bit count of frees until the slow path.
    pub const LEFT: usize = offset_of!(Slab, left);
    /// Offset of the factor that tells where blocks start.
    pub const FACTOR: usize = offset_of!(Slab, starts) + offset_of!(super::StartsAtomic, factor);
    /// Offset of what the product with it is below, where they do.
    pub const BOUND: usize = offset_of!(Slab, starts) + offset_of!(super::StartsAtomic, bound);
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self {
            key: AtomicUsize::new(KEY_NOBODY),
            local: AtomicPtr::new(core::ptr::null_mut()),
            left: AtomicU32::new(0),
            extra: AtomicU32::new(0),
            kind: AtomicU8::new(kind::NONE),
            flags: AtomicU8::new(0),
            class: AtomicU16::new(0),
            carved: AtomicU32::new(0),
            next: AtomicPtr::new(core::ptr::null_mut()),
            previous: AtomicPtr::new(core::ptr::null_mut()),
            starts: StartsAtomic::new(),
            second: SecondHalf {
                remote: RemoteList::new(),
                stamp: AtomicU32::new(0),
                slices: AtomicU32::new(0),
                home: AtomicPtr::new(core::ptr::null_mut()),
                ready_next: AtomicPtr::new(core::ptr::null_mut()),
                owned_next: AtomicPtr::new(core::ptr::null_mut()),
                owned_previous: AtomicPtr::new(core::ptr::null_mut()),
                bytes: AtomicUsize::new(0),
                capacity: AtomicU32::new(0),
                holes: AtomicU16::new(0),
            },
        }
    }

    pub(super) fn remote(&self) -> &RemoteList {
        &self.second.remote
    }
    pub(super) fn home(&self) -> &AtomicPtr<Home> {
        &self.second.home
    }
    pub(super) fn ready_next(&self) -> &AtomicPtr<Slab> {
        &self.second.ready_next
    }
    pub(super) fn owned_next(&self) -> &AtomicPtr<Slab> {
        &self.second.owned_next
    }
    pub(super) fn owned_previous(&self) -> &AtomicPtr<Slab> {
        &self.second.owned_previous
    }
    pub(super) fn stamp(&self) -> &AtomicU32 {
        &self.second.stamp
    }
    pub(super) fn run_bytes(&self) -> &AtomicUsize {
        &self.second.bytes
    }
    pub(super) fn slices(&self) -> &AtomicU32 {
        &self.second.slices
    }
    pub(super) fn capacity(&self) -> &AtomicU32 {
        &self.second.capacity
    }
    /// Size of a slab's blocks.
    pub(super) fn block_bytes(&self) -> u32 {
        self.second.bytes.load(Relaxed) as u32
    }
    /// Where a slab's blocks start.
    pub(super) fn starts(&self) -> Starts {
        self.starts.load()
    }
    /// What the second word of a free block of this line says (I4).
    #[inline(always)]
    pub(super) fn mark(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(super) fn holes(&self) -> &AtomicU16 {
        &self.second.holes
    }

    pub(super) fn is(&self, wanted: u8) -> bool {
        self.kind.load(Relaxed) == wanted
    }
    pub(super) fn has(&self, bit: u8) -> bool {
        self.flags.load(Relaxed) & bit != 0
    }
    /// Owner or lock holder only (I1).
    pub(super) fn set(&self, bit: u8) {
        self.flags.store(self.flags.load(Relaxed) | bit, Relaxed);
    }
    /// Owner or lock holder only (I1).
    pub(super) fn clear(&self, bit: u8) {
        self.flags.store(self.flags.load(Relaxed) & !bit, Relaxed);
    }
    /// Lets the thread with this token free the run by its key (I5).
    #[inline]
    pub(super) fn let_own(&self, start: *mut u8, token: usize) {
        self.previous.store(start.cast(), Relaxed);
        self.local.store(core::ptr::null_mut(), Relaxed);
        self.left.store(1, Relaxed);
        self.starts.store(Starts::RUN);
        self.key.store(start.addr() ^ token, Relaxed);
    }

    /// The first byte of a run that some thread may free by its key.
    #[inline(always)]
    pub(super) fn run_start(&self) -> *mut u8 {
        self.previous.load(Relaxed).cast()
    }

    /// Carved blocks that are in none of the slab's lists but the remote one.
    pub(super) fn used(&self) -> u32 {
        self.left
            .load(Relaxed)
            .wrapping_add(self.extra.load(Relaxed))
    }

    /// Makes `used` the count of used blocks. The slab is the caller's.
    pub(super) fn set_used(&self, used: u32) {
        let coarse = size_class::is_coarse(usize::from(self.class.load(Relaxed)));
        let left = if coarse { used.min(1) } else { used };
        self.left.store(left, Relaxed);
        self.extra.store(used - left, Relaxed);
    }

    /// A block of a coarse class goes out. The slab is the caller's.
    #[inline(always)]
    pub(super) fn count_out(&self) {
        let extra = self.extra.load(Relaxed) + self.left.load(Relaxed);
        self.extra.store(extra, Relaxed);
        self.left.store(1, Relaxed);
    }

    /// Makes the line that of an empty slab of `class`. The slice is the caller's.
    pub(super) fn init_slab(&self, class: usize) {
        let bytes = size_class::bytes_of(class) as u32;
        self.local.store(core::ptr::null_mut(), Relaxed);
        self.left.store(0, Relaxed);
        self.extra.store(0, Relaxed);
        self.class.store(class as u16, Relaxed);
        self.second.bytes.store(bytes as usize, Relaxed);
        self.carved.store(0, Relaxed);
        self.capacity().store(SLICE_BYTES as u32 / bytes, Relaxed);
        self.flags.store(0, Relaxed);
        self.second.holes.store(0, Relaxed);
        self.starts.store(Starts::of(bytes as usize));
        self.slices().store(1, Relaxed);
        self.second.remote.reset();
        self.kind.store(kind::SLAB, Relaxed);
    }
}

/// Tells where the blocks of a slab start, by one multiplication.
///
/// For blocks of `d` bytes the factor is 2^64 / d, rounded up, and one more: `n * factor`, modulo 2^64, is `c` per whole block, where
/// `d <= c < 2 * d`, plus nearly 2^64 / d or more if `n` is no multiple of `d`. So it is below `bound` for the multiples of `d` within the slab,
/// and for no other `n` below 2^48 (after Lemire, Kaser, Kurz: "Faster remainder by direct computation", 2019). With words of 32 bits
/// that is true of the `n` within the slab alone, which are looked at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    factor: usize,
    bound: usize,
}

impl Starts {
    /// No place at all.
    pub(super) const NOWHERE: Self = Self {
        factor: 0,
        bound: 0,
    };
    /// The one block of a run.
    const RUN: Self = Self {
        factor: 1,
        bound: 1,
    };

    /// As many blocks of `bytes`, 16 at least and [`MEDIUM_BYTES_MAX`](size_class::MEDIUM_BYTES_MAX) at most, as a slab has.
    const fn of(bytes: usize) -> Self {
        let factor = usize::MAX / bytes + 2;
        let last = SLICE_BYTES / bytes - 1;
        Self {
            factor,
            bound: last * factor.wrapping_mul(bytes) + 1,
        }
    }

    /// Whether a block starts `distance` bytes, any number that an address can be, after the first.
    #[inline(always)]
    pub(super) const fn has(self, distance: usize) -> bool {
        (usize::BITS == 64 || distance < SLICE_BYTES)
            && distance.wrapping_mul(self.factor) < self.bound
    }
}

/// [`Starts`] in a line. The two are written while nobody frees blocks there.
#[derive(Debug)]
struct StartsAtomic {
    factor: AtomicUsize,
    bound: AtomicUsize,
}

impl StartsAtomic {
    const fn new() -> Self {
        Self {
            factor: AtomicUsize::new(0),
            bound: AtomicUsize::new(0),
        }
    }

    #[inline(always)]
    fn load(&self) -> Starts {
        Starts {
            factor: self.factor.load(Relaxed),
            bound: self.bound.load(Relaxed),
        }
    }

    #[inline(always)]
    fn store(&self, starts: Starts) {
        self.factor.store(starts.factor, Relaxed);
        self.bound.store(starts.bound, Relaxed);
    }
}

/// A doubly linked list of slabs by `next` and `previous`, kept by one thread or under a lock.
#[derive(Debug)]
pub(super) struct SlabList {
    head: *const Slab,
    tail: *const Slab,
}

impl SlabList {
    pub(super) const fn new() -> Self {
        Self {
            head: core::ptr::null(),
            tail: core::ptr::null(),
        }
    }

    pub(super) fn front(&self) -> *const Slab {
        self.head
    }

    /// Whether `slab` is the only one.
    pub(super) fn is_only(&self, slab: &Slab) -> bool {
        core::ptr::eq(self.head, slab) && core::ptr::eq(self.tail, slab)
    }

    /// Whether `slab`, which is in this list, is its first or second.
    pub(super) fn is_among_first_two(&self, slab: &Slab) -> bool {
        core::ptr::eq(self.head, slab)
            || core::ptr::eq(self.head, slab.previous.load(Relaxed).cast_const())
    }

    pub(super) fn push_front(&mut self, slab: &Slab) {
        slab.previous.store(core::ptr::null_mut(), Relaxed);
        slab.next.store(self.head.cast_mut(), Relaxed);
        // SAFETY: what the list links are lines of a table that outlives it.
        match unsafe { self.head.as_ref() } {
            Some(head) => head
                .previous
                .store(core::ptr::from_ref(slab).cast_mut(), Relaxed),
            None => self.tail = slab,
        }
        self.head = slab;
    }

    pub(super) fn push_back(&mut self, slab: &Slab) {
        slab.next.store(core::ptr::null_mut(), Relaxed);
        slab.previous.store(self.tail.cast_mut(), Relaxed);
        // SAFETY: as in `push_front`.
        match unsafe { self.tail.as_ref() } {
            Some(tail) => tail
                .next
                .store(core::ptr::from_ref(slab).cast_mut(), Relaxed),
            None => self.head = slab,
        }
        self.tail = slab;
    }

    /// Takes out a slab that is in this list.
    pub(super) fn remove(&mut self, slab: &Slab) {
        let (next, previous) = (slab.next.load(Relaxed), slab.previous.load(Relaxed));
        // SAFETY: as in `push_front`.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.store(next, Relaxed),
            None => self.head = next,
        }
        // SAFETY: as in `push_front`.
        match unsafe { next.as_ref() } {
            Some(next) => next.previous.store(previous, Relaxed),
            None => self.tail = previous,
        }
    }
}

/// A free block seen through its two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block(pub(super) *mut u8);

impl Block {
    /// The next block of its list.
    ///
    /// # Safety
    /// The block is free and in a list that the caller owns.
    #[inline(always)]
    pub(super) unsafe fn next(self) -> *mut u8 {
        // SAFETY: blocks hold two words, aligned to 16.
        unsafe { self.0.cast::<*mut u8>().read() }
    }

    /// # Safety
    /// The block is free and the caller's.
    #[inline(always)]
    pub(super) unsafe fn set_next(self, next: *mut u8) {
        // SAFETY: blocks hold two words, aligned to 16.
        unsafe { self.0.cast::<*mut u8>().write(next) }
    }

    /// The word that tells a free block from one in use (I4).
    ///
    /// # Safety
    /// A block of the allocator, or memory of its size.
    #[inline(always)]
    pub(super) unsafe fn mark(self) -> usize {
        // SAFETY: blocks hold two words, aligned to 16.
        unsafe { self.0.cast::<usize>().add(1).read() }
    }

    /// # Safety
    /// The block is the caller's.
    #[inline(always)]
    pub(super) unsafe fn set_mark(self, mark: usize) {
        // SAFETY: blocks hold two words, aligned to 16.
        unsafe { self.0.cast::<usize>().add(1).write(mark) }
    }
}

impl Block {
    /// The word after the mark: how many blocks a list of blocks at hand has from here on, where they were put there one by one.
    ///
    /// # Safety
    /// The block is free, the caller's, and larger than two words.
    #[inline(always)]
    pub(super) unsafe fn third(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.0.cast::<usize>().add(2).read() }
    }

    /// # Safety
    /// As for [`third`](Self::third).
    #[inline(always)]
    pub(super) unsafe fn set_third(self, value: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.0.cast::<usize>().add(2).write(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_starts_are_found_without_a_division() {
        for class in 0..size_class::CLASSES {
            let bytes = size_class::bytes_of(class);
            let starts = Starts::of(bytes);
            let end = SLICE_BYTES / bytes * bytes;
            for offset in (0..SLICE_BYTES).step_by(4) {
                let is_start = offset.is_multiple_of(bytes) && offset < end;
                assert_eq!(
                    starts.has(offset),
                    is_start,
                    "{offset} in blocks of {bytes}"
                );
            }
        }
        assert!(Starts::RUN.has(0) && !(1..SLICE_BYTES).any(|offset| Starts::RUN.has(offset)));
        assert!(!Starts::NOWHERE.has(0));
    }

    #[test]
    fn no_block_starts_outside_the_slab() {
        // What two addresses differ by, exclusive-or: near multiples of the size, near powers of two, and some in between.
        let bits = if usize::BITS == 64 { 48 } else { 32 };
        for class in 0..size_class::CLASSES {
            let bytes = size_class::bytes_of(class);
            let starts = Starts::of(bytes);
            let mut random = 1_u64;
            for log2 in 16..bits {
                for step in 0..200_usize {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let base = (1_usize << log2) + ((random >> 16) as usize & ((1 << log2) - 1));
                    let multiple = base / bytes * bytes;
                    for near in [
                        base,
                        multiple,
                        multiple + bytes,
                        multiple + step,
                        (1 << log2) + step * 16,
                    ] {
                        if near >= SLICE_BYTES && near >> (bits - 1) <= 1 {
                            assert!(!starts.has(near), "{near:#x} in blocks of {bytes}");
                        }
                    }
                }
            }
        }
    }
}
