//! Repair: makes a damaged database one that opens, with all of it that can still be read.
//!
//! - A table with damaged blocks is written anew without them; one that cannot be opened at all is left out.
//! - So is a table that refers to a damaged values file, without the values that cannot be read, and with the others in a new file.
//! - A log is cut where its damage begins, or what does not follow from the tables, and the logs after it are left out: history ends
//!   there. What the logs hold is in memory meanwhile.
//! - What is replaced, cut or left out stays in the directory under its name with `.damaged` behind it.
//!
//! What was in a lost block is gone, and of its keys an older value, or one that was removed, may be there again: no repair
//! can know. A manifest that is lost or damaged is made anew of what is in the directory: see `rebuild`.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::cache::BlockCache;
use super::directory::Directory;
use super::error::{Error, Result};
use super::file_name::FileName;
use super::options::Options;
use super::rebuild::{put_in_order, rebuild};
use super::recover::{check_logs, is_new, take_lock};
use super::table::{Origin, Salvaged, Table, TableInfo};
use super::values::Share;
use super::version::Manifest;
use super::wal::{ActiveLog, HEADER_BYTES};
use crate::error::Kind;
use crate::platform::{Durability, Files, OpenOptions};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What [`repair`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Tables that were in order.
    pub tables_whole: u64,
    /// Tables that were written anew without their damaged blocks.
    pub tables_salvaged: u64,
    /// Tables that could not be read at all.
    pub tables_lost: u64,
    /// Blocks that were lost with the salvaged tables.
    pub blocks_lost: u64,
    /// Values files that were damaged. Tables that refer to them are salvaged.
    pub values_damaged: u64,
    /// Keys of the salvaged tables that were lost with their values.
    pub values_lost: u64,
    /// Entries of the salvaged tables that were kept.
    pub entries_salvaged: u64,
    /// Logs that were cut or left out, or that are not there although writes before those that are kept are missing.
    pub logs_cut: u64,
    /// Whether the manifest was lost and made anew. Keyspaces without keys are then gone, and copies of the database are a new one's.
    pub manifest_rebuilt: bool,
    /// Keyspaces whose names were lost with the manifest, or that are another's now because they were dropped; they are called `recovered-` and
    /// their number.
    pub keyspaces_unnamed: u64,
    /// Tables of an older version, which do not say whose they are; they count as the default keyspace's.
    pub tables_unnamed: u64,
}

impl RepairReport {
    /// Whether nothing was damaged.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.tables_salvaged == 0
            && self.tables_lost == 0
            && self.logs_cut == 0
            && !self.manifest_rebuilt
    }
}

/// Repairs the database in `directory`, which nobody may have open.
///
/// # Errors
/// [`Error::Locked`]; [`Error::NotADatabase`]; [`Error::Format`] for a manifest of a newer program; [`Error::Io`]: what was done so far can
/// be done again.
pub fn repair<P: Files>(platform: P, directory: &[u8], options: &Options) -> Result<RepairReport> {
    options.check()?;
    let directory = Directory::new(platform, directory);
    let exists = directory.exists(FileName::Manifest)?;
    if !exists {
        match is_new(&directory) {
            Ok(false) => {}
            // Not even a lock is made.
            Ok(true) => return Err(Error::NotADatabase),
            Err(Error::Io { error, .. }) if error.kind() == Kind::NotFound => {
                return Err(Error::NotADatabase);
            }
            Err(error) => return Err(error),
        }
    }
    let _lock = take_lock(&directory)?;
    let mut report = RepairReport::default();
    let mut aside = Vec::new();
    let loaded = match Manifest::load(&directory) {
        Err(error) if error.is_lost() => None,
        loaded => loaded?,
    };
    let mut manifest = match loaded {
        Some(manifest) => manifest,
        None => {
            report.manifest_rebuilt = true;
            rebuild(&directory, &mut report, &mut aside)?
        }
    };
    for name in directory.list()? {
        if let FileName::Table(number) | FileName::Log(number) | FileName::Values(number) = name {
            manifest.next_number = manifest.next_number.max(number.saturating_add(1));
        }
    }
    let old_values = manifest.value_files();
    let damaged = damaged_values(&directory, &manifest)?;
    report.values_damaged = damaged.len() as u64;
    let mut next_number = manifest.next_number;
    for keyspace in &mut manifest.keyspaces {
        let origin = Origin {
            keyspace: keyspace.id,
            name: keyspace.name.as_str().into(),
            log_from: manifest.log_number,
            sequence_from: manifest.sequence,
            flushed: 0,
            made_of: Vec::new(),
        };
        for (level, tables) in keyspace.levels.iter_mut().enumerate() {
            let mut kept = Vec::new();
            for info in tables.drain(..) {
                let number = info.number;
                let compressed = level >= options.compressed_from;
                let salvage = Salvage {
                    directory: &directory,
                    options,
                    compressed,
                    fresh: next_number,
                    damaged: &damaged,
                };
                match salvage.repair_table(info, origin.clone(), &mut report)? {
                    Some(info) if info.number == number => kept.push(info),
                    other => {
                        aside.push(FileName::Table(number));
                        next_number = next_number.saturating_add(1);
                        kept.extend(other);
                    }
                }
            }
            *tables = kept;
        }
    }
    manifest.next_number = next_number;
    let values = manifest.value_files();
    let gone = old_values.keys().filter(|file| !values.contains_key(file));
    aside.extend(gone.map(|&file| FileName::Values(file)));
    let mut merged = Vec::new();
    if report.manifest_rebuilt {
        put_in_order(&directory, options, &mut manifest, &mut merged)?;
    }
    cut_logs(&directory, &manifest, &mut report)?;
    if !report.is_whole() {
        if report.manifest_rebuilt && exists {
            directory.set_aside(FileName::Manifest);
        }
        directory.sync_names()?;
        manifest.store(&directory).map_err(|stored| stored.error)?;
        aside.iter().for_each(|name| directory.set_aside(*name));
        merged.iter().for_each(|name| directory.remove(*name));
        directory.sync_names()?;
    }
    Ok(report)
}

