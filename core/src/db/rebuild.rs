//! Makes a manifest of what is in the directory, for a repair of a database whose own is lost.
//!
//! # Which files count
//! A table says which keyspace it belongs to and which logs or tables it was made of. They go when a manifest names the table. So while all of them
//! are there and whole, the table may be one that no manifest ever named, and they say as much: it does not count. Once one is gone, the
//! table counts, and what it was made of does not. Logs count whose writes no table that counts has.
//!
//! # In which order
//! Which level a table was in, nothing says. If those of a keyspace are of times apart, as what was flushed and never merged is, they come to level 0
//! by their times. Else those that overlap are merged, and of each key's entries the one with the greatest number is the newest.
//!
//! # What nobody can know
//! A keyspace whose writes are in logs alone has lost its name. Tables from before version 4 do not say whose they are. Files that a crash left behind
//! and no open has removed may bring back keys, or a keyspace, that were removed.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::batch::BatchIter;
use super::cache::BlockCache;
use super::compact::{Build, build};
use super::directory::Directory;
use super::error::Result;
use super::file_name::FileName;
use super::iter::Source;
use super::keyspace::KeyspaceId;
use super::options::Options;
use super::repair::RepairReport;
use super::table::{Origin, Table, TableCursor, TableInfo};
use super::version::{KeyspaceInfo, LEVELS, Manifest};
use super::wal::{LogReader, Record};
use crate::platform::Files;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// A log, as far as it can be read.
struct Log {
    /// The first and the last write's number; 0 without any.
    first: u64,
    last: u64,
    whole: bool,
}

/// A table that can be opened.
struct Found {
    info: TableInfo,
    origin: Option<Origin>,
    whole: bool,
}

/// A manifest with all tables that count, at level 0 in no order; files that are not to be read again are added to `aside`.
pub(super) fn rebuild<P: Files>(
    directory: &Directory<P>,
    report: &mut RepairReport,
    aside: &mut Vec<FileName>,
) -> Result<Manifest> {
    let mut tables = BTreeMap::new();
    let mut logs = BTreeMap::new();
    let mut keyspaces = BTreeMap::<KeyspaceId, String>::new();
    for name in directory.list()? {
        match name {
            FileName::Table(number) => match open(directory, number)? {
                Some(found) => {
                    tables.insert(number, found);
                }
                None => {
                    report.tables_lost = report.tables_lost.saturating_add(1);
                    aside.push(name);
                }
            },
            FileName::Log(number) => {
                let log = read_log(directory, number, &mut keyspaces)?;
                logs.insert(number, log);
            }
            _ => {}
        }
    }
    let (live, obsolete) = choose(&tables, &logs);
    let mut manifest = Manifest::new(Manifest::new_id(&directory.platform));
    keyspaces.entry(KeyspaceId::DEFAULT).or_default();
    let mut infos = BTreeMap::<KeyspaceId, Vec<TableInfo>>::new();
    // All writes up to this one are in tables.
    let mut flushed = 0;
    for (number, found) in tables {
        if live.contains(&number) {
            let id = match &found.origin {
                Some(origin) => {
                    keyspaces.insert(origin.keyspace, origin.name_text());
                    origin.keyspace
                }
                None => {
                    report.tables_unnamed = report.tables_unnamed.saturating_add(1);
                    KeyspaceId::DEFAULT
                }
            };
            let newest = found.info.sequence_max;
            manifest.sequence = manifest.sequence.max(newest);
            // One that was ingested is no flush: its number says nothing of the writes before.
            if found.origin.is_none_or(|origin| !origin.made_of.is_empty()) {
                flushed = newest.max(flushed);
            }
            infos.entry(id).or_default().push(found.info);
        }
    }
    manifest.keyspaces.clear();
    for (id, mut name) in keyspaces {
        if name.is_empty() && id != KeyspaceId::DEFAULT {
            name = alloc::format!("recovered-{}", id.0);
            report.keyspaces_unnamed = report.keyspaces_unnamed.saturating_add(1);
        }
        let mut info = KeyspaceInfo {
            id,
            name,
            ..KeyspaceInfo::default()
        };
        let [level0, ..] = &mut info.levels;
        *level0 = infos.remove(&id).unwrap_or_default();
        manifest.next_keyspace = manifest.next_keyspace.max(id.0.saturating_add(1));
        manifest.keyspaces.push(info);
    }
    // The first log with writes that no table has; one that cannot be read, and is before it, is of no use.
    let mut unread = Vec::new();
    for (number, log) in logs {
        if obsolete.contains(&number) || log.first > 0 && log.last <= flushed {
            continue;
        }
        if log.first > 0 {
            manifest.log_number = number;
            manifest.sequence = log.first.saturating_sub(1);
            break;
        }
        if !log.whole {
            unread.push(FileName::Log(number));
        }
    }
    report.logs_cut = report.logs_cut.saturating_add(unread.len() as u64);
    aside.append(&mut unread);
    Ok(manifest)
}

