//! Address space by `mmap`, memory by `mprotect`.
//!
//! A reservation is an anonymous private mapping without access. Commit gives access; the kernel backs a page with zeros when it
//! is first touched. Decommit maps fresh memory without access over the range, in one step.
//!
//! # Quirks
//! - Pages are 16 KiB on arm64 and 4 KiB on x86-64, and a translated process on arm64 sees 4 KiB (Apple, "Addressing
//!   architectural differences in your macOS code"): always asked for, never assumed.
//! - `MADV_FREE` and `MADV_FREE_REUSABLE` leave old contents readable until the kernel is short of memory (madvise(2)), and `MADV_DONTNEED`
//!   frees nothing here, unlike on Linux. The contract says zeros after decommit and commit, so neither will do.
//! - Huge pages exist only on x86-64 and only when asked for at `mmap` (`VM_FLAGS_SUPERPAGE_SIZE_2MB`, `mach/vm_statistics.h`),
//!   so there is no hint to give.
#![allow(unsafe_code, reason = "maps raw memory")]

use crate::Macos;
use crate::error::{check, last};
use core::ptr::{self, NonNull};
use libc::{c_int, c_void};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::{Memory, MemoryInfo, Protection};

/// Taken when the system does not say, which it always does: the larger of the two sizes is a multiple of the other.
const PAGE_BYTES_DEFAULT: usize = 16 * 1024;

/// The page size; a power of two.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: asks a number of the system.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    match usize::try_from(answer) {
        Ok(bytes) if bytes.is_power_of_two() => bytes,
        _ => PAGE_BYTES_DEFAULT,
    }
}

fn check_range(operation: Operation, at: NonNull<u8>, bytes: usize) -> Result<()> {
    let mask = page_bytes() - 1;
    if bytes == 0 || bytes & mask != 0 || at.addr().get() & mask != 0 {
        return Err(Error::new(operation, Kind::InvalidInput));
    }
    Ok(())
}

/// Maps fresh memory without access: anywhere, or over `at` with `flags` saying `MAP_FIXED`.
///
/// # Safety
/// With `MAP_FIXED`, the range belongs to the caller and nothing refers into it.
unsafe fn map_inaccessible(
    operation: Operation,
    at: *mut c_void,
    bytes: usize,
    flags: c_int,
) -> Result<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | flags;
    // SAFETY: without MAP_FIXED the kernel picks addresses that are free; with it, the caller owns the range.
    let start = unsafe { libc::mmap(at, bytes, libc::PROT_NONE, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(last(operation));
    }
    NonNull::new(start.cast()).ok_or(Error::new(operation, Kind::OutOfMemory))
}

/// # Safety
/// The range lies within one mapping of the caller's, and nothing refers into it.
unsafe fn unmap(operation: Operation, at: *mut u8, bytes: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    check(operation, unsafe { libc::munmap(at.cast(), bytes) }).map(drop)
}

/// # Safety
/// The range lies within one mapping of the caller's, and accesses that `protection` forbids do not happen.
unsafe fn set_protection(
    operation: Operation,
    at: NonNull<u8>,
    bytes: usize,
    protection: c_int,
) -> Result<()> {
    check_range(operation, at, bytes)?;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::mprotect(at.as_ptr().cast(), bytes, protection) };
    check(operation, result).map(drop)
}

// SAFETY: 1. the kernel maps only free addresses, and fixed mappings replace only parts of a reservation; 2. commit gives
// both accesses; 3. anonymous memory reads as zero until written, decommit replaces it by fresh memory, and mprotect
// changes no contents; 4. mappings belong to the process.
unsafe impl Memory for Macos {
    fn memory_info(&self) -> MemoryInfo {
        let page_bytes = page_bytes();
        MemoryInfo {
            page_bytes,
            granularity_bytes: page_bytes,
            huge_page_bytes: 0,
        }
    }

    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let operation = Operation::Reserve;
        let page_bytes = page_bytes();
        if bytes == 0 || bytes & (page_bytes - 1) != 0 || !align.is_power_of_two() {
            return Err(Error::new(operation, Kind::InvalidInput));
        }
        // Any address of the slack's first page may be the start, so the slack is what a page alignment leaves open.
        let slack = align.max(page_bytes) - page_bytes;
        let total = bytes
            .checked_add(slack)
            .ok_or(Error::new(operation, Kind::OutOfMemory))?;
        // SAFETY: not fixed.
        let base = unsafe { map_inaccessible(operation, ptr::null_mut(), total, 0)? };
        if slack == 0 {
            return Ok(base);
        }
        let before = base.addr().get().next_multiple_of(align) - base.addr().get();
        let after = slack - before;
        // SAFETY: `before + bytes + after == total`, so each range lies within the mapping just made; nobody else
        // knows of it yet.
        unsafe {
            let start = base.add(before);
            if before != 0 {
                unmap(operation, base.as_ptr(), before)?;
            }
            if after != 0 {
                unmap(operation, start.add(bytes).as_ptr(), after)?;
            }
            Ok(start)
        }
    }

    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the caller's promise; the new protection forbids nothing.
        unsafe { set_protection(Operation::Commit, at, bytes, access) }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        let operation = Operation::Decommit;
        check_range(operation, at, bytes)?;
        // SAFETY: the caller promises that the range is part of a reservation and that nothing refers into it.
        unsafe { map_inaccessible(operation, at.as_ptr().cast(), bytes, libc::MAP_FIXED) }.map(drop)
    }

    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        check_range(Operation::Release, at, bytes)?;
        // SAFETY: the caller's promise.
        unsafe { unmap(Operation::Release, at.as_ptr(), bytes) }
    }

    unsafe fn protect(&self, at: NonNull<u8>, bytes: usize, protection: Protection) -> Result<()> {
        let access = match protection {
            Protection::None => libc::PROT_NONE,
            Protection::Read => libc::PROT_READ,
            Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            _ => return Err(Error::unsupported(Operation::Protect)),
        };
        // SAFETY: the caller's promise.
        unsafe { set_protection(Operation::Protect, at, bytes, access) }
    }
}
