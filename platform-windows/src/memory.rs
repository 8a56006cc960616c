//! Address space and memory over `VirtualAlloc`.
//!
//! Reserving aligns to the allocation granularity (64 KiB). For more, address space larger by the
//! alignment is reserved and released, and the aligned part of it reserved at its address; another
//! thread may take that address in between, so this is tried [`ALIGN_ATTEMPTS`] times. Large pages
//! want a privilege and are committed when they are reserved, which is not what this trait offers:
//! there are none here.
#![allow(unsafe_code, reason = "memory is raw")]

use crate::handle::{check, last_code};
use crate::{Windows, error};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use underpin_core::platform::{Memory, MemoryInfo, Protection};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READONLY,
    PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualProtect,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};

/// Losing the race for an aligned address this often means that something else is wrong.
const ALIGN_ATTEMPTS: u32 = 64;

// SAFETY: 1 and 4 are VirtualAlloc's own promises; 2 holds because commit asks for PAGE_READWRITE;
// 3 because the system gives out zeroed pages, decommit drops them, and committing a committed page
// keeps its contents.
unsafe impl Memory for Windows {
    fn memory_info(&self) -> MemoryInfo {
        let (page_bytes, granularity_bytes) = sizes();
        MemoryInfo {
            page_bytes,
            granularity_bytes,
            huge_page_bytes: 0,
        }
    }

    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let (_, granularity) = sizes();
        if bytes == 0 || !bytes.is_multiple_of(granularity) || !align.is_power_of_two() {
            return Err(Error::new(Operation::Reserve, Kind::InvalidInput));
        }
        if align <= granularity {
            return reserve_at(core::ptr::null(), bytes);
        }
        let padded = bytes
            .checked_add(align)
            .ok_or(Error::new(Operation::Reserve, Kind::OutOfMemory))?;
        let mut outcome = Err(Error::new(Operation::Reserve, Kind::OutOfMemory));
        for _ in 0..ALIGN_ATTEMPTS {
            let probe = reserve_at(core::ptr::null(), padded)?;
            // SAFETY: the reservation was just made and nothing refers to it.
            unsafe { self.release(probe, padded) }?;
            let aligned = probe
                .as_ptr()
                .map_addr(|address| address.next_multiple_of(align));
            outcome = reserve_at(aligned, bytes);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Commit, at, bytes)?;
        // SAFETY: the caller names a range of a live reservation.
        let committed =
            unsafe { VirtualAlloc(at.as_ptr().cast(), bytes, MEM_COMMIT, PAGE_READWRITE) };
        if committed.is_null() {
            Err(no_memory(Operation::Commit))
        } else {
            Ok(())
        }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Decommit, at, bytes)?;
        // SAFETY: the caller names a range of a live reservation that nothing refers to.
        check(Operation::Decommit, unsafe {
            VirtualFree(at.as_ptr().cast(), bytes, MEM_DECOMMIT)
        })
    }

    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let (_, granularity) = sizes();
        let whole = bytes != 0
            && bytes.is_multiple_of(granularity)
            && at.as_ptr().addr().is_multiple_of(granularity);
        if !whole {
            return Err(Error::new(Operation::Release, Kind::InvalidInput));
        }
        // SAFETY: the caller gives up a whole reservation. The system knows its size and takes 0
        // for it; it refuses an address that is not the start of one.
        check(Operation::Release, unsafe {
            VirtualFree(at.as_ptr().cast(), 0, MEM_RELEASE)
        })
    }

    unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
        check_range(Operation::Protect, at, bytes)?;
        let wanted = match protection {
            Protection::None => PAGE_NOACCESS,
            Protection::Read => PAGE_READONLY,
            Protection::ReadWrite => PAGE_READWRITE,
            _ => return Err(Error::unsupported(Operation::Protect)),
        };
        let mut before = 0;
        // SAFETY: the caller names committed memory and promises that no access conflicts; `before`
        // is a valid place.
        check(Operation::Protect, unsafe {
            VirtualProtect(at.as_ptr().cast(), bytes, wanted, &raw mut before)
        })
    }
}

/// Reserves at `address`, or anywhere if that is null.
fn reserve_at(address: *const u8, bytes: usize) -> Result<NonNull<u8>> {
    // SAFETY: reserving touches nothing that exists; the system refuses an address that is taken.
    let reserved = unsafe { VirtualAlloc(address.cast(), bytes, MEM_RESERVE, PAGE_NOACCESS) };
    NonNull::new(reserved.cast()).ok_or_else(|| no_memory(Operation::Reserve))
}

/// The arguments were checked, so whatever code a failed allocation gives, it means that there is
/// no room.
fn no_memory(operation: Operation) -> Error {
    error::with_kind(operation, Kind::OutOfMemory, last_code())
}

fn check_range(operation: Operation, at: NonNull<u8>, bytes: usize) -> Result<()> {
    let (page, _) = sizes();
    if bytes == 0 || !bytes.is_multiple_of(page) || !at.as_ptr().addr().is_multiple_of(page) {
        Err(Error::new(operation, Kind::InvalidInput))
    } else {
        Ok(())
    }
}

/// Page size and allocation granularity, asked once.
fn sizes() -> (usize, usize) {
    /// Granularity in the upper half, page size in the lower; 0 before the first call.
    static SIZES: AtomicU64 = AtomicU64::new(0);
    let mut packed = SIZES.load(Ordering::Relaxed);
    if packed == 0 {
        let mut info = SYSTEM_INFO::default();
        // SAFETY: fills in `info`.
        unsafe { GetSystemInfo(&raw mut info) };
        packed = u64::from(info.dwAllocationGranularity) << 32 | u64::from(info.dwPageSize);
        SIZES.store(packed, Ordering::Relaxed);
    }
    ((packed & 0xFFFF_FFFF) as usize, (packed >> 32) as usize)
}
