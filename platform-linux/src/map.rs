//! Files in memory: shared mappings.
#![allow(unsafe_code, reason = "mapping memory is raw by nature")]

use crate::Linux;
use crate::error::error;
use crate::file::File;
use crate::memory::page_bytes;
use core::ptr::{NonNull, null_mut};
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags};
use underpin_core::platform::{Files, Map, MapAccess, MappedBytes};
use underpin_core::{Error, Kind, Operation, Result};

/// A mapping of a file; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    at: NonNull<u8>,
    bytes: usize,
    writable: bool,
}

// SAFETY: the mapping belongs to the process; the type gives out raw pointers only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and the value is going away.
        let result = unsafe { rustix::mm::munmap(self.at.as_ptr().cast(), self.bytes) };
        debug_assert!(result.is_ok());
    }
}

// SAFETY: the range was mapped with these values and stays so until the drop.
unsafe impl MappedBytes for Mapping {
    fn as_ptr(&self) -> *const u8 {
        self.at.as_ptr()
    }

    fn as_mut_ptr(&self) -> *mut u8 {
        if self.writable {
            self.at.as_ptr()
        } else {
            null_mut()
        }
    }

    fn len(&self) -> usize {
        self.bytes
    }
}

impl Map for Linux {
    type Mapping = Mapping;

    unsafe fn map(
        &self,
        file: &File,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<Mapping> {
        const OP: Operation = Operation::Map;
        let invalid = Error::new(OP, Kind::InvalidInput);
        let end = offset.checked_add(bytes as u64).ok_or(invalid)?;
        if bytes == 0
            || bytes > isize::MAX.unsigned_abs()
            || !offset.is_multiple_of(page_bytes() as u64)
            || end > self.file_metadata(file)?.bytes
        {
            return Err(invalid);
        }
        let writable = access == MapAccess::ReadWrite;
        let mut protection = ProtFlags::READ;
        protection.set(ProtFlags::WRITE, writable);
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing.
        let at = unsafe {
            rustix::mm::mmap(
                null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                file.as_fd(),
                offset,
            )
        }
        .map_err(|errno| error(OP, errno))?;
        let at = NonNull::new(at.cast()).ok_or(Error::new(OP, Kind::OutOfMemory))?;
        Ok(Mapping {
            at,
            bytes,
            writable,
        })
    }

    fn flush_map(&self, mapping: &Mapping, offset: usize, bytes: usize) -> Result<()> {
        const OP: Operation = Operation::FlushMap;
        let end = offset.checked_add(bytes);
        if end.is_none_or(|end| end > mapping.bytes) {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        // The kernel wants the start of a page.
        let start = offset & !(page_bytes() - 1);
        rustix::io::retry_on_intr(|| {
            // SAFETY: the range lies within the mapping; writing it back changes nothing in memory.
            unsafe {
                let at = mapping.at.add(start);
                rustix::mm::msync(
                    at.as_ptr().cast(),
                    bytes + (offset - start),
                    MsyncFlags::SYNC,
                )
            }
        })
        .map_err(|errno| error(OP, errno))
    }
}