/// The tables that count, and the tables and logs that they were made of.
fn choose(
    tables: &BTreeMap<u64, Found>,
    logs: &BTreeMap<u64, Log>,
) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let is_whole = |number: &u64| {
        tables.get(number).is_some_and(|table| table.whole)
            || logs.get(number).is_some_and(|log| log.whole)
    };
    let mut live = BTreeSet::new();
    let mut obsolete = BTreeSet::new();
    loop {
        let before = live.len();
        for (&number, table) in tables {
            let made_of = table
                .origin
                .as_ref()
                .map_or(&[][..], |origin| &origin.made_of);
            let is_gone = |input: &u64| !is_whole(input) || obsolete.contains(input);
            if made_of.is_empty() || made_of.iter().any(is_gone) {
                live.insert(number);
                obsolete.extend(made_of);
            }
        }
        if live.len() == before {
            break;
        }
    }
    live.retain(|number| !obsolete.contains(number));
    (live, obsolete)
}

fn open<P: Files>(directory: &Directory<P>, number: u64) -> Result<Option<Found>> {
    let cache = Arc::new(BlockCache::new(0, &directory.platform));
    let opened = directory
        .file_bytes(FileName::Table(number))
        .and_then(|bytes| {
            let unknown = TableInfo {
                number,
                bytes,
                ..TableInfo::default()
            };
            Table::open_with(directory, &unknown, &cache, true)
        });
    let table = match opened {
        Ok(table) => table,
        Err(error) if error.is_lost() => return Ok(None),
        Err(error) => return Err(error),
    };
    let whole = match table.verify() {
        Ok(_) => true,
        Err(error) if error.is_lost() => false,
        Err(error) => return Err(error),
    };
    Ok(Some(Found {
        info: table.info().clone(),
        origin: table.origin().cloned(),
        whole,
    }))
}

/// Reads a log and notes the keyspaces that it has writes for.
fn read_log<P: Files>(
    directory: &Directory<P>,
    number: u64,
    keyspaces: &mut BTreeMap<KeyspaceId, String>,
) -> Result<Log> {
    let mut log = Log {
        first: 0,
        last: 0,
        whole: false,
    };
    let mut read = || -> Result<()> {
        let mut reader = LogReader::open(directory, number)?;
        while let Record::Batch {
            sequence,
            count,
            writes,
            ..
        } = reader.next()?
        {
            if log.first == 0 {
                log.first = sequence;
            }
            log.last = sequence.saturating_add(count.into()).saturating_sub(1);
            for write in BatchIter::new(writes) {
                keyspaces.entry(write.keyspace).or_default();
            }
        }
        Ok(())
    };
    match read() {
        Ok(()) => log.whole = true,
        Err(error) if error.is_lost() => {}
        Err(error) => return Err(error),
    }
    Ok(log)
}