/// The values files in which something is damaged.
fn damaged_values<P: Files>(
    directory: &Directory<P>,
    manifest: &Manifest,
) -> Result<BTreeSet<u64>> {
    let mut damaged = BTreeSet::new();
    let mut whole = BTreeSet::new();
    for share in manifest.tables().flat_map(|table| &table.values) {
        if damaged.contains(&share.file) || whole.contains(&share.file) {
            continue;
        }
        let checked = directory.values().open(directory, share, false);
        match checked.and_then(|file| file.verify()) {
            Ok(_) => whole.insert(share.file),
            Err(error) if error.is_lost() || matches!(error, Error::Format { .. }) => {
                damaged.insert(share.file)
            }
            Err(error) => return Err(error),
        };
    }
    Ok(damaged)
}

/// How tables are repaired.
struct Salvage<'a, P: Files> {
    directory: &'a Directory<P>,
    options: &'a Options,
    compressed: bool,
    /// What a new table is called.
    fresh: u64,
    /// Values files.
    damaged: &'a BTreeSet<u64>,
}

impl<P: Files> Salvage<'_, P> {
    /// The table, or what is left of it under the new number, or nothing.
    fn repair_table(
        &self,
        info: TableInfo,
        mut origin: Origin,
        report: &mut RepairReport,
    ) -> Result<Option<TableInfo>> {
        origin.made_of.push(info.number);
        let directory = self.directory;
        let cache = Arc::new(BlockCache::new(0, &directory.platform));
        let table = match Table::open_with(directory, &info, &cache, true) {
            Ok(table) => table,
            Err(error) if error.is_lost() || matches!(error, Error::Format { .. }) => {
                report.tables_lost = report.tables_lost.saturating_add(1);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let is_damaged = |share: &Share| self.damaged.contains(&share.file);
        let values_damaged = info.values.iter().any(is_damaged);
        match table.verify() {
            Ok(_) if !values_damaged => {
                report.tables_whole = report.tables_whole.saturating_add(1);
                return Ok(Some(info));
            }
            Ok(_) => {}
            Err(error) if error.is_lost() => {}
            Err(error) => return Err(error),
        }
        let Salvaged {
            info,
            blocks_lost,
            values_lost,
        } = table.salvage(
            self.fresh,
            self.options,
            self.compressed,
            self.damaged,
            origin,
        )?;
        report.values_lost = report.values_lost.saturating_add(values_lost);
        report.tables_salvaged = report.tables_salvaged.saturating_add(1);
        report.blocks_lost = report.blocks_lost.saturating_add(blocks_lost);
        if let Some(info) = &info {
            report.entries_salvaged = report.entries_salvaged.saturating_add(info.entries);
        }
        Ok(info)
    }
}

/// Ends history before the first damage in the logs.
fn cut_logs<P: Files>(
    directory: &Directory<P>,
    manifest: &Manifest,
    report: &mut RepairReport,
) -> Result<()> {
    let (name, offset) = match check_logs(directory, manifest, &directory.list()?) {
        Ok(()) => return Ok(()),
        Err(Error::Corrupt(corruption)) => (corruption.file, corruption.offset),
        Err(Error::Format { file, .. }) => (file, 0),
        Err(error) => return Err(error),
    };
    let FileName::Log(number) = name else {
        return Ok(());
    };
    report.logs_cut = report.logs_cut.saturating_add(1);
    let exists = directory.exists(name)?;
    if !exists || offset < HEADER_BYTES as u64 {
        // Without a header nothing of it counts: an empty log takes its place.
        if exists {
            directory.set_aside(name);
        }
        ActiveLog::create(directory, number, None)?;
    } else if offset < directory.file_bytes(name)? {
        directory.copy_aside(name)?;
        directory.sync_names()?;
        let file = directory.open(name, &OpenOptions::read_write())?;
        directory.cut(name, &file, offset)?;
        directory.sync(name, &file, Durability::Full)?;
    }
    for name in directory.list()? {
        if let FileName::Log(other) = name
            && other > number
        {
            report.logs_cut = report.logs_cut.saturating_add(1);
            directory.set_aside(name);
        }
    }
    Ok(())
}
