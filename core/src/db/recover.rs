//! Opening a database: lock it, read the manifest, replay the logs, and start on fresh ground.
//!
//! 1. Make the directory if need be and take the lock.
//! 2. Read the manifest and open its tables. Without a manifest there must be nothing that one could have mentioned.
//! 3. Replay logs from the manifest's on, each sealed one leading to the next, to the end of the last. Sequence numbers
//!    must go on without a gap from the manifest's.
//! 4. Write what was replayed to tables. It may be in the system's memory only, or in a log whose sync had failed; afterwards it is
//!    as durable as anything, and no old log is ever appended to.
//! 5. Make a new log and a manifest that starts at it; only then remove files that no manifest needs.
//!
//! A power loss at any point leaves the old manifest with its files, or the new one with its own.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::batch::BatchIter;
use super::cache::BlockCache;
use super::commit::{self, Commit};
use super::compact::{Build, build};
use super::directory::Directory;
use super::error::{Error, Result};
use super::file_name::FileName;
use super::iter::Source;
use super::keeper::Keepers;
use super::keyspace::KeyspaceId;
use super::maintenance::{MaintenanceCounts, MaintenanceState};
use super::memtable::{Memtable, MemtableCursor};
use super::options::Options;
use super::pins::Pins;
use super::shared::{Reads, Shared};
use super::table::Origin;
use super::version::{Manifest, Tree, Version, View};
use super::wal::{ActiveLog, HEADER_BYTES, LogReader, Record};
use super::watch::Watch;
use crate::error::Kind;
use crate::platform::{Access, Condvar, Create, Files, LockKind, Mutex, OpenOptions};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicUsize};

/// Opens or creates the database in `path`.
pub(super) fn open<P: Files>(platform: P, path: &[u8], options: Options) -> Result<Shared<P>> {
    options.check()?;
    let directory = Directory::new(platform, path);
    if options.read_only {
        return open_to_read(directory, options);
    }
    if options.create {
        directory.create()?;
    } else if !directory.exists(FileName::Manifest)? {
        return Err(Error::NotADatabase);
    }
    let lock_file = take_lock(&directory)?;
    let names = directory.list()?;
    let manifest = match Manifest::load(&directory)? {
        Some(manifest) => manifest,
        None => new_manifest(&directory)?,
    };
    remove_earlier_attempts(&directory, &names, &manifest)?;
    let cache = Arc::new(BlockCache::new(options.cache_bytes, &directory.platform));
    let mut recovery = Recovery::new(&directory, &options, manifest, &names);
    // Opened before anything is written: a damaged table stops the open with nothing changed.
    for keyspace in &recovery.manifest.keyspaces {
        Version::open(&directory, &keyspace.levels, &cache)?;
    }
    recovery.replay(&names)?;
    recovery.flush()?;
    let (log, manifest) = recovery.finish()?;
    let trees = open_trees(&directory, &manifest, empty_memtables(&manifest), &cache)?;
    remove_leftovers(&directory, &names, &manifest);
    let shared = assemble(directory, options, cache, lock_file, log, manifest, trees);
    // Opening again and again must not pile up tables. That there is no room to merge them, or that one is damaged, is no reason to
    // fail: what can be read is to be read.
    match shared.merge_if_needed() {
        Err(error) if shared.commit.lock().check().is_err() => return Err(error),
        Err(error) => shared.maintenance_failed(&error),
        Ok(()) => {}
    }
    Ok(shared)
}

/// Tries to open for reading this often: the process that has the database open changes files meanwhile.
const READ_ATTEMPTS: u32 = 10;

