//! Writes a values file, one record after the other.
#![forbid(unsafe_code)]

use super::file::{MAGIC, VERSION};
use super::reference::Reference;
use crate::codec::crc32c;
use crate::db::directory::Directory;
use crate::db::error::Result;
use crate::db::file_name::FileName;
use crate::db::table::{BlockKind, COMPRESSED, compress_to, trailer};
use crate::platform::{Access, Create, Durability, Files, OpenOptions};
use alloc::vec::Vec;

/// Bytes gathered before a write.
const WRITE_BYTES: usize = 256 << 10;
/// A value of this size is written from where it is: a call costs less than to copy it first.
const DIRECT_BYTES: usize = 32 << 10;

/// A values file in the making. Whoever drops it unfinished removes the file.
#[derive(Debug)]
pub(in crate::db) struct ValueWriter<P: Files> {
    directory: Directory<P>,
    file: P::File,
    number: u64,
    compressed: bool,
    /// Not yet written; starts at `written`.
    buffer: Vec<u8>,
    written: u64,
    scratch: Vec<u8>,
}

/// The first bytes of values file `number`.
pub(super) fn header(number: u64) -> Vec<u8> {
    let mut header = Vec::from(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&number.to_le_bytes());
    let crc = crc32c(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

impl<P: Files> ValueWriter<P> {
    pub(in crate::db) fn new(
        directory: &Directory<P>,
        number: u64,
        compressed: bool,
    ) -> Result<Self> {
        let open = OpenOptions {
            access: Access::ReadWrite,
            ..OpenOptions::read()
        };
        // No number is used twice: what is there is not ours to cut.
        let open = open.with_create(Create::New);
        let file = directory.open(FileName::Values(number), &open)?;
        Ok(Self {
            directory: directory.clone(),
            file,
            number,
            compressed,
            buffer: header(number),
            written: 0,
            scratch: Vec::new(),
        })
    }

    /// Adds a value and says where it will be.
    pub(in crate::db) fn push(&mut self, value: &[u8]) -> Result<Reference> {
        let offset = self.bytes();
        let mut kind = BlockKind::Value as u8;
        let mut scratch = core::mem::take(&mut self.scratch);
        let value = if self.compressed && compress_to(value, &mut scratch) {
            kind |= COMPRESSED;
            &scratch[..]
        } else {
            value
        };
        let trailer = trailer(self.number, offset, value, kind);
        let [_, crc @ ..] = trailer;
        let reference = Reference {
            file: self.number,
            offset,
            bytes: value.len() as u64,
            crc: u32::from_le_bytes(crc),
        };
        // The table keeps longer ones.
        let length = value.len() as u32;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        if value.len() >= DIRECT_BYTES {
            self.write()?;
            self.write_bytes(value)?;
        } else {
            self.buffer.extend_from_slice(value);
        }
        self.buffer.extend_from_slice(&trailer);
        self.scratch = scratch;
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(reference)
    }

    /// Bytes so far.
    pub(in crate::db) const fn bytes(&self) -> u64 {
        self.written.saturating_add(self.buffer.len() as u64)
    }

    /// Makes the file durable, though not yet its name, and says how long it is.
    pub(in crate::db) fn finish(mut self) -> Result<u64> {
        self.write()?;
        let name = FileName::Values(self.number);
        self.directory.sync(name, &self.file, Durability::Full)?;
        Ok(self.written)
    }

    fn write(&mut self) -> Result<()> {
        let mut buffer = core::mem::take(&mut self.buffer);
        let written = self.write_bytes(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let name = FileName::Values(self.number);
        self.directory
            .write(name, &self.file, bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
