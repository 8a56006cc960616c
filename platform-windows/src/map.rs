//! Files in memory: a section over the file, a view of it, and a second handle for flushing.
//!
//! A device that fails while a view is touched raises an in-page error, which ends the process.
#![allow(unsafe_code, reason = "a view is raw memory")]

use crate::Windows;
use crate::file::{File, durability};
use crate::handle::{Handle, check, last_error};
use core::ptr::NonNull;
use underpin_core::platform::{Durability, Files, Map, MapAccess, MappedBytes, Memory};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_READ, FILE_MAP_WRITE, FlushViewOfFile, MEMORY_MAPPED_VIEW_ADDRESS,
    MapViewOfFile, PAGE_READONLY, PAGE_READWRITE, UnmapViewOfFile,
};

/// A view of a file.
#[derive(Debug)]
pub struct Mapping {
    /// I1: the start of a view of at least `bytes` that stays mapped until drop.
    start: NonNull<u8>,
    bytes: usize,
    /// Writing through the view is allowed.
    mutable: bool,
    /// The file, for flushing what the view wrote; lives on when the seam's handle is closed.
    file: Handle,
    file_is_writable: bool,
}

// SAFETY: the view belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: the methods give out addresses and lengths alone.
unsafe impl Sync for Mapping {}

// SAFETY: I1.
unsafe impl MappedBytes for Mapping {
    fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn as_mut_ptr(&self) -> *mut u8 {
        if self.mutable {
            self.start.as_ptr()
        } else {
            core::ptr::null_mut()
        }
    }

    fn len(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let view = MEMORY_MAPPED_VIEW_ADDRESS {
            Value: self.start.as_ptr().cast(),
        };
        // SAFETY: I1, and nothing refers into the view any more.
        unsafe { UnmapViewOfFile(view) };
    }
}

impl Map for Windows {
    type Mapping = Mapping;

    unsafe fn map(
        &self,
        file: &File,
        offset: u64,
        bytes: usize,
        access: MapAccess,
    ) -> Result<Mapping> {
        let operation = Operation::Map;
        let granularity = self.memory_info().granularity_bytes as u64;
        let length = self.file_metadata(file)?.bytes;
        let within = offset
            .checked_add(bytes as u64)
            .is_some_and(|end| end <= length);
        if bytes == 0 || !within || !offset.is_multiple_of(granularity) {
            return Err(Error::new(operation, Kind::InvalidInput));
        }
        let (protection, view_access) = match access {
            MapAccess::Read => (PAGE_READONLY, FILE_MAP_READ),
            MapAccess::ReadWrite => (PAGE_READWRITE, FILE_MAP_READ | FILE_MAP_WRITE),
        };
        let duplicate = file.handle().duplicate(operation)?;
        // SAFETY: the handle is open; size 0 means the file's own.
        let section = unsafe {
            CreateFileMappingW(
                duplicate.raw(),
                core::ptr::null(),
                protection,
                0,
                0,
                core::ptr::null(),
            )
        };
        // SAFETY: the section was made for us. It may be closed once there is a view.
        let section = unsafe { Handle::from_raw(operation, section) }?;
        // SAFETY: the section is open and at least as long as the range; the system picks a free
        // address.
        let view = unsafe {
            MapViewOfFile(
                section.raw(),
                view_access,
                (offset >> 32) as u32,
                (offset & 0xFFFF_FFFF) as u32,
                bytes,
            )
        };
        match NonNull::new(view.Value.cast::<u8>()) {
            Some(start) => Ok(Mapping {
                start,
                bytes,
                mutable: access == MapAccess::ReadWrite,
                file: duplicate,
                file_is_writable: file.is_writable(),
            }),
            None => Err(last_error(operation)),
        }
    }

    fn flush_map(&self, mapping: &Mapping, offset: usize, bytes: usize) -> Result<()> {
        let operation = Operation::FlushMap;
        if offset
            .checked_add(bytes)
            .is_none_or(|end| end > mapping.bytes)
        {
            return Err(Error::new(operation, Kind::InvalidInput));
        }
        // The system would take a length of 0 for "to the end"; and nothing is written through a
        // view for reading.
        if bytes == 0 || !mapping.mutable {
            return Ok(());
        }
        // SAFETY: the range lies within the view (I1).
        let flushed = unsafe { FlushViewOfFile(mapping.start.as_ptr().add(offset).cast(), bytes) };
        check(operation, flushed)?;
        // The view was only handed to the file system; now to the device.
        durability::flush(
            operation,
            &mapping.file,
            mapping.file_is_writable,
            Durability::Data,
        )?;
        Ok(())
    }
}
