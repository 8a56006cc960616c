//! Checkpoints: a second directory with the database as it is now, made while it is in use.
//!
//! Tables never change, so they get a second name; where the file system cannot do that, they are copied. Logs are copied up to
//! what is written. The manifest comes last: a directory without one is no database, so a checkpoint that was cut off is
//! none. Writes go on meanwhile, flushes and the ends of merges wait.
#![forbid(unsafe_code)]

use super::directory::Directory;
use super::error::{Error, Result};
use super::file_name::FileName;
use super::options::WriteLevel;
use super::shared::Shared;
use crate::error::Kind;
use crate::platform::{Create, Durability, Files, OpenOptions};

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 << 10;

impl<P: Files> Shared<P> {
    /// Makes the database of this moment in `path`, which must not be there yet.
    pub(super) fn checkpoint(&self, path: &[u8]) -> Result<()> {
        let state = self.maintenance.lock();
        self.commit.lock().check()?;
        let target = Directory::new(self.directory.platform.clone(), path);
        target.create_new()?;
        let made = self.fill(&state, &target);
        if made.is_err() {
            target.remove_all();
        }
        made
    }

    fn fill(
        &self,
        state: &super::maintenance::MaintenanceState,
        target: &Directory<P>,
    ) -> Result<()> {
        self.sync(WriteLevel::Os)?;
        let commit = self.lock_quiet();
        let (active, written) = (commit.log.number(), commit.log.written());
        drop(commit);
        for table in state.manifest.tables() {
            let name = FileName::Table(table.number);
            match self.directory.link(name, target) {
                Err(Error::Io { error, .. })
                    if matches!(error.kind(), Kind::Unsupported | Kind::CrossDevice) =>
                {
                    self.copy(name, table.bytes, target)?;
                }
                other => other?,
            }
        }
        for &number in &state.logs {
            let name = FileName::Log(number);
            let bytes = if number == active {
                written
            } else {
                self.directory.file_bytes(name)?
            };
            self.copy(name, bytes, target)?;
        }
        state.manifest.store(target).map_err(|stored| stored.error)
    }

    /// Copies the first bytes of a file, durably.
    fn copy(&self, name: FileName, bytes: u64, target: &Directory<P>) -> Result<()> {
        let from = self.directory.open_existing(name)?;
        let to = target.open(name, &OpenOptions::read_write().with_create(Create::New))?;
        let mut buffer = alloc::vec![0; COPY_BYTES];
        let mut done = 0;
        while done < bytes {
            let count =
                usize::try_from(bytes - done).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            let part = &mut buffer[..count];
            self.directory.read(name, &from, part, done)?;
            target.write(name, &to, part, done)?;
            done += count as u64;
        }
        target.sync(name, &to, Durability::Full)
    }
}
