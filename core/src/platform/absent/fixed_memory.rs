//! `Memory` over a block of RAM that is there for ever.
//!
//! First fit over a short sorted table of reservations. All memory is committed always, so commit does nothing; what keeps the
//! contract is that memory is zeroed when it is reserved and when it is decommitted.
//!
//! # Invariants
//! - I1: the table's entries are sorted, do not overlap, and lie within the region.
//! - I2: bytes that belong to a reservation are touched by its owner alone; others by the holder of the table's lock.
//!
//! # Bounds
//! [`RESERVATIONS_MAX`] reservations at once; reserve and release are linear in it, and reserve in the bytes that it zeroes. They
//! spin for each other: an interrupt handler that calls them can wait for ever for what it interrupted.
#![allow(unsafe_code, reason = "hands out parts of a raw memory region")]

use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Memory, MemoryInfo};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::spin_hint;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// Reservations that can live at once. Systems of the core make few and large ones.
pub const RESERVATIONS_MAX: usize = 32;

#[derive(Clone, Copy)]
struct Range {
    start: usize,
    bytes: usize,
}

struct Table {
    ranges: [Range; RESERVATIONS_MAX],
    count: usize,
}

/// A region of RAM as a [`Memory`]; use it by `&'static` reference.
pub struct FixedMemory {
    base: NonNull<u8>,
    bytes: usize,
    page_bytes: usize,
    locked: AtomicBool,
    table: UnsafeCell<Table>,
}

// SAFETY: the region is owned for ever; the table is reached only under `locked` (I2).
unsafe impl Send for FixedMemory {}
// SAFETY: as above.
unsafe impl Sync for FixedMemory {}

