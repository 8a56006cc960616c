//! An open values file: values by reference, and the check of every byte.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::reference::{HEADER_BYTES, LENGTH_BYTES, Reference, Share};
use crate::codec::{Reader, crc32c, is_same};
use crate::db::directory::Directory;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::table::{BlockKind, TRAILER_BYTES, check_block};
use crate::platform::Files;
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::vec::Vec;

pub(super) const MAGIC: [u8; 8] = *b"underval";
pub(super) const VERSION: u32 = 1;

/// A values file that can be read. Shared by the tables that refer to it (V1).
#[derive(Debug)]
pub(in crate::db) struct ValueFile<P: Files> {
    directory: Directory<P>,
    /// None if it cannot be opened, and the caller wants to read what else there is.
    file: Option<P::File>,
    number: u64,
    bytes: u64,
    /// A read found damage: no merge tries again. Says nothing of other memory, so accesses are relaxed.
    damaged: AtomicBool,
}

impl<P: Files> ValueFile<P> {
    /// Opens the file that a table describes and checks its length and header. A `lenient` caller gets a damaged one as well, of which
    /// each read says what it finds.
    pub(super) fn open(directory: &Directory<P>, stated: &Share, lenient: bool) -> Result<Self> {
        let name = FileName::Values(stated.file);
        let mut opened = Self {
            directory: directory.clone(),
            file: None,
            number: stated.file,
            bytes: stated.file_bytes,
            damaged: AtomicBool::new(false),
        };
        match directory.open_existing(name) {
            Ok(file) => opened.file = Some(file),
            Err(error) if lenient && error.is_lost() => return Ok(opened),
            Err(error) => return Err(error),
        }
        match opened.check_header() {
            Err(error) if lenient && (error.is_lost() || matches!(error, Error::Format { .. })) => {
                Ok(opened)
            }
            checked => checked.map(|()| opened),
        }
    }

    const fn name(&self) -> FileName {
        FileName::Values(self.number)
    }

    fn corrupt<T>(&self, offset: u64, what: &'static str, expected: u64, found: u64) -> Result<T> {
        Err(Error::corrupt(self.name(), offset, what, expected, found))
    }

    fn file(&self) -> Result<&P::File> {
        match &self.file {
            Some(file) => Ok(file),
            None => self.corrupt(0, "the file is missing", 1, 0),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.directory
            .read(self.name(), self.file()?, buffer, offset)
    }

    fn check_header(&self) -> Result<()> {
        let bytes = self.directory.length(self.name(), self.file()?)?;
        if bytes != self.bytes {
            return self.corrupt(bytes, "bytes of the file", self.bytes, bytes);
        }
        let mut found = [0; HEADER_BYTES as usize];
        self.read_at(&mut found, 0)?;
        let mut reader = Reader::new(&found);
        let magic = reader.u64().unwrap_or_default();
        let version = reader.u32().unwrap_or_default();
        let number = reader.u64().unwrap_or_default();
        let expected = crc32c(found.get(..reader.offset()).unwrap_or_default());
        let stated = reader.u32().unwrap_or_default();
        if magic != u64::from_le_bytes(MAGIC) {
            return self.corrupt(
                0,
                "magic number of values",
                u64::from_le_bytes(MAGIC),
                magic,
            );
        }
        if !is_same(expected, stated) {
            return self.corrupt(0, "checksum of the header", expected.into(), stated.into());
        }
        if version != VERSION {
            return Err(Error::Format {
                file: self.name(),
                found: version,
                supported: VERSION,
            });
        }
        if number != self.number {
            return self.corrupt(12, "number of the file", self.number, number);
        }
        Ok(())
    }

    pub(in crate::db) const fn number(&self) -> u64 {
        self.number
    }

    /// Its length.
    pub(in crate::db) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a read found damage, or a place that cannot be read.
    pub(in crate::db) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The value that a table refers to.
    pub(in crate::db) fn read(&self, reference: &Reference) -> Result<Vec<u8>> {
        let value = self.read_checked(reference);
        if value.as_ref().is_err_and(Error::is_lost) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        value
    }

    fn read_checked(&self, reference: &Reference) -> Result<Vec<u8>> {
        let offset = reference.offset;
        // Bounded by the file's length, which was checked.
        if offset < HEADER_BYTES || reference.end() > self.bytes {
            return self.corrupt(offset, "end of a value", self.bytes, reference.end());
        }
        let bytes = reference.bytes.saturating_add(TRAILER_BYTES as u64);
        let Ok(bytes) = usize::try_from(bytes) else {
            return self.corrupt(offset, "bytes of a value", usize::MAX as u64, bytes);
        };
        let mut value = alloc::vec![0; bytes];
        let crc = self.read_block(offset, &mut value)?;
        self.check_crc(reference, u32::from_le_bytes(crc))?;
        Ok(value)
    }

    /// Fills `block`, which is as long as a value and its trailer, from the record at `offset`, makes the value of it, and returns its checksum.
    fn read_block(&self, offset: u64, block: &mut Vec<u8>) -> Result<[u8; 4]> {
        self.read_at(block, offset.saturating_add(LENGTH_BYTES))?;
        let crc = block.last_chunk::<4>().copied().unwrap_or_default();
        check_block(self.name(), self.number, offset, block, BlockKind::Value)?;
        Ok(crc)
    }

    fn check_crc(&self, reference: &Reference, found: u32) -> Result<()> {
        if is_same(reference.crc, found) {
            return Ok(());
        }
        let (expected, found) = (reference.crc.into(), found.into());
        self.corrupt(
            reference.offset,
            "checksum in the reference",
            expected,
            found,
        )
    }

    /// Checks that there is a record where a reference says, without reading the value.
    pub(in crate::db) fn check(&self, reference: &Reference) -> Result<()> {
        let offset = reference.offset;
        let mut length = [0; LENGTH_BYTES as usize];
        let mut crc = [0; 4];
        self.read_at(&mut length, offset)?;
        let found = u32::from_le_bytes(length).into();
        if found != reference.bytes {
            return self.corrupt(offset, "bytes of a value", reference.bytes, found);
        }
        self.read_at(&mut crc, reference.end().saturating_sub(4))?;
        self.check_crc(reference, u32::from_le_bytes(crc))
    }

    /// Reads the whole file and checks every byte (V2). Returns the records.
    pub(in crate::db) fn verify(&self) -> Result<u64> {
        self.check_header()?;
        let mut offset = HEADER_BYTES;
        let mut records = 0u64;
        let mut value = Vec::new();
        while offset < self.bytes {
            let mut length = [0; LENGTH_BYTES as usize];
            self.read_at(&mut length, offset)?;
            let length = u32::from_le_bytes(length);
            let left = self.bytes.saturating_sub(offset);
            let record = Reference {
                file: self.number,
                offset,
                bytes: length.into(),
                crc: 0,
            };
            // A value of a merge operator may be longer than one that is put.
            if record.record_bytes() > left {
                return self.corrupt(offset, "bytes of a value", left, length.into());
            }
            value.clear();
            value.resize((length as usize).saturating_add(TRAILER_BYTES), 0);
            self.read_block(offset, &mut value)?;
            records = records.saturating_add(1);
            offset = record.end();
        }
        Ok(records)
    }

    /// Removes the file: nothing refers to it any more.
    pub(in crate::db) fn remove(mut self) {
        // Closed first: some systems do not remove an open file.
        self.file = None;
        self.directory.remove(self.name());
    }
}

impl<P: Files> Drop for ValueFile<P> {
    fn drop(&mut self) {
        self.directory.values().forget(self.number);
    }
}
