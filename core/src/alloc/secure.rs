//! The secure way: blocks whose state is kept apart from them, at random places, with checks around them.
//!
//! | what | how |
//! |---|---|
//! | no links in free memory | a bit per block in memory of the allocator's own |
//! | placement | a random free block of the slab |
//! | freed twice, or not a block | the bit, and the place |
//! | writes past the end | bytes behind the block, to its exact size, checked when it is freed |
//! | writes after the free | freed blocks are cleared, and looked at when they are given out again |
//! | writes far past the end | a page without access behind each slab and each large block |
//!
//! One lock for all threads: this is for finding and stopping errors. What was allocated before it was turned on stays ordinary.
//!
//! # A block
//! ```text
//! | the program's bytes | PAD up to the trailer | size | size ^ address ^ secret |
//! ```
//!
//! # Invariants
//! - I1: a slab of kind `SECURE` has a [`Meta`] at `local`; it is in its class's list while it has free blocks, which read as zero.
//! - I2: the last page of a slab, and what lies behind a large block's last page, is without access if the flag `GUARDED` is set.
#![allow(unsafe_code, reason = "hands out raw memory")]

use super::size_class::{CLASSES, MEDIUM_BYTES_MAX, aligned_request, bytes_of, class_of};
use super::slab::{SLICE_BYTES, Slab, SlabList, flag, kind};
use super::space::{Space, State, slices_for};
use crate::platform::{Platform, Protection};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;

const TRAILER_BYTES: usize = 16;
const PAD: u8 = 0xDB;
const WORDS: usize = SLICE_BYTES / 16 / 64;

/// Which blocks of a slab are out.
#[derive(Debug)]
struct Meta {
    used: [u64; WORDS],
    count: u32,
    /// Of the list of those that no slab has.
    next: *mut Meta,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Secure {
    lists: [SlabList; CLASSES],
    metas: *mut Meta,
    /// Unused rest of the slice that metas are cut from.
    rest: (*mut u8, usize),
    random: u64,
    secret: u64,
}

// SAFETY: the pointers are into the range and the table, which belong to no thread.
unsafe impl Send for Secure {}

/// What is wrong with a block that is to be freed.
pub(super) type Wrong = &'static str;

impl Secure {
    pub(super) const fn new() -> Self {
        Self {
            lists: [const { SlabList::new() }; CLASSES],
            metas: null_mut(),
            rest: (null_mut(), 0),
            random: 0,
            secret: 0,
        }
    }