impl core::fmt::Debug for FixedMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FixedMemory")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl FixedMemory {
    /// A memory over `region`, working in pages of `page_bytes`. What lies outside the first and last whole page is
    /// left unused.
    ///
    /// # Panics
    /// If `page_bytes` is no power of two of at least 16.
    #[must_use]
    pub fn new(region: &'static mut [MaybeUninit<u8>], page_bytes: usize) -> Self {
        assert!(
            page_bytes.is_power_of_two() && page_bytes >= 16,
            "page_bytes: 2^n, n >= 4"
        );
        let base = NonNull::from(&mut *region).cast::<u8>();
        let skip = base.align_offset(page_bytes).min(region.len());
        let bytes = (region.len() - skip) & !(page_bytes - 1);
        Self {
            // SAFETY: skip <= region.len(), so the pointer stays within the region or at its end.
            base: unsafe { base.add(skip) },
            bytes,
            page_bytes,
            locked: AtomicBool::new(false),
            table: UnsafeCell::new(Table {
                ranges: [Range { start: 0, bytes: 0 }; RESERVATIONS_MAX],
                count: 0,
            }),
        }
    }

    fn with_table<R>(&self, run: impl FnOnce(&mut Table) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            spin_hint();
        }
        // SAFETY: `locked` was false and is now ours (I2).
        let result = run(unsafe { &mut *self.table.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    fn is_page_range(&self, at: NonNull<u8>, bytes: usize) -> bool {
        let mask = self.page_bytes - 1;
        bytes != 0 && bytes & mask == 0 && at.addr().get() & mask == 0
    }
}

// SAFETY: 1. by I1 reservations are disjoint parts of a region that nothing else refers to; 2. all of it is
// ordinary memory; 3. reserve and decommit store zeros; 4. nothing depends on the thread.
unsafe impl Memory for &'static FixedMemory {
    fn memory_info(&self) -> MemoryInfo {
        MemoryInfo {
            page_bytes: self.page_bytes,
            granularity_bytes: self.page_bytes,
            huge_page_bytes: 0,
        }
    }

    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let error = |kind| Error::new(Operation::Reserve, kind);
        if bytes == 0 || bytes & (self.page_bytes - 1) != 0 || !align.is_power_of_two() {
            return Err(error(Kind::InvalidInput));
        }
        let align = align.max(self.page_bytes);
        let base = self.base.addr().get();
        self.with_table(|table| {
            if table.count == RESERVATIONS_MAX {
                return Err(error(Kind::OutOfMemory));
            }
            let mut free_start = 0;
            for index in 0..=table.count {
                let free_end = if index == table.count {
                    self.bytes
                } else {
                    table.ranges[index].start
                };
                let start = (base + free_start)
                    .checked_next_multiple_of(align)
                    .map(|address| address - base)
                    .filter(|start| start.checked_add(bytes).is_some_and(|end| end <= free_end));
                if let Some(start) = start {
                    table.ranges.copy_within(index..table.count, index + 1);
                    table.ranges[index] = Range { start, bytes };
                    table.count += 1;
                    // SAFETY: start + bytes <= self.bytes, so the range lies in the region, and by I1
                    // it belongs to nobody else.
                    return Ok(unsafe {
                        let at = self.base.add(start);
                        at.write_bytes(0, bytes);
                        at
                    });
                }
                if index < table.count {
                    free_start = table.ranges[index].start + table.ranges[index].bytes;
                }
            }
            Err(error(Kind::OutOfMemory))
        })
    }

    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        if self.is_page_range(at, bytes) {
            Ok(())
        } else {
            Err(Error::new(Operation::Commit, Kind::InvalidInput))
        }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        if !self.is_page_range(at, bytes) {
            return Err(Error::new(Operation::Decommit, Kind::InvalidInput));
        }
        // SAFETY: the caller says that the range lies within a reservation and nothing refers into it.
        unsafe { at.write_bytes(0, bytes) };
        Ok(())
    }

    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let start = at.addr().get().wrapping_sub(self.base.addr().get());
        self.with_table(|table| {
            let index = table.ranges[..table.count]
                .iter()
                .position(|range| range.start == start && range.bytes == bytes)
                .ok_or(Error::new(Operation::Release, Kind::InvalidInput))?;
            table.ranges.copy_within(index + 1..table.count, index);
            table.count -= 1;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;

    fn memory(bytes: usize) -> &'static FixedMemory {
        let region = Box::leak(vec![MaybeUninit::new(0xAAu8); bytes].into_boxed_slice());
        Box::leak(Box::new(FixedMemory::new(region, 64)))
    }

    #[test]
    fn reservations_fill_gaps_and_are_zero() {
        let memory = memory(64 * 9);
        let a = memory.reserve(128, 1).unwrap();
        let b = memory.reserve(128, 1).unwrap();
        let c = memory.reserve(128, 1).unwrap();
        assert_eq!(b.addr().get() - a.addr().get(), 128);
        // SAFETY: b is a live reservation of 128 bytes.
        unsafe {
            assert_eq!(*b.as_ptr(), 0, "the region held 0xAA");
            b.write_bytes(7, 128);
            memory.release(b, 128).unwrap();
        }
        assert_eq!(
            memory.reserve(256, 1).unwrap_err().kind(),
            Kind::OutOfMemory
        );
        let again = memory.reserve(64, 1).unwrap();
        assert_eq!(again, b, "first fit");
        // SAFETY: `again` is live; `b` with 128 bytes is not a reservation any more, which is checked.
        unsafe {
            assert_eq!(*again.as_ptr(), 0, "zeroed again");
            assert_eq!(
                memory.release(b, 128).unwrap_err().kind(),
                Kind::InvalidInput
            );
            memory.release(again, 64).unwrap();
            memory.release(a, 128).unwrap();
            memory.release(c, 128).unwrap();
        }
        assert!(memory.reserve(64 * 8, 1).is_ok(), "all space came back");
    }

    #[test]
    fn alignment_and_misuse() {
        let memory = memory(4096 * 2);
        let at = memory.reserve(64, 2048).unwrap();
        assert_eq!(at.addr().get() % 2048, 0);
        for (bytes, align) in [(0, 1), (63, 1), (64, 3)] {
            assert_eq!(
                memory.reserve(bytes, align).unwrap_err().kind(),
                Kind::InvalidInput
            );
        }
        assert_eq!(
            memory.reserve(64, 1 << 62).unwrap_err().kind(),
            Kind::OutOfMemory
        );
    }
}
