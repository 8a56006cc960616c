//! Large blocks: runs of whole slices, with sizes kept to the page.
//!
//! Growing takes free slices behind the block if there are any, and some for the next time, up to [`SLACK_SLICES`]; else the block moves,
//! by moving its pages where the system can ([`Memory::move_pages`](crate::platform::Memory::move_pages)), so that no byte of a big block
//! is copied.
//!
//! # Growing blocks
//! A block that `realloc` makes larger will often grow again. From [`GROWING_BYTES_MIN`] on it gets a run of a whole slice, in which
//! it grows without a copy, and a place with free slices behind it when it outgrows the one that it has. Such runs that are still
//! smaller than the blocks of slabs carry the flag `GROWING` and are counted: no more than a small share of all slices may be those.
#![allow(unsafe_code, reason = "moves raw memory")]

use super::heap::Heap;
use super::run_slots::SLOTS;
use super::size_class::MEDIUM_BYTES_MAX;
use super::slab::{Block, SLICE_BYTES, SLICE_SHIFT, Slab, flag, kind};
use super::space::{Space, slices_for};
use crate::platform::Platform;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

/// Below this, copying is cheaper than changing page tables.
const MOVE_BYTES_MIN: usize = 1 << 20;

/// A block that grows to more than this gets a run.
pub(super) const GROWING_BYTES_MIN: usize = 2048;
/// So many slices may be runs of the flag `GROWING`, or the share of those in use that follows.
const GROWING_SLICES: usize = 16;
const GROWING_SHARE: usize = 32;

/// A block that grows gets so many slices more than it needs, at most: a megabyte.
const SLACK_SLICES: u32 = 16;

/// A request in units of the range.
#[derive(Clone, Copy, Debug)]
struct Extent {
    bytes: usize,
    slices: u32,
}

impl Extent {
    fn of<P: Platform>(space: &Space<P>, size: usize) -> Option<Self> {
        if size > isize::MAX.unsigned_abs() {
            return None;
        }
        let page_mask = space.page_mask.load(Relaxed);
        let bytes = size.max(1).checked_add(page_mask)? & !page_mask;
        let slices = u32::try_from(slices_for(bytes)).ok()?;
        Some(Self { bytes, slices })
    }
}

/// A block of at least `size` bytes from the heap's slots, if there is one of that length.
#[inline]
pub(super) fn at_hand(heap: &Heap, size: usize) -> Option<*mut u8> {
    let run = heap.home().slots.take(slices_for(size))?;
    run.run_bytes().store(size, Relaxed);
    run.kind.store(kind::RUN, Relaxed);
    let start = run.run_start();
    // SAFETY: the first bytes of a block of the caller's.
    unsafe { Block(start).set_mark(0) };
    Some(start)
}

/// A block of at least `size` bytes at a multiple of `align`, and whether it reads as zero.
pub(super) fn allocate<P: Platform>(
    space: &Space<P>,
    heap: Option<&Heap>,
    size: usize,
    align: usize,
) -> Option<(*mut u8, bool)> {
    let extent = Extent::of(space, size)?;
    if let Some(heap) = heap
        && align <= SLICE_BYTES
        && let Some(block) = at_hand(heap, size.max(1))
    {
        return Some((block, false));
    }
    let align = u32::try_from(align.div_ceil(SLICE_BYTES)).ok()?;
    space.purge_old();
    let mut state = space.lock();
    let taken = space.take(&mut state, extent.slices, align)?;
    Some(begin(space, heap, extent, taken))
}

/// A block of at least `size` bytes for one of `old` that grows: a run where there is room behind it. `None` if there is no such place, or
/// the block is small and there are enough such runs.
pub(super) fn allocate_growing<P: Platform>(
    space: &Space<P>,
    heap: &Heap,
    old: usize,
    size: usize,
) -> Option<*mut u8> {
    let extent = Extent::of(space, size)?;
    if size > MEDIUM_BYTES_MAX {
        // Room for as much again. A block that has just become large may stay small: it takes any place.
        let room = extent.slices.checked_mul(2)?;
        if old <= MEDIUM_BYTES_MAX {
            return None;
        }
        space.purge_old();
        let mut state = space.lock();
        let taken = space.take_roomy(&mut state, extent.slices, room)?;
        return Some(begin(space, Some(heap), extent, taken).0);
    }
    let in_use = space.counters.in_use.load(Relaxed) >> SLICE_SHIFT;
    if space.growing_count.load(Relaxed) >= GROWING_SLICES.max(in_use / GROWING_SHARE) {
        return None;
    }
    let (block, _) = allocate(space, Some(heap), size, 1)?;
    space.line_for(block.addr()).set(flag::GROWING);
    space.growing_count.fetch_add(1, Relaxed);
    Some(block)
}

/// Whether the run is one of those that are counted.
pub(super) fn is_growing(run: &Slab) -> bool {
    run.has(flag::GROWING)
}

