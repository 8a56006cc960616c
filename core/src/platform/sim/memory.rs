//! Memory: reservations from the global allocator, with every step of their life tracked.
//!
//! A reservation is a block that stays untouched until pages of it are committed (zeroed). Decommitted pages read as zero or,
//! if [`SimOptions::poison_decommitted`](super::SimOptions) asks for it, as [`POISON`], so that a program that still uses them sees
//! nonsense. Wrong calls that a real system may not notice are `InvalidInput` here.
//!
//! # Invariants
//! I1: a region's block stays allocated while the region is in the table; its layout is the one it was made with.
//! I2: regions do not overlap, as blocks of one allocator do not.
//!
//! # Not here
//! Guard pages: nothing faults, so `PROTECT` is not among the capabilities.
#![allow(unsafe_code, reason = "hands out raw memory")]

use super::{Sim, SimOptions};
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Memory, MemoryInfo};
use alloc::alloc::{alloc, dealloc};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

/// Page size.
pub(super) const PAGE_BYTES: usize = 4096;

/// What decommitted memory holds where a fault would be due.
pub const POISON: u8 = 0xdd;

/// One reservation.
#[derive(Debug)]
struct Region {
    base: NonNull<u8>,
    layout: Layout,
    committed: Vec<bool>,
}

// SAFETY: the block belongs to no thread; the table that holds the region is locked.
unsafe impl Send for Region {}

/// All reservations, by address. The order of addresses differs from run to run, so nothing walks the table in a way that
/// shows.
#[derive(Debug)]
pub(super) struct Regions {
    regions: BTreeMap<usize, Region>,
    committed_pages: usize,
    committed_pages_max: usize,
    free_address_bytes: usize,
    granularity_bytes: usize,
    /// What decommitted memory holds.
    filler: u8,
}

impl Regions {
    pub(super) fn new(options: &SimOptions) -> Self {
        Self {
            regions: BTreeMap::new(),
            committed_pages: 0,
            committed_pages_max: options.memory_bytes / PAGE_BYTES,
            free_address_bytes: options.address_bytes,
            granularity_bytes: options.granularity_bytes,
            filler: if options.poison_decommitted {
                POISON
            } else {
                0
            },
        }
    }

    /// Live reservations and their bytes.
    pub(super) fn live(&self) -> (usize, usize) {
        let bytes = self.regions.values().map(|region| region.layout.size());
        (self.regions.len(), bytes.sum())
    }

