//! The log that is being written: its file, and the bytes that have not gone to it yet.
//!
//! A file that grows costs a journal commit of the file system with each sync. So a log that is synced grows ahead of its end, by
//! zeros in steps that double up to a bound, and a log that is done with lends its file to the next one: by its salt, nothing of
//! the old log is a fragment of the new (W1).
#![forbid(unsafe_code)]

use super::HEADER_BYTES;
use super::writer::LogWriter;
use crate::db::directory::Directory;
use crate::db::error::Result;
use crate::db::file_name::FileName;
use crate::platform::{Access, ClockId, Create, Durability, Files, OpenOptions};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The first step by which a synced log grows ahead.
const STEP_BYTES_MIN: usize = 64 << 10;

/// Bytes on their way to a log's file: where they go, and what they are.
#[derive(Debug)]
pub(in crate::db) struct Outgoing<P: Files> {
    name: FileName,
    file: Arc<P::File>,
    offset: u64,
    pub(in crate::db) bytes: Vec<u8>,
    /// Zeros to write behind them.
    ahead_bytes: usize,
}

impl<P: Files> Outgoing<P> {
    /// Hands the bytes to the system.
    pub(in crate::db) fn write(&self, directory: &Directory<P>) -> Result<()> {
        if !self.bytes.is_empty() {
            directory.write(self.name, &self.file, &self.bytes, self.offset)?;
        }
        if self.ahead_bytes > 0 {
            // Growing ahead only saves time, so that there is no room for it is no error.
            let zeros = alloc::vec![0; self.ahead_bytes];
            let _ = directory.write(self.name, &self.file, &zeros, self.end());
        }
        Ok(())
    }

    /// As [`write`](Self::write), and makes the file durable.
    pub(in crate::db) fn write_and_sync(&self, directory: &Directory<P>) -> Result<()> {
        self.write(directory)?;
        directory.sync(self.name, &self.file, Durability::Full)
    }

    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// A log that is done with, whose file the next one may take over.
#[derive(Clone, Copy, Debug)]
pub(in crate::db) struct SpareLog {
    pub(in crate::db) number: u64,
    pub(in crate::db) bytes: u64,
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
    /// How long the file is, or will be after the write that goes on.
    file_bytes: u64,
    step_bytes: usize,
    /// Bytes known to be on the medium, and how many of them a record says so of.
    synced: u64,
    marked: u64,
}

impl<P: Files> ActiveLog<P> {
    /// Makes log `number`, whole and with a durable name, in the file of `spare` if there is one.
    pub(in crate::db) fn create(
        directory: &Directory<P>,
        number: u64,
        spare: Option<SpareLog>,
    ) -> Result<Self> {
        let name = FileName::Log(number);
        let open = OpenOptions {
            access: Access::Write,
            ..OpenOptions::read()
        };
        let taken =
            spare.filter(|spare| directory.rename(FileName::Log(spare.number), name).is_ok());
        let open = match taken {
            Some(_) => open,
            None => open.with_create(Create::New),
        };
        let file = directory.open(name, &open)?;
        let platform = &directory.platform;
        // The salt need not be secret, only different from that of an earlier log of this number or file.
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
            file_bytes: taken.map_or(HEADER_BYTES as u64, |spare| spare.bytes),
            step_bytes: STEP_BYTES_MIN,
            synced: written,
            marked: written,
        })
    }

    /// Of a database that is only read: never written to.
    pub(in crate::db) fn unwritable(number: u64, file: P::File) -> Self {
        Self {
            number,
            file: Arc::new(file),
            writer: LogWriter::new(number, 0, &mut Vec::new()),
            buffer: Vec::new(),
            written: 0,
            file_bytes: 0,
            step_bytes: 0,
            synced: 0,
            marked: 0,
        }
    }

    pub(in crate::db) const fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of records in the file, the header included.
    pub(in crate::db) const fn written(&self) -> u64 {
        self.written
    }

    /// What to sync, and up to where it is then synced.
    pub(in crate::db) fn written_part(&self) -> (FileName, Arc<P::File>, u64) {
        (FileName::Log(self.number), self.file.clone(), self.written)
    }

    /// States what is synced, if no record does so yet (W2).
    fn mark(&mut self) {
        if self.synced > self.marked {
            self.marked = self.synced;
            self.writer.push_synced(&mut self.buffer, self.synced);
        }
    }

    /// Takes out what is to be written, after a mark if one is due. With a bound above 0 the file may grow ahead.
    pub(in crate::db) fn take(&mut self, step_bytes_max: usize) -> Outgoing<P> {
        self.mark();
        let bytes = core::mem::take(&mut self.buffer);
        let end = self.written + bytes.len() as u64;
        let mut ahead_bytes = 0;
        if end > self.file_bytes {
            ahead_bytes = self.step_bytes.min(step_bytes_max);
            self.step_bytes = (self.step_bytes * 2).min(step_bytes_max.max(STEP_BYTES_MIN));
            self.file_bytes = end + ahead_bytes as u64;
        }
        Outgoing {
            name: FileName::Log(self.number),
            file: self.file.clone(),
            offset: self.written,
            bytes,
            ahead_bytes,
        }
    }

    /// What was taken out is in the file. Its memory is used again.
    pub(in crate::db) fn wrote(&mut self, mut outgoing: Outgoing<P>, keep_bytes: usize) {
        self.written = outgoing.end();
        if self.buffer.is_empty() && outgoing.bytes.capacity() <= keep_bytes {
            outgoing.bytes.clear();
            self.buffer = outgoing.bytes;
        }
    }

    /// All before `offset` is on the medium.
    pub(in crate::db) fn synced(&mut self, offset: u64) {
        self.synced = self.synced.max(offset);
    }

    /// Ends the log: the rest of its bytes and a seal that names log `next`.
    pub(in crate::db) fn seal(&mut self, next: u64) -> Outgoing<P> {
        self.mark();
        self.writer.push_seal(&mut self.buffer, next);
        self.take(0)
    }

    /// The file as a spare one, for when the log is done with.
    pub(in crate::db) const fn as_spare(&self) -> SpareLog {
        SpareLog {
            number: self.number,
            bytes: self.file_bytes,
        }
    }
}