    fn seed<P: Platform>(&mut self, space: &Space<P>) {
        if self.secret == 0 {
            // Without a source of randomness, the clock and the place of the range must do.
            let other = || space.now().as_ns() ^ space.slice(0).addr() as u64;
            self.secret = space.platform.random_u64().unwrap_or_else(|_| other()) | 1;
            self.random = space.platform.random_u64().unwrap_or_else(|_| other()) | 1;
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((u64::from((self.random >> 32) as u32) * u64::from(bound)) >> 32) as u32
    }

    /// A block of exactly `size` bytes, cleared, at a multiple of `align`, a power of two; `Err` if a freed one was written to.
    pub(super) fn allocate<P: Platform>(
        &mut self,
        space: &Space<P>,
        size: usize,
        align: usize,
    ) -> Result<*mut u8, (Wrong, *mut u8)> {
        self.seed(space);
        // A block of no bytes holds one, so that it is told from what is no block.
        let size = size.max(1);
        let whole = size.checked_add(TRAILER_BYTES);
        let Some(request) = whole.and_then(|whole| aligned_request(whole, align)) else {
            return Ok(null_mut());
        };
        if request > MEDIUM_BYTES_MAX {
            return Ok(large(space, size, align).unwrap_or_default());
        }
        let class = class_of(request);
        // SAFETY: lists link lines of the table.
        let slab = match unsafe { self.lists[class].front().as_ref() } {
            Some(slab) => slab,
            None => match self.fresh_slab(space, class) {
                Some(slab) => slab,
                None => return Ok(null_mut()),
            },
        };
        let capacity = slab.capacity().load(Relaxed);
        let start = self.below(capacity);
        let meta = meta_of(slab);
        let free = (start..capacity)
            .chain(0..start)
            .find(|index| meta.used[*index as usize / 64] >> (index % 64) & 1 == 0);
        let Some(index) = free else {
            return Ok(null_mut());
        };
        meta.used[index as usize / 64] |= 1 << (index % 64);
        meta.count += 1;
        slab.left.store(meta.count, Relaxed);
        if meta.count == capacity {
            self.lists[class].remove(slab);
        }
        let bytes = bytes_of(class);
        let block = space.start(slab).wrapping_add(index as usize * bytes);
        // SAFETY: a free block of the slab; I1.
        let words = unsafe { core::slice::from_raw_parts(block.cast::<u64>(), bytes / 8) };
        if words.iter().any(|word| *word != 0) {
            return Err(("write to a block that was freed", block));
        }
        let mark = size as u64 ^ block.addr() as u64 ^ self.secret;
        // SAFETY: size + TRAILER_BYTES <= bytes.
        unsafe {
            block
                .add(size)
                .write_bytes(PAD, bytes - TRAILER_BYTES - size);
            let trailer: *mut u64 = block.add(bytes - TRAILER_BYTES).cast();
            trailer.write(size as u64);
            trailer.add(1).write(mark);
        }
        Ok(block)
    }

    /// Frees a block of a slab of kind `SECURE`.
    pub(super) fn free<P: Platform>(
        &mut self,
        space: &Space<P>,
        slab: &Slab,
        block: *mut u8,
    ) -> Result<(), Wrong> {
        // Under the lock: another free of the slab's last block may have come first.
        if !slab.is(kind::SECURE) {
            return Err("double free, or free of an address that was never allocated");
        }
        let offset = block.addr() % SLICE_BYTES;
        let bytes = slab.block_bytes() as usize;
        let index = offset / bytes;
        let meta = meta_of(slab);
        if !slab.starts().has(offset) || index >= slab.capacity().load(Relaxed) as usize {
            return Err("free of an address inside a block");
        }
        if meta.used[index / 64] >> (index % 64) & 1 == 0 {
            return Err("double free, or free of an address that was never allocated");
        }
        let size = self
            .size(bytes, block)
            .ok_or("write past the end of a block")?;
        // SAFETY: the block is out, and the caller's.
        unsafe {
            let pad = core::slice::from_raw_parts(block.add(size), bytes - TRAILER_BYTES - size);
            if pad.iter().any(|byte| *byte != PAD) {
                return Err("write past the end of a block");
            }
            block.write_bytes(0, bytes);
        }
        meta.used[index / 64] &= !(1 << (index % 64));
        let class = usize::from(slab.class.load(Relaxed));
        if meta.count == slab.capacity().load(Relaxed) {
            self.lists[class].push_back(slab);
        }
        meta.count -= 1;
        slab.left.store(meta.count, Relaxed);
        if meta.count == 0 && !self.lists[class].is_only(slab) {
            self.lists[class].remove(slab);
            self.drop_slab(space, slab);
        }
        Ok(())
    }

    /// The size that the block was asked for with, if its trailer is whole.
    fn size(&self, bytes: usize, block: *mut u8) -> Option<usize> {
        // SAFETY: a block of that size; the trailer is its end.
        let (size, mark) = unsafe {
            let trailer: *const u64 = block.add(bytes - TRAILER_BYTES).cast();
            (trailer.read(), trailer.add(1).read())
        };
        let whole = mark == size ^ block.addr() as u64 ^ self.secret
            && size as usize <= bytes - TRAILER_BYTES;
        whole.then_some(size as usize)
    }

    /// How many bytes the block holds: those that were asked for; 0 for what is no block.
    pub(super) fn usable_size(&self, slab: &Slab, block: *mut u8) -> usize {
        if !slab.is(kind::SECURE) {
            return 0;
        }
        let offset = block.addr() % SLICE_BYTES;
        let bytes = slab.block_bytes() as usize;
        let index = offset / bytes;
        if !slab.starts().has(offset)
            || index >= slab.capacity().load(Relaxed) as usize
            || meta_of(slab).used[index / 64] >> (index % 64) & 1 == 0
        {
            return 0;
        }
        self.size(bytes, block).unwrap_or(0)
    }

    fn fresh_slab<'a, P: Platform>(
        &mut self,
        space: &'a Space<P>,
        class: usize,
    ) -> Option<&'a Slab> {
        let meta = self.fresh_meta(space)?;
        let mut state = space.lock();
        let Some((slab, zero)) = space.take(&mut state, 1, 1) else {
            // SAFETY: taken above.
            unsafe { (*meta).next = self.metas };
            self.metas = meta;
            return None;
        };
        slab.init_slab(class);
        slab.kind.store(kind::SECURE, Relaxed);
        slab.local.store(meta.cast(), Relaxed);
        drop(state);
        let start = space.start(slab);
        if !zero {
            // SAFETY: a slice of this caller's own.
            unsafe { start.write_bytes(0, SLICE_BYTES) };
        }
        let page = space.page_mask.load(Relaxed) + 1;
        let bytes = bytes_of(class);
        if page + bytes <= SLICE_BYTES
            && protect(
                space,
                start.wrapping_add(SLICE_BYTES - page),
                page,
                Protection::None,
            )
        {
            slab.set(flag::GUARDED);
            let capacity = (SLICE_BYTES - page) / bytes;
            slab.capacity().store(capacity as u32, Relaxed);
        }
        self.lists[class].push_front(slab);
        Some(slab)
    }