/// The run is none of those that are counted any more.
#[cold]
fn stop_growing<P: Platform>(space: &Space<P>, run: &Slab) {
    run.clear(flag::GROWING);
    space.growing_count.fetch_sub(1, Relaxed);
}

/// Makes slices that were taken under the lock a block.
fn begin<P: Platform>(
    space: &Space<P>,
    heap: Option<&Heap>,
    extent: Extent,
    (run, zero): (&Slab, bool),
) -> (*mut u8, bool) {
    run.run_bytes().store(extent.bytes, Relaxed);
    run.flags.store(if zero { flag::ZERO } else { 0 }, Relaxed);
    let start = space.start(run);
    if let Some(heap) = heap
        && extent.slices as usize <= SLOTS
    {
        run.let_own(start, heap.token);
    }
    run.kind.store(kind::RUN, Relaxed);
    (start, zero)
}

/// Frees the block that starts at `run`, a line of kind `RUN`.
#[inline]
pub(super) fn free<P: Platform>(space: &Space<P>, heap: Option<&Heap>, run: &Slab) {
    if is_growing(run) {
        stop_growing(space, run);
    }
    run.kind.store(kind::CACHED, Relaxed);
    if let Some(heap) = heap {
        let start = space.start(run);
        run.let_own(start, heap.token);
        // SAFETY: the first bytes of a block that nobody uses any more. A free slab block's mark says the same.
        unsafe { Block(start).set_mark(run.mark()) };
        if heap.home().slots.push(run).is_some() {
            return;
        }
    }
    give(space, run);
}

/// Frees a run that came back by its key, if the heap's slots have room for it: how many slices they keep now. Its counts are as after
/// a slab's last free.
#[inline(always)]
pub(super) fn keep_own<P: Platform>(space: &Space<P>, heap: &Heap, run: &Slab) -> Option<u32> {
    if is_growing(run) {
        stop_growing(space, run);
    }
    run.kind.store(kind::CACHED, Relaxed);
    run.left.store(1, Relaxed);
    heap.home().slots.push(run)
}

/// Gives a run of kind `CACHED` back.
#[cold]
#[inline(never)]
pub(super) fn give<P: Platform>(space: &Space<P>, run: &Slab) {
    let mut state = space.lock();
    space.give(
        &mut state,
        space.index(run),
        run.slices().load(Relaxed),
        false,
    );
    drop(state);
    space.purge_old();
}

/// Makes the block at `run` hold `size` bytes if it is to grow and these are in the slices that it has.
#[inline(always)]
pub(super) fn has_grown(run: &Slab, size: usize) -> bool {
    let flags = run.flags.load(Relaxed);
    let grows = size >= run.run_bytes().load(Relaxed)
        && size <= (run.slices().load(Relaxed) as usize) << SLICE_SHIFT
        && flags & (flag::GUARDED | flag::VALUE) == 0
        && (flags & flag::GROWING == 0 || size <= MEDIUM_BYTES_MAX);
    if grows {
        run.run_bytes().store(size, Relaxed);
    }
    grows
}

/// Makes the block at `run` hold `size` bytes where it is, if it can.
pub(super) fn resize_in_place<P: Platform>(space: &Space<P>, run: &Slab, size: usize) -> bool {
    let Some(extent) = Extent::of(space, size) else {
        return false;
    };
    if run.has(flag::GUARDED) {
        return false;
    }
    if is_growing(run) && size > MEDIUM_BYTES_MAX {
        stop_growing(space, run);
    }
    let slices = run.slices().load(Relaxed);
    let fits = if extent.slices == slices {
        true
    } else {
        let mut state = space.lock();
        let index = space.index(run);
        if extent.slices < slices {
            space.cut(&mut state, index, slices, extent.slices);
            true
        } else {
            let extra = extent.slices - slices;
            let slack = (extent.slices / 2).min(SLACK_SLICES);
            space.extend(&mut state, index, slices, extra + slack)
                || space.extend(&mut state, index, slices, extra)
        }
    };
    if fits {
        // The size itself, so that the same again is found to fit.
        run.run_bytes().store(size.max(1), Relaxed);
    }
    fits
}

/// Brings the contents of the block at `from` into the larger block at `to`.
///
/// # Safety
/// Both are live large blocks, and the caller's; `to` is as large as `from`.
pub(super) unsafe fn carry<P: Platform>(space: &Space<P>, from: &Slab, to: *mut u8) {
    let bytes = space.bytes_of_run(from);
    let start = space.start(from);
    if bytes >= MOVE_BYTES_MIN
        && let (Some(source), Some(target)) = (NonNull::new(start), NonNull::new(to))
        // SAFETY: committed, in the range, different blocks; nobody needs what a fresh block holds.
        && unsafe { space.platform.move_pages(source, target, bytes) }.is_ok()
    {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { to.copy_from_nonoverlapping(start, bytes) };
    debug_assert!(bytes <= (from.slices().load(Relaxed) as usize) << SLICE_SHIFT);
}
