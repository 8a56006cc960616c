//! Checkpoints and backups: a second directory with the database as it is now, made while it is in use; and the way back.
//!
//! Tables and values files never change, so in a checkpoint they get a second name; where the file system cannot do that, they are copied. A backup
//! shares nothing with the database that a bad sector could take from both: its tables are copied, checked block by block
//! first, and only those that an earlier backup has are second names of that one's. Logs are copied up to what is written. The
//! manifest comes last: a directory without one is no database, so a copy that was cut off is none. Writes go on meanwhile; flushes
//! and the ends of merges wait while the logs are copied, and then no more: whoever holds the tables keeps their files from being
//! removed.
#![forbid(unsafe_code)]

use super::cache::BlockCache;
use super::commit::Refusal;
use super::directory::Directory;
use super::error::{Error, Result};
use super::file_name::FileName;
use super::options::WriteLevel;
use super::recover::check_logs;
use super::shared::Shared;
use super::table::{Table, TableInfo};
use super::values::ValueFile;
use super::version::{Manifest, View};
use crate::error::Kind;
use crate::platform::{Create, Durability, Files, OpenOptions};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// An earlier backup, whose tables a new one may share.
struct Base<P: Files> {
    directory: Directory<P>,
    manifest: Manifest,
    values: BTreeMap<u64, u64>,
}

impl<P: Files> Base<P> {
    /// Whether it has a values file, whole as far as its length tells.
    fn holds_values(&self, file: &ValueFile<P>) -> bool {
        let name = FileName::Values(file.number());
        self.values.get(&file.number()) == Some(&file.bytes())
            && self.directory.file_bytes(name) == Ok(file.bytes())
    }

    /// Whether it has a table, whole as far as its length tells.
    fn holds(&self, info: &TableInfo) -> bool {
        let name = FileName::Table(info.number);
        self.manifest.tables().any(|held| held == info)
            && self.directory.file_bytes(name) == Ok(info.bytes)
    }
}

/// What the database is at one moment.
struct Moment<P: Files> {
    manifest: Manifest,
    /// Copies of the logs that go with it.
    logs: Vec<(FileName, P::File)>,
    /// Holds the manifest's tables, and so their files.
    view: Arc<View<P>>,
}

/// What becomes of the tables.
enum Tables<P: Files> {
    Linked,
    Copied(Option<Base<P>>),
}

/// How often a base is read while the database changes, before changes have to wait for it.
const LOADS_MAX: usize = 4;

/// Whether `base` is of a backup, and not of the database itself, which has had these manifests.
fn check_base(base: &Manifest, own: [&Manifest; 2]) -> Result<()> {
    if own.contains(&base) {
        return Err(Error::Invalid(
            "the base is the database itself; name an earlier backup, or none",
        ));
    }
    if own.iter().any(|own| base.id != own.id) {
        return Err(Error::Invalid(
            "the base is a backup of another database; name one of this, or none",
        ));
    }
    Ok(())
}

impl<P: Files> Shared<P> {
    /// Makes the database of this moment in `path`, which must not be there yet.
    pub(super) fn checkpoint(&self, path: &[u8]) -> Result<()> {
        self.copy_to(path, &Tables::Linked)
    }

    /// Makes a backup in `path`, which must not be there yet. It shares what it can with the backup in `base`.
    pub(super) fn backup(&self, path: &[u8], base: Option<&[u8]>) -> Result<()> {
        let Some(base) = base else {
            return self.copy_to(path, &Tables::Copied(None));
        };
        let directory = Directory::new(self.directory.platform.clone(), base);
        let manifest = self.load_base(&directory)?;
        let base = Base {
            directory,
            values: manifest.value_files(),
            manifest,
        };
        self.copy_to(path, &Tables::Copied(Some(base)))
    }

    /// The manifest of a backup of this database. It is loaded without the lock that flushes need: its disk may be slow.
    fn load_base(&self, directory: &Directory<P>) -> Result<Manifest> {
        let load = || Manifest::load(directory)?.ok_or(Error::NotADatabase);
        for _ in 0..LOADS_MAX {
            let before = self.maintenance.lock().manifest.clone();
            let manifest = load()?;
            let state = self.maintenance.lock();
            // No copy has the same one (`Manifest::of_copy`). Were it the database's own, by whatever name, it would be one of these, if
            // there was no other in between.
            check_base(&manifest, [&before, &state.manifest])?;
            if before == state.manifest {
                return Ok(manifest);
            }
        }
        let state = self.maintenance.lock();
        let manifest = load()?;
        check_base(&manifest, [&state.manifest; 2])?;
        Ok(manifest)
    }

    fn copy_to(&self, path: &[u8], tables: &Tables<P>) -> Result<()> {
        self.commit.lock().check()?;
        let target = Directory::new(self.directory.platform.clone(), path);
        target.create_new()?;
        let made = self.fill(&target, tables);
        if made.is_err() {
            target.remove_all();
        }
        made
    }

