//! Reads every file of the database and checks every byte.
#![forbid(unsafe_code)]

use super::compact;
use super::error::{Error, Result};
use super::file_name::FileName;
use super::options::WriteLevel;
use super::shared::Shared;
use super::version::Manifest;
use super::wal::{LogReader, Record};
use crate::platform::Files;
use alloc::collections::BTreeMap;

/// What [`Db::verify`](super::Db::verify) read and found in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of tables and writes in logs.
    pub entries: u64,
}

impl<P: Files> Shared<P> {
    /// Checks the manifest against memory, all blocks of all tables, all values, and the logs as far as they are written. Writes go on
    /// meanwhile; flushes wait, and so does a merge's end.
    pub(super) fn verify(&self) -> Result<VerifyReport> {
        let state = self.maintenance.lock();
        // Of a poisoned database nobody knows which manifest is the one. One that is only read may be written to by another process: of it
        // the tables and values are checked, which do not change; its logs were when they were read.
        let read_only = match self.commit.lock().check() {
            Err(Error::ReadOnly) => true,
            checked => checked.map(|()| false)?,
        };
        let (view, _) = self.snapshot()?;
        let mut report = VerifyReport::default();
        let name = FileName::Manifest;
        let Some(manifest) = Manifest::load(&self.directory)? else {
            return Err(Error::corrupt(name, 0, "the file is missing", 1, 0));
        };
        if manifest != state.manifest && !read_only {
            return Err(Error::corrupt(
                name,
                0,
                "the manifest as it was stored",
                1,
                0,
            ));
        }
        let mut keyspaces = manifest.keyspaces.iter();
        if !keyspaces.all(|keyspace| compact::is_ordered(&keyspace.levels)) {
            return Err(Error::corrupt(
                name,
                0,
                "order of the tables of a level",
                1,
                0,
            ));
        }
        report.files += 1;
        report.bytes += self.directory.file_bytes(name)?;
        let mut values = BTreeMap::new();
        for table in view.tables() {
            report.entries += table.verify()?;
            report.bytes += table.info().bytes;
            report.files += 1;
            for file in table.value_files() {
                values.insert(file.number(), file);
            }
        }
        for file in values.values() {
            file.verify()?;
            report.bytes += file.bytes();
            report.files += 1;
        }
        if read_only {
            return Ok(report);
        }
        self.sync(WriteLevel::Os)?;
        let active = self.lock_quiet();
        let (active_number, written) = (active.log.number(), active.log.written());
        drop(active);
        for &number in &state.logs {
            let end = (number == active_number).then_some(written);
            report.entries += self.verify_log(number, end)?;
            report.bytes += self.directory.file_bytes(FileName::Log(number))?;
            report.files += 1;
        }
        Ok(report)
    }

    /// Reads a log up to `end`, or else to its seal.
    fn verify_log(&self, number: u64, end: Option<u64>) -> Result<u64> {
        let mut reader = LogReader::open_to(&self.directory, number, end.unwrap_or(u64::MAX))?;
        let name = reader.name();
        let mut writes = 0;
        loop {
            match reader.next()? {
                Record::Batch { count, .. } => writes += u64::from(count),
                Record::Sealed { .. } => return Ok(writes),
                Record::End(bad) if end.is_some_and(|end| bad.offset >= end) => return Ok(writes),
                Record::End(bad) => return Err(bad.error(name)),
            }
        }
    }
}
