//! Listing a directory, by its handle, so that no character of its path is taken for a wildcard.
//!
//! The system fills a buffer with records of variable size; they are read as bytes, with every
//! bound checked.
#![allow(unsafe_code, reason = "a system call fills a buffer")]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::{Handle, OPEN_EXISTING, information, kind_of_entry, open_path, path};
use crate::error::{self, code};
use crate::handle::last_code;
use crate::path::WidePath;
use core::mem::offset_of;
use core::ops::ControlFlow;
use underpin_core::platform::DirectoryEntry;
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_FLAG_BACKUP_SEMANTICS, FILE_FULL_DIR_INFO, FILE_LIST_DIRECTORY,
    FileFullDirectoryInfo, FileFullDirectoryRestartInfo, GetFileInformationByHandleEx,
};

/// Room for a dozen of the longest names, or two hundred ordinary ones.
const BUFFER_BYTES: usize = 8192;

/// A name has at most 255 units, each at most three bytes.
const NAME_BYTES_MAX: usize = 3 * 255;

/// The records are aligned to 8.
#[repr(C, align(8))]
struct Records([u8; BUFFER_BYTES]);

/// One entry as the system tells it.
struct Record<'a> {
    /// Where the next record starts, from this one's start; 0 for the last.
    next_bytes: usize,
    attributes: u32,
    reparse_tag: u32,
    /// UTF-16, little-endian like every Windows.
    name: &'a [u8],
}

/// Calls `visit` for each entry of directory `path` but `.` and `..`.
pub(super) fn list(
    path: &[u8],
    visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let operation = Operation::List;
    let path = WidePath::new(operation, path)?;
    let handle = open_path(
        operation,
        &path,
        FILE_LIST_DIRECTORY,
        OPEN_EXISTING,
        FILE_FLAG_BACKUP_SEMANTICS,
    )?;
    if information(operation, &handle)?.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY == 0 {
        return Err(Error::new(operation, Kind::NotADirectory));
    }
    let mut records = Records([0; BUFFER_BYTES]);
    let mut class = FileFullDirectoryRestartInfo;
    while fill(&handle, class, &mut records)? {
        class = FileFullDirectoryInfo;
        if visit_all(&records.0, visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Fetches the next records; false at the end.
fn fill(handle: &Handle, class: i32, records: &mut Records) -> Result<bool> {
    // SAFETY: the handle is open; the buffer is valid for the size passed and aligned as the
    // records want it.
    let succeeded = unsafe {
        GetFileInformationByHandleEx(
            handle.raw(),
            class,
            (&raw mut records.0).cast(),
            BUFFER_BYTES as u32,
        )
    };
    if succeeded != 0 {
        return Ok(true);
    }
    match last_code() {
        code::NO_MORE_FILES => Ok(false),
        raw => Err(error::from_code(Operation::List, raw)),
    }
}

/// Visits the records of one buffer.
fn visit_all(
    buffer: &[u8],
    visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let malformed = Error::new(Operation::List, Kind::Io);
    let mut rest = buffer;
    loop {
        let record = Record::parse(rest).ok_or(malformed)?;
        let units = record
            .name
            .chunks_exact(2)
            .map(|unit| unit.try_into().map_or(0, u16::from_le_bytes));
        let mut name = [0; NAME_BYTES_MAX];
        let name = path::wtf8_of(units, &mut name).ok_or(malformed)?;
        if name != b"." && name != b".." {
            let kind = kind_of_entry(record.attributes, record.reparse_tag);
            if visit(DirectoryEntry::new(name, kind)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if record.next_bytes == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        rest = rest.get(record.next_bytes..).ok_or(malformed)?;
    }
}

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, if it lies within them.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let name_bytes = number_at(bytes, offset_of!(FILE_FULL_DIR_INFO, FileNameLength))?;
        let name = bytes
            .get(offset_of!(FILE_FULL_DIR_INFO, FileName)..)?
            .get(..usize::try_from(name_bytes).ok()?)?;
        Some(Self {
            next_bytes: usize::try_from(number_at(
                bytes,
                offset_of!(FILE_FULL_DIR_INFO, NextEntryOffset),
            )?)
            .ok()?,
            attributes: number_at(bytes, offset_of!(FILE_FULL_DIR_INFO, FileAttributes))?,
            // For an entry with a reparse point this field holds the tag.
            reparse_tag: number_at(bytes, offset_of!(FILE_FULL_DIR_INFO, EaSize))?,
            name,
        })
    }
}

fn number_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|number| u32::from_le_bytes(*number))
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]
mod tests {
    use super::*;
    extern crate alloc;
    use alloc::vec::Vec;

    fn record(next: u32, name: &str) -> Vec<u8> {
        let mut bytes = alloc::vec![0; offset_of!(FILE_FULL_DIR_INFO, FileName)];
        bytes[..4].copy_from_slice(&next.to_le_bytes());
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let at = offset_of!(FILE_FULL_DIR_INFO, FileNameLength);
        let length = u32::try_from(units.len()).unwrap();
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&units);
        bytes
    }

    fn names(buffer: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        let _ = visit_all(buffer, &mut |entry| {
            found.push(entry.name.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    #[test]
    fn records_are_followed_and_dots_left_out() {
        let mut buffer = record(0, "..");
        buffer.resize(buffer.len().next_multiple_of(8), 0);
        let next = u32::try_from(buffer.len()).unwrap();
        buffer[..4].copy_from_slice(&next.to_le_bytes());
        buffer.extend_from_slice(&record(0, "na\u{ef}ve"));
        assert_eq!(names(&buffer).unwrap(), ["na\u{ef}ve".as_bytes()]);
    }

    #[test]
    fn records_that_point_outside_are_an_error() {
        assert_eq!(names(&[]).unwrap_err().kind(), Kind::Io);
        assert_eq!(names(&record(4096, "a")).unwrap_err().kind(), Kind::Io);
        let whole = record(0, "abc");
        for cut in 0..whole.len() {
            assert_eq!(names(&whole[..cut]).unwrap_err().kind(), Kind::Io, "{cut}");
        }
        let long: alloc::string::String = ['a'; 1000].iter().collect();
        assert_eq!(names(&record(0, &long)).unwrap_err().kind(), Kind::Io);
    }
}
