//! The log that is being written: its file, and the bytes that have not gone to it yet.
#![forbid(unsafe_code)]

use super::writer::LogWriter;
use crate::db::directory::Directory;
use crate::db::error::Result;
use crate::db::file_name::FileName;
use crate::platform::{Access, ClockId, Create, Durability, Files, OpenOptions};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes on their way to a log's file: where they go, and what they are.
#[derive(Debug)]
pub(in crate::db) struct Outgoing<P: Files> {
    pub(in crate::db) name: FileName,
    pub(in crate::db) file: Arc<P::File>,
    pub(in crate::db) offset: u64,
    pub(in crate::db) bytes: Vec<u8>,
}

impl<P: Files> Outgoing<P> {
    /// Hands the bytes to the system and, with a level, makes the file durable.
    pub(in crate::db) fn send(
        &self,
        directory: &Directory<P>,
        level: Option<Durability>,
    ) -> Result<()> {
        if !self.bytes.is_empty() {
            directory.write(self.name, &self.file, &self.bytes, self.offset)?;
        }
        level.map_or(Ok(()), |level| directory.sync(self.name, &self.file, level))
    }

    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(in crate::db) struct ActiveLog<P: Files> {
    number: u64,
    file: Arc<P::File>,
    pub(in crate::db) writer: LogWriter,
    /// Encoded and not yet handed to the system.
    pub(in crate::db) buffer: Vec<u8>,
    /// The file offset where `buffer` goes.
    written: u64,
    /// Bytes known to be on the medium, and how many of them a record says so of.
    synced: u64,
    marked: u64,
}

impl<P: Files> ActiveLog<P> {
    /// Makes log `number`, whole and with a durable name.
    pub(in crate::db) fn create(directory: &Directory<P>, number: u64) -> Result<Self> {
        let name = FileName::Log(number);
        let open = OpenOptions {
            access: Access::Write,
            ..OpenOptions::read()
        };
        let open = open.with_create(Create::IfMissing).with_truncate();
        let file = directory.open(name, &open)?;
        let platform = &directory.platform;
        // The salt need not be secret, only different from that of an earlier log of this number.
        let salt = platform.random_u64().unwrap_or_else(|_| {
            platform.now(ClockId::Real).as_ns() ^ platform.now(ClockId::Monotonic).as_ns()
        });
        let mut buffer = Vec::new();
        let writer = LogWriter::new(number, salt, &mut buffer);
        let create = || {
            directory.write(name, &file, &buffer, 0)?;
            directory.sync(name, &file, Durability::Full)?;
            directory.sync_names()
        };
        if let Err(error) = create() {
            directory.remove(name);
            return Err(error);
        }
        buffer.clear();
        let written = writer.offset();
        Ok(Self {
            number,
            file: Arc::new(file),
            writer,
            buffer,
            written,
            synced: written,
            marked: written,
        })
    }

    pub(in crate::db) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes in the file.
    pub(in crate::db) const fn written(&self) -> u64 {
        self.written
    }

    /// States what is synced, if no record does so yet (W2).
    pub(in crate::db) fn mark(&mut self) {
        if self.synced > self.marked {
            self.marked = self.synced;
            self.writer.push_synced(&mut self.buffer, self.synced);
        }
    }

    /// Takes out what is to be written, after a mark if one is due.
    pub(in crate::db) fn take(&mut self) -> Outgoing<P> {
        self.mark();
        Outgoing {
            name: FileName::Log(self.number),
            file: self.file.clone(),
            offset: self.written,
            bytes: core::mem::take(&mut self.buffer),
        }
    }

    /// What was taken out is written, and `synced` or not. Its memory is used again.
    pub(in crate::db) fn sent(
        &mut self,
        mut outgoing: Outgoing<P>,
        synced: bool,
        keep_bytes: usize,
    ) {
        self.written = outgoing.end();
        if synced {
            self.synced = self.written;
        }
        if self.buffer.is_empty() && outgoing.bytes.capacity() <= keep_bytes {
            outgoing.bytes.clear();
            self.buffer = outgoing.bytes;
        }
    }

    /// Ends the log: the rest of its bytes and a seal that names log `next`.
    pub(in crate::db) fn seal(&mut self, next: u64) -> Outgoing<P> {
        self.mark();
        self.writer.push_seal(&mut self.buffer, next);
        self.take()
    }
}