    /// The region and page indices of a range, if it is one of whole pages within one region.
    fn range(
        &mut self,
        at: NonNull<u8>,
        bytes: usize,
    ) -> Option<(&mut Region, core::ops::Range<usize>)> {
        let address = at.addr().get();
        let (base, region) = self.regions.range_mut(..=address).next_back()?;
        let offset = address - base;
        let end = offset.checked_add(bytes)?;
        let aligned = offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES);
        (aligned && bytes != 0 && end <= region.layout.size())
            .then_some((region, offset / PAGE_BYTES..end / PAGE_BYTES))
    }

    fn reserve(&mut self, bytes: usize, align: usize) -> core::result::Result<NonNull<u8>, Kind> {
        let granularity = self.granularity_bytes;
        if bytes == 0 || !bytes.is_multiple_of(granularity) || !align.is_power_of_two() {
            return Err(Kind::InvalidInput);
        }
        // A bound of the machine's own, so that the host's memory does not decide what happens.
        let free = self.free_address_bytes.checked_sub(bytes);
        let free = free.ok_or(Kind::OutOfMemory)?;
        let layout = Layout::from_size_align(bytes, align.max(granularity))
            .map_err(|_| Kind::OutOfMemory)?;
        // SAFETY: the layout's size is not zero.
        let base = NonNull::new(unsafe { alloc(layout) }).ok_or(Kind::OutOfMemory)?;
        let region = Region {
            base,
            layout,
            committed: vec![false; bytes / PAGE_BYTES],
        };
        self.regions.insert(base.addr().get(), region);
        self.free_address_bytes = free;
        Ok(base)
    }

    fn commit(&mut self, at: NonNull<u8>, bytes: usize) -> core::result::Result<(), Kind> {
        let free = self.committed_pages_max - self.committed_pages;
        let (region, pages) = self.range(at, bytes).ok_or(Kind::InvalidInput)?;
        let fresh = |region: &Region| {
            let range = &region.committed[pages.clone()];
            range.iter().filter(|committed| !**committed).count()
        };
        let count = fresh(region);
        if count > free {
            return Err(Kind::OutOfMemory);
        }
        for page in pages {
            if !region.committed[page] {
                region.fill(page, 0);
                region.committed[page] = true;
            }
        }
        self.committed_pages += count;
        Ok(())
    }

    fn decommit(&mut self, at: NonNull<u8>, bytes: usize) -> core::result::Result<(), Kind> {
        let filler = self.filler;
        let (region, pages) = self.range(at, bytes).ok_or(Kind::InvalidInput)?;
        let mut count = 0;
        for page in pages {
            if region.committed[page] {
                region.fill(page, filler);
                region.committed[page] = false;
                count += 1;
            }
        }
        self.committed_pages -= count;
        Ok(())
    }

    fn release(&mut self, at: NonNull<u8>, bytes: usize) -> core::result::Result<(), Kind> {
        let address = at.addr().get();
        match self.regions.get(&address) {
            Some(region) if region.layout.size() == bytes => {}
            _ => return Err(Kind::InvalidInput),
        }
        if let Some(region) = self.regions.remove(&address) {
            self.free_address_bytes += region.layout.size();
            self.committed_pages -= region.committed.iter().filter(|c| **c).count();
            // SAFETY: I1, and the caller of release promises that nothing refers into it.
            unsafe { dealloc(region.base.as_ptr(), region.layout) };
        }
        Ok(())
    }
}

impl Region {
    /// Fills a page that nothing refers into: one that is not committed yet, or any more.
    fn fill(&mut self, page: usize, byte: u8) {
        debug_assert!(page < self.committed.len());
        // SAFETY: the page lies within the block (I1), and by the contracts of commit and decommit the program
        // holds no reference into it.
        unsafe {
            let start = self.base.as_ptr().add(page * PAGE_BYTES);
            start.write_bytes(byte, PAGE_BYTES);
        }
    }
}

// SAFETY: 1: I2. 2 and 4: blocks of the global allocator are readable and writable by any thread. 3: commit zeroes
// pages that are not committed and no others.
unsafe impl Memory for Sim {
    fn memory_info(&self) -> MemoryInfo {
        MemoryInfo {
            page_bytes: PAGE_BYTES,
            granularity_bytes: self.0.options.granularity_bytes,
            huge_page_bytes: 0,
        }
    }

    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let mut state = self.enter(Operation::Reserve)?;
        state.trace.detail([bytes as u64, align as u64]);
        let reserved = state.memory.reserve(bytes, align);
        reserved.map_err(|kind| Error::new(Operation::Reserve, kind))
    }

    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let mut state = self.enter(Operation::Commit)?;
        state.trace.detail([bytes as u64, 0]);
        let committed = state.memory.commit(at, bytes);
        committed.map_err(|kind| Error::new(Operation::Commit, kind))
    }

    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let mut state = self.enter(Operation::Decommit)?;
        state.trace.detail([bytes as u64, 0]);
        let decommitted = state.memory.decommit(at, bytes);
        decommitted.map_err(|kind| Error::new(Operation::Decommit, kind))
    }

    /// Works on a machine that is off too: the memory is the host's.
    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let mut state = self.step(Operation::Release);
        state.strike(Operation::Release)?;
        state.trace.detail([bytes as u64, 0]);
        let released = state.memory.release(at, bytes);
        released.map_err(|kind| Error::new(Operation::Release, kind))
    }
}