    fn drop_slab<P: Platform>(&mut self, space: &Space<P>, slab: &Slab) {
        let meta: *mut Meta = slab.local.load(Relaxed).cast();
        // SAFETY: I1; the slab has no block out.
        unsafe { (*meta).next = self.metas };
        self.metas = meta;
        let page = space.page_mask.load(Relaxed) + 1;
        let guard = space.start(slab).wrapping_add(SLICE_BYTES - page);
        if slab.has(flag::GUARDED) && !protect(space, guard, page, Protection::ReadWrite) {
            // Nobody may have a slice with a page that cannot be touched.
            slab.kind.store(kind::OWN, Relaxed);
            return;
        }
        slab.local.store(null_mut(), Relaxed);
        space.give(&mut space.lock(), space.index(slab), 1, false);
    }

    fn fresh_meta<P: Platform>(&mut self, space: &Space<P>) -> Option<*mut Meta> {
        let meta = if self.metas.is_null() {
            let bytes = size_of::<Meta>();
            if self.rest.1 < bytes {
                let mut state = space.lock();
                let (line, _) = space.take(&mut state, 1, 1)?;
                line.kind.store(kind::OWN, Relaxed);
                self.rest = (space.start(line), SLICE_BYTES);
            }
            let (at, rest) = self.rest;
            self.rest = (at.wrapping_add(bytes), rest - bytes);
            at.cast()
        } else {
            self.metas
        };
        // SAFETY: memory of its own, aligned to 8, that no slab has.
        unsafe {
            if meta == self.metas {
                self.metas = (*meta).next;
            }
            meta.write(Meta {
                used: [0; WORDS],
                count: 0,
                next: null_mut(),
            });
        }
        Some(meta)
    }
}

/// The lock's holder only.
#[allow(
    clippy::mut_from_ref,
    reason = "the meta is the slab's, and under the lock"
)]
fn meta_of(slab: &Slab) -> &mut Meta {
    // SAFETY: I1.
    unsafe { &mut *slab.local.load(Relaxed).cast() }
}

fn protect<P: Platform>(space: &Space<P>, at: *mut u8, bytes: usize, to: Protection) -> bool {
    // SAFETY: committed pages of the range that nobody uses.
    NonNull::new(at).is_some_and(|at| unsafe { space.platform.protect(at, bytes, to) }.is_ok())
}

/// A large block with pages without access behind it.
fn large<P: Platform>(space: &Space<P>, size: usize, align: usize) -> Option<*mut u8> {
    let page = space.platform.memory_info().page_bytes;
    let bytes = size.max(1).checked_next_multiple_of(page)?;
    let slices = u32::try_from(slices_for(bytes.checked_add(page)?)).ok()?;
    let align = u32::try_from(align.div_ceil(SLICE_BYTES)).ok()?;
    let mut state = space.lock();
    let (run, zero) = space.take(&mut state, slices, align)?;
    run.run_bytes().store(bytes, Relaxed);
    run.flags.store(0, Relaxed);
    run.home().store(null_mut(), Relaxed);
    run.kind.store(kind::RUN, Relaxed);
    drop(state);
    let start = space.start(run);
    if !zero {
        // SAFETY: a block of this caller's own.
        unsafe { start.write_bytes(0, bytes) };
    }
    run.set(flag::VALUE | flag::GUARDED);
    let rest = slices as usize * SLICE_BYTES - bytes;
    if !protect(space, start.wrapping_add(bytes), rest, Protection::None) {
        run.clear(flag::GUARDED);
    }
    Some(start)
}

/// Takes the guard of a large block away; false if that fails, and nobody may have its pages again.
pub(super) fn unguard<P: Platform>(space: &Space<P>, _: &mut State, run: &Slab) -> bool {
    let bytes = run.run_bytes().load(Relaxed);
    let rest = run.slices().load(Relaxed) as usize * SLICE_BYTES - bytes;
    let guard = space.start(run).wrapping_add(bytes);
    run.clear(flag::GUARDED);
    protect(space, guard, rest, Protection::ReadWrite)
}