/// Brings the tables of each keyspace into an order that reads can go by. Those that are merged for it are added to `merged`.
pub(super) fn put_in_order<P: Files>(
    directory: &Directory<P>,
    options: &Options,
    manifest: &mut Manifest,
    merged: &mut Vec<FileName>,
) -> Result<()> {
    let cache = Arc::new(BlockCache::new(0, &directory.platform));
    let mut next_number = manifest.next_number;
    for keyspace in &mut manifest.keyspaces {
        let [level0, .., last] = &mut keyspace.levels;
        let mut tables = Vec::new();
        for info in &*level0 {
            let table = Table::open(directory, info, &cache)?;
            tables.push((table.sequence_min()?, Arc::new(table)));
        }
        tables.sort_unstable_by_key(|(_, table)| core::cmp::Reverse(table.info().sequence_max));
        let mut pairs = tables.iter().zip(tables.iter().skip(1));
        if pairs.all(|((newer_min, _), (_, older))| *newer_min > older.info().sequence_max) {
            *level0 = infos(tables.iter().map(|(_, table)| table));
            continue;
        }
        let origin = Origin {
            keyspace: keyspace.id,
            name: keyspace.name.as_str().into(),
            made_of: Vec::new(),
        };
        let tables = tables.into_iter().map(|(_, table)| table).collect();
        let mut ordered = Vec::new();
        for cluster in clusters(tables) {
            if cluster.len() == 1 {
                ordered.append(&mut infos(cluster.iter()));
                continue;
            }
            let numbers = cluster.iter().map(|table| table.info().number);
            let numbers: Vec<_> = numbers.collect();
            merged.extend(numbers.iter().map(|&number| FileName::Table(number)));
            let sources = cluster.into_iter();
            let sources = sources.map(|table| Source::Table(TableCursor::new(table, false)));
            let parts = Build {
                directory,
                options,
                sources: sources.collect(),
                level: LEVELS.saturating_sub(1),
                bottom: true,
                by_sequence: true,
                table_bytes: options.table_bytes,
                filtered: false,
                rewritten: BTreeSet::new(),
                origin: Origin {
                    made_of: numbers,
                    ..origin.clone()
                },
            };
            let number = || {
                let number = next_number;
                next_number = next_number.saturating_add(1);
                number
            };
            let built = build(parts, number, |_| ControlFlow::Continue(()))?;
            ordered.append(&mut built.unwrap_or_default());
        }
        level0.clear();
        *last = ordered;
    }
    manifest.next_number = next_number;
    Ok(())
}

fn infos<'a, P: Files>(tables: impl Iterator<Item = &'a Arc<Table<P>>>) -> Vec<TableInfo> {
    tables.map(|table| table.info().clone()).collect()
}

/// Tables in groups, by key, such that those of one have no key in common with those of another; in a group as they stood.
fn clusters<P: Files>(tables: Vec<Arc<Table<P>>>) -> Vec<Vec<Arc<Table<P>>>> {
    let mut by_key: Vec<_> = tables.into_iter().enumerate().collect();
    by_key.sort_by(|(_, a), (_, b)| a.info().smallest.cmp(&b.info().smallest));
    let mut clusters = Vec::<Vec<(usize, Arc<Table<P>>)>>::new();
    for (at, table) in by_key {
        let joins = |cluster: &&mut Vec<(usize, Arc<Table<P>>)>| {
            let mut held = cluster.iter();
            held.any(|(_, held)| held.info().largest >= table.info().smallest)
        };
        match clusters.last_mut().filter(joins) {
            Some(cluster) => cluster.push((at, table)),
            None => clusters.push(Vec::from([(at, table)])),
        }
    }
    let newest_first = |mut cluster: Vec<(usize, Arc<Table<P>>)>| {
        cluster.sort_by_key(|(at, _)| *at);
        cluster.into_iter().map(|(_, table)| table).collect()
    };
    clusters.into_iter().map(newest_first).collect()
}