/// Opens without writing anything. A file that is gone, or bytes that make no sense, may be another process's doing: it is tried
/// again from the newest manifest on.
fn open_to_read<P: Files>(directory: Directory<P>, options: Options) -> Result<Shared<P>> {
    let mut attempts = 0u32;
    loop {
        attempts = attempts.saturating_add(1);
        match try_open_to_read(&directory, &options) {
            Ok(Some(shared)) => return Ok(shared),
            Ok(None) if attempts < READ_ATTEMPTS * 10 => {}
            Ok(None) => {
                return Err(Error::Invalid(
                    "another process flushes the database faster than its logs can be read; try again when it writes less",
                ));
            }
            Err(Error::Corrupt(_)) if attempts < READ_ATTEMPTS => {}
            Err(Error::Io { error, .. })
                if error.kind() == Kind::NotFound && attempts < READ_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// `None` if another process changes what was read.
fn try_open_to_read<P: Files>(
    directory: &Directory<P>,
    options: &Options,
) -> Result<Option<Shared<P>>> {
    let Some(manifest) = Manifest::load(directory)? else {
        return Err(Error::NotADatabase);
    };
    let names = directory.list()?;
    let cache = Arc::new(BlockCache::new(options.cache_bytes, &directory.platform));
    let log_number = manifest.log_number;
    let mut recovery = Recovery::new(directory, options, manifest, &names);
    recovery.replay(&names)?;
    // A log that is needed no more may have become the next one's file while it was read, and then it seems to end too early.
    if Manifest::load(directory)?.is_none_or(|newest| newest.log_number != log_number) {
        return Ok(None);
    }
    let Recovery {
        manifest,
        memtables,
        ..
    } = recovery;
    let trees = open_trees(directory, &manifest, memtables, &cache)?;
    let handle = || directory.open_existing(FileName::Manifest);
    let log = ActiveLog::unwritable(manifest.log_number, handle()?);
    let (directory, options) = (directory.clone(), options.clone());
    let lock_file = handle()?;
    let shared = assemble(directory, options, cache, lock_file, log, manifest, trees);
    shared.commit.lock().refusal = Some(commit::Refusal::ReadOnly);
    Ok(Some(shared))
}

fn open_trees<P: Files>(
    directory: &Directory<P>,
    manifest: &Manifest,
    memtables: Vec<(KeyspaceId, Arc<Memtable>)>,
    cache: &Arc<BlockCache<P>>,
) -> Result<Vec<Arc<Tree<P>>>> {
    let mut trees = Vec::new();
    for (keyspace, (_, active)) in manifest.keyspaces.iter().zip(memtables) {
        let version = Version::open(directory, &keyspace.levels, cache)?;
        trees.push(Arc::new(Tree {
            active,
            ..Tree::new(keyspace.id, &keyspace.name, version)
        }));
    }
    Ok(trees)
}

fn assemble<P: Files>(
    directory: Directory<P>,
    options: Options,
    cache: Arc<BlockCache<P>>,
    lock_file: P::File,
    log: ActiveLog<P>,
    manifest: Manifest,
    trees: Vec<Arc<Tree<P>>>,
) -> Shared<P> {
    let sequence = manifest.sequence;
    let platform = directory.platform.clone();
    let active = trees.iter().map(|tree| (tree.id, tree.active.clone()));
    let commit = Commit::new(log, active.collect(), sequence, platform.clone());
    let view = Arc::new(View { trees });
    let (pins, keeper) = Pins::new(view.clone());
    let state = MaintenanceState::new(manifest);
    Shared {
        directory,
        options,
        cache,
        lock_file,
        visible: commit.visible.clone(),
        commit: Mutex::new(commit, platform.clone()),
        committed: Condvar::new(platform.clone()),
        reads: Mutex::new(
            Reads {
                view,
                pins: keeper,
                closed: false,
                retry: None,
                counts: MaintenanceCounts::default(),
            },
            platform.clone(),
        ),
        pins,
        maintenance: Mutex::new(state, platform.clone()),
        locks: Mutex::new(BTreeSet::new(), platform.clone()),
        unlocked: Condvar::new(platform.clone()),
        merging: Mutex::new((), platform),
        closing: AtomicBool::new(false),
        write_rate: AtomicUsize::new(0),
        keepers: Keepers::default(),
        watch: Watch::default(),
    }
}

pub(super) fn take_lock<P: Files>(directory: &Directory<P>) -> Result<P::File> {
    let open = OpenOptions {
        access: Access::ReadWrite,
        ..OpenOptions::read()
    };
    let file = directory.open(FileName::Lock, &open.with_create(Create::IfMissing))?;
    match directory.platform.lock(&file, LockKind::Exclusive) {
        Ok(()) => Ok(file),
        // Without locks there are no other processes to lock out, as on a board.
        Err(error) if error.kind() == Kind::Unsupported => Ok(file),
        Err(error) if error.kind() == Kind::Busy => Err(Error::Locked),
        Err(error) => Err(Error::io(FileName::Lock, error)),
    }
}

/// Whether a directory without a manifest is of a database that does not exist yet. A creation that was cut off leaves at most a log without
/// records.
pub(super) fn is_new<P: Files>(directory: &Directory<P>) -> Result<bool> {
    for name in directory.list()? {
        let bytes = match name {
            FileName::Table(_) | FileName::Values(_) => 1,
            FileName::Log(_) => directory
                .file_bytes(name)?
                .saturating_sub(HEADER_BYTES as u64),
            _ => 0,
        };
        if bytes > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn new_manifest<P: Files>(directory: &Directory<P>) -> Result<Manifest> {
    if !is_new(directory)? {
        let name = FileName::Manifest;
        return Err(Error::corrupt(
            name,
            0,
            "the file is missing, beside tables or logs: a repair makes it anew",
            1,
            0,
        ));
    }
    Ok(Manifest::new(Manifest::new_id(&directory.platform)))
}

/// Removes tables, and their values, that an open made which then failed: there may be no space for this one's unless they go.
fn remove_earlier_attempts<P: Files>(
    directory: &Directory<P>,
    names: &[FileName],
    manifest: &Manifest,
) -> Result<()> {
    let values = manifest.value_files();
    let is_leftover = |name: &&FileName| match **name {
        FileName::Table(number) => manifest.tables().all(|table| table.number != number),
        FileName::Values(number) => !values.contains_key(&number),
        _ => false,
    };
    let mut leftovers = names.iter().filter(is_leftover).peekable();
    let found = leftovers.peek().is_some();
    if found {
        // The manifest that was read must be the one that a loss of power leaves.
        directory.sync_names()?;
    }
    for name in leftovers.by_ref() {
        directory.remove(*name);
    }
    if found {
        // Nor may they come back beside those that are made now of the same logs: without the manifest, both would count.
        directory.sync_names()?;
    }
    Ok(())
}

fn remove_leftovers<P: Files>(directory: &Directory<P>, names: &[FileName], manifest: &Manifest) {
    let values = manifest.value_files();
    for &name in names {
        let needed = match name {
            FileName::Table(number) => manifest.tables().any(|table| table.number == number),
            FileName::Log(number) => number >= manifest.log_number,
            FileName::Values(number) => values.contains_key(&number),
            FileName::ManifestTemporary => false,
            _ => true,
        };
        if !needed {
            directory.remove(name);
        }
    }
}

/// Replays the logs into memory alone, so that they are checked as an open does it.
pub(super) fn check_logs<P: Files>(
    directory: &Directory<P>,
    manifest: &Manifest,
    names: &[FileName],
) -> Result<()> {
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    Recovery::new(directory, &options, manifest.clone(), names).replay(names)
}

struct Recovery<'a, P: Files> {
    directory: &'a Directory<P>,
    options: &'a Options,
    manifest: Manifest,
    /// By keyspace, what was replayed and is in no table.
    memtables: Vec<(KeyspaceId, Arc<Memtable>)>,
    /// The logs so far.
    replayed: Vec<u64>,
    /// The last write in the tables of the manifest as it was loaded.
    sequence_from: u64,
}

impl<'a, P: Files> Recovery<'a, P> {
    fn new(
        directory: &'a Directory<P>,
        options: &'a Options,
        mut manifest: Manifest,
        names: &[FileName],
    ) -> Self {
        for name in names {
            if let FileName::Table(number) | FileName::Log(number) | FileName::Values(number) = name
            {
                manifest.next_number = manifest.next_number.max(number.saturating_add(1));
            }
        }
        Self {
            memtables: empty_memtables(&manifest),
            replayed: Vec::new(),
            sequence_from: manifest.sequence,
            directory,
            options,
            manifest,
        }
    }

    /// Replays the chain of logs.
    fn replay(&mut self, names: &[FileName]) -> Result<()> {
        if self.manifest.log_number == 0 {
            return Ok(());
        }
        let mut number = self.manifest.log_number;
        loop {
            let mut reader = LogReader::open(self.directory, number)?;
            self.replayed.push(number);
            let name = reader.name();
            let next = loop {
                match reader.next()? {
                    Record::Batch {
                        offset,
                        sequence,
                        count,
                        writes,
                    } => {
                        self.apply(name, offset, sequence, count, writes)?;
                    }
                    Record::Sealed { next } if next > number => break next,
                    Record::Sealed { next } => {
                        let offset = reader.offset();
                        let what = "next log of a seal";
                        return Err(Error::corrupt(name, offset, what, number, next));
                    }
                    Record::End(bad) => {
                        // A log with records after this one proves that this one was sealed.
                        for later in names {
                            if let FileName::Log(later) = *later
                                && later > number
                                && LogReader::has_records(self.directory, later)?
                            {
                                return Err(bad.error(name));
                            }
                        }
                        return Ok(());
                    }
                }
            };
            number = next;
        }
    }

    /// Applies a batch from a log.
    fn apply(
        &mut self,
        name: FileName,
        offset: u64,
        sequence: u64,
        count: u32,
        writes: &[u8],
    ) -> Result<()> {
        let expected = self.manifest.sequence.saturating_add(1);
        if sequence != expected {
            return Err(Error::corrupt(
                name,
                offset,
                "sequence number",
                expected,
                sequence,
            ));
        }
        let mut iter = BatchIter::new(writes);
        let mut found = 0u32;
        let mut next = sequence;
        for write in iter.by_ref() {
            if write.keyspace.0 >= self.manifest.next_keyspace {
                return Err(Error::corrupt(
                    name,
                    offset,
                    "number of a keyspace",
                    self.manifest.next_keyspace.into(),
                    write.keyspace.0.into(),
                ));
            }
            // One that was dropped is not there, and its writes are left out.
            commit::apply(&self.memtables, &write, next);
            next = next.saturating_add(1);
            found = found.saturating_add(1);
        }
        if found != count || !iter.is_whole() {
            let (expected, found) = (count.into(), found.into());
            return Err(Error::corrupt(
                name,
                offset,
                "writes of a batch",
                expected,
                found,
            ));
        }
        self.manifest.sequence = next.saturating_sub(1);
        let weight =
            |weight: usize, (_, table): &(_, Arc<Memtable>)| weight.saturating_add(table.weight());
        if self.memtables.iter().fold(0, weight) >= self.options.memtable_bytes
            && !self.options.read_only
        {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was replayed so far to tables.
    fn flush(&mut self) -> Result<()> {
        let fresh = empty_memtables(&self.manifest);
        let (log_from, flushed) = (self.manifest.log_number, self.manifest.sequence);
        for (keyspace, memtable) in core::mem::replace(&mut self.memtables, fresh) {
            if memtable.is_empty() {
                continue;
            }
            let Some(info) = self.manifest.keyspace(keyspace) else {
                continue;
            };
            let bottom = info.levels.iter().all(Vec::is_empty);
            let origin = Origin {
                keyspace,
                name: info.name.as_str().into(),
                log_from,
                sequence_from: self.sequence_from,
                flushed,
                made_of: self.replayed.clone(),
            };
            let cursor = MemtableCursor::new(memtable, u64::MAX, self.options.merge_operator);
            let parts = Build {
                directory: self.directory,
                options: self.options,
                sources: Vec::from([Source::Memtable(cursor)]),
                level: 0,
                bottom,
                by_sequence: false,
                table_bytes: u64::MAX,
                filtered: false,
                rewritten: BTreeSet::new(),
                origin,
            };
            let built = build(parts, || self.number(), |_| ControlFlow::Continue(()))?;
            if let Some(info) = self.manifest.keyspace(keyspace) {
                let [level0, ..] = &mut info.levels;
                level0.splice(..0, built.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn number(&mut self) -> u64 {
        let number = self.manifest.next_number;
        self.manifest.next_number = number.saturating_add(1);
        number
    }

    /// Makes the new log and stores the manifest.
    fn finish(mut self) -> Result<(ActiveLog<P>, Manifest)> {
        let number = self.number();
        let log = ActiveLog::create(self.directory, number, None)?;
        self.manifest.log_number = number;
        self.manifest
            .store(self.directory)
            .map_err(|stored| stored.error)?;
        Ok((log, self.manifest))
    }
}

fn empty_memtables(manifest: &Manifest) -> Vec<(KeyspaceId, Arc<Memtable>)> {
    let keyspaces = manifest.keyspaces.iter();
    keyspaces
        .map(|keyspace| (keyspace.id, Arc::new(Memtable::new(0))))
        .collect()
}