    fn fill(&self, target: &Directory<P>, tables: &Tables<P>) -> Result<()> {
        let moment = self.copy_logs(target)?;
        for (name, file) in &moment.logs {
            target.sync(*name, file, Durability::Full)?;
        }
        let source = &self.directory;
        for table in moment.view.tables() {
            let (info, name) = (table.info(), FileName::Table(table.info().number));
            let linked = match tables {
                Tables::Linked => link(source, name, target)?,
                Tables::Copied(Some(base)) => {
                    base.holds(info) && link(&base.directory, name, target)?
                }
                Tables::Copied(None) => false,
            };
            if !linked {
                if matches!(tables, Tables::Copied(_)) {
                    table.verify()?;
                }
                copy_durably(source, name, info.bytes, target)?;
            }
        }
        let files = moment.view.tables().flat_map(|table| table.value_files());
        let files: BTreeMap<_, _> = files.map(|file| (file.number(), file)).collect();
        for (number, file) in files {
            let name = FileName::Values(number);
            let linked = match tables {
                Tables::Linked => link(source, name, target)?,
                Tables::Copied(Some(base)) => {
                    base.holds_values(file) && link(&base.directory, name, target)?
                }
                Tables::Copied(None) => false,
            };
            if !linked {
                if matches!(tables, Tables::Copied(_)) {
                    file.verify()?;
                }
                copy_durably(source, name, file.bytes(), target)?;
            }
        }
        let manifest = moment.manifest.of_copy(&source.platform);
        manifest.store(target).map_err(|stored| stored.error)
    }

    /// Copies the logs as far as they are written, and says what belongs to them.
    fn copy_logs(&self, target: &Directory<P>) -> Result<Moment<P>> {
        let state = self.maintenance.lock();
        let (view, _) = self.snapshot()?;
        self.sync(WriteLevel::Os)?;
        let commit = self.lock_quiet();
        let (active, written) = (commit.log.number(), commit.log.written());
        drop(commit);
        let mut logs = Vec::new();
        for &number in &state.logs {
            let name = FileName::Log(number);
            let bytes = if number == active {
                written
            } else {
                self.directory.file_bytes(name)?
            };
            logs.push((name, copy(&self.directory, name, bytes, target)?));
        }
        // A sync that failed meanwhile may have taken from a log what was written to it.
        if self.lock_quiet().refusal == Some(Refusal::Poisoned) {
            return Err(Error::Poisoned);
        }
        Ok(Moment {
            manifest: state.manifest.clone(),
            logs,
            view,
        })
    }
}

/// Makes the database that the backup or checkpoint in `from` holds in `to`, which must be new or empty. Every table, its values
/// and the logs are checked on the way. Nobody may have the backup open for writing.
///
/// # Errors
/// [`Error::NotADatabase`]; [`Error::Corrupt`] for a damaged backup; [`Error::Invalid`] for a directory that is not empty; [`Error::Io`].
/// There is nothing in `to` then.
pub fn restore<P: Files>(platform: P, from: &[u8], to: &[u8]) -> Result<()> {
    let source = Directory::new(platform.clone(), from);
    let manifest = Manifest::load(&source)?.ok_or(Error::NotADatabase)?;
    let target = Directory::new(platform, to);
    target.create_new()?;
    let made = restore_files(&source, &manifest, &target);
    if made.is_err() {
        target.remove_all();
    }
    made
}

fn restore_files<P: Files>(
    source: &Directory<P>,
    manifest: &Manifest,
    target: &Directory<P>,
) -> Result<()> {
    let cache = Arc::new(BlockCache::new(0, &source.platform));
    let mut checked = BTreeSet::new();
    for info in manifest.tables() {
        let table = Table::open(source, info, &cache)?;
        table.verify()?;
        copy_durably(source, FileName::Table(info.number), info.bytes, target)?;
        for file in table.value_files() {
            if checked.insert(file.number()) {
                file.verify()?;
                let name = FileName::Values(file.number());
                copy_durably(source, name, file.bytes(), target)?;
            }
        }
    }
    let names = source.list()?;
    check_logs(source, manifest, &names)?;
    for name in names {
        if let FileName::Log(number) = name
            && number >= manifest.log_number
        {
            copy_durably(source, name, source.file_bytes(name)?, target)?;
        }
    }
    let manifest = manifest.clone().of_copy(&source.platform);
    manifest.store(target).map_err(|stored| stored.error)
}

/// Gives a file a second name. False where that cannot be.
fn link<P: Files>(source: &Directory<P>, name: FileName, target: &Directory<P>) -> Result<bool> {
    match source.link(name, target) {
        Ok(()) => Ok(true),
        Err(Error::Io { error, .. })
            if matches!(error.kind(), Kind::Unsupported | Kind::CrossDevice) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Copies the first bytes of a file; the copy is not durable yet.
fn copy<P: Files>(
    source: &Directory<P>,
    name: FileName,
    bytes: u64,
    target: &Directory<P>,
) -> Result<P::File> {
    let from = source.open_existing(name)?;
    let to = target.open(name, &OpenOptions::read_write().with_create(Create::New))?;
    let mut buffer = alloc::vec![0; COPY_BYTES];
    let mut done = 0;
    while done < bytes {
        let count = usize::try_from(bytes - done).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        let part = &mut buffer[..count];
        source.read(name, &from, part, done)?;
        target.write(name, &to, part, done)?;
        done += count as u64;
    }
    Ok(to)
}

fn copy_durably<P: Files>(
    source: &Directory<P>,
    name: FileName,
    bytes: u64,
    target: &Directory<P>,
) -> Result<()> {
    let to = copy(source, name, bytes, target)?;
    target.sync(name, &to, Durability::Full)
}
