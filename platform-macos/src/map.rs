//! Files in memory: shared mappings.
//!
//! # Quirks
//! - `msync` with `MS_SYNC` hands the pages to the device, whose cache may still hold them; `F_FULLFSYNC` on the file goes further
//!   (fcntl(2)). That is [`Durability::Data`](underpin_core::platform::Durability::Data), as the contract says.
//! - The start given to `msync` must be a page's (msync(2)), so it is rounded down.
#![allow(unsafe_code, reason = "maps files as raw memory")]

use crate::Macos;
use crate::error::{check, last};
use crate::file::File;
use crate::memory::page_bytes;
use core::ptr::{self, NonNull};
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::platform::{Files, Map, MapAccess, MappedBytes};

/// A shared mapping; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    is_writable: bool,
}

// SAFETY: a mapping belongs to the process; what its users owe each other is in the contract of `map`.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and nobody uses it after.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: start and length are those that mmap was asked for and gave.
unsafe impl MappedBytes for Mapping {
    fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn as_mut_ptr(&self) -> *mut u8 {
        if self.is_writable {
            self.start.as_ptr()
        } else {
            ptr::null_mut()
        }
    }

    fn len(&self) -> usize {
        self.bytes
    }
}

impl Map for Macos {
    type Mapping = Mapping;

    unsafe fn map(
        &self,
        file: &File,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<Mapping> {
        let refused = Error::new(Operation::Map, Kind::InvalidInput);
        let end = offset.checked_add(bytes as u64).ok_or(refused)?;
        let length = self.file_metadata(file)?.bytes;
        if bytes == 0 || offset & (page_bytes() as u64 - 1) != 0 || end > length {
            return Err(refused);
        }
        let offset = libc::off_t::try_from(offset).map_err(|_| refused)?;
        let is_writable = access == MapAccess::ReadWrite;
        let protection = if is_writable {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        // SAFETY: the kernel picks free addresses; what becomes of the bytes is the caller's promise.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                file.descriptor(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(last(Operation::Map));
        }
        let start =
            NonNull::new(start.cast()).ok_or(Error::new(Operation::Map, Kind::OutOfMemory))?;
        Ok(Mapping {
            start,
            bytes,
            is_writable,
        })
    }

    fn flush_map(&self, mapping: &Mapping, offset: usize, bytes: usize) -> Result<()> {
        let within = offset
            .checked_add(bytes)
            .is_some_and(|end| end <= mapping.bytes);
        if !within {
            return Err(Error::new(Operation::FlushMap, Kind::InvalidInput));
        }
        if bytes == 0 {
            return Ok(());
        }
        let skipped = offset & (page_bytes() - 1);
        // SAFETY: the range lies within the live mapping, as just checked; the start of the mapping is a page's.
        let result = unsafe {
            let start = mapping.start.add(offset - skipped);
            libc::msync(start.as_ptr().cast(), bytes + skipped, libc::MS_SYNC)
        };
        check(Operation::FlushMap, result).map(drop)
    }
}
