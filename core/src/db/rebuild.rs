//! Makes a manifest of what is in the directory, for a repair of a database whose own is lost.
//!
//! # Which files count
//! Each table names the log that the manifest began at which was in force when the table was made: older logs are obsolete, and what was flushed of them
//! is in tables that count. That manifest is the one before the table came in, so a table also says which keyspace it belongs to and
//! which logs or tables it was made of. They go when a manifest names the table. While all of them are there and whole, the table may be one that no
//! manifest ever named, and they say as much: it does not count. Once one is gone or damaged, the table counts, and what it was made of does not. A log
//! is whole if it goes on to the last write that was flushed of it, and is sealed, or is the last and ends as one does that was never sealed.
//!
//! Logs count from the first on whose writes no table that counts has, if they lead to the last one. If a damaged one is where the writes after
//! the tables' should be, history ends in it. If none is there, which a clear may explain, those that are there count, and the report has one more
//! log that was cut.
//!
//! Files that do not count stay, with `.damaged` behind their names: of what was chosen wrongly nothing is lost. Only tables that the repair has merged
//! are deleted.
//!
//! # In which order
//! Which level a table was in, nothing says. If those of a keyspace are of times apart, as what was flushed and never merged is, they come to level 0
//! by their times. Else those that overlap are merged, and of each key's entries the one with the greatest number is the newest.
//!
//! # What nobody can know
//! - A keyspace whose writes are in logs alone has lost its name. Tables from before version 4 do not say whose they are.
//! - Files that a crash left behind, or that a snapshot held, and no open has removed may bring back keys, or a keyspace, that were removed; if
//!   merges have outlived them, operands may be there twice. Of an ingest that a crash cut off, some tables may be there.
//! - A write to a key that an ingest brought in meanwhile has the greater number: it may be what is read.
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

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Sealed(u64),
    /// As one does that was being written.
    Open,
    Damaged,
    /// It has not even a header.
    Unreadable,
}

/// A log, as far as it can be read.
struct Log {
    /// The first and the last write's number; 0 without any.
    first: u64,
    last: u64,
    end: End,
    /// Those that it has writes for.
    keyspaces: BTreeSet<KeyspaceId>,
}

/// A table that can be opened.
struct Found {
    info: TableInfo,
    origin: Option<Origin>,
    whole: bool,
}

/// What counts.
struct Choice {
    tables: BTreeSet<u64>,
    /// Older logs do not.
    log_from: u64,
    /// The last write that is in tables for certain.
    sequence: u64,
}

/// A manifest with all tables that count, at level 0 in no order; files that are not to be read again are added to `aside`.
pub(super) fn rebuild<P: Files>(
    directory: &Directory<P>,
    report: &mut RepairReport,
    aside: &mut Vec<FileName>,
) -> Result<Manifest> {
    let mut tables = BTreeMap::new();
    let mut logs = BTreeMap::new();
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
                logs.insert(number, read_log(directory, number)?);
            }
            _ => {}
        }
    }
    let choice = choose(&tables, &logs);
    let mut manifest = Manifest::new(Manifest::new_id(&directory.platform));
    manifest.sequence = choice.sequence;
    let mut keyspaces = BTreeMap::<KeyspaceId, String>::new();
    keyspaces.entry(KeyspaceId::DEFAULT).or_default();
    let mut infos = BTreeMap::<KeyspaceId, Vec<TableInfo>>::new();
    let mut left_out = Vec::new();
    // Also a table that does not count tells the name of a keyspace of which a log has writes.
    let mut names = BTreeMap::new();
    // All writes up to this one are in tables that do not name their logs.
    let mut unnamed = 0;
    for (number, found) in tables {
        if let Some(origin) = &found.origin {
            names.insert(origin.keyspace, origin.name_text());
        }
        if !choice.tables.contains(&number) {
            left_out.push(found.info);
            continue;
        }
        manifest.sequence = manifest.sequence.max(found.info.sequence_max);
        let id = match &found.origin {
            Some(origin) => {
                keyspaces.insert(origin.keyspace, origin.name_text());
                origin.keyspace
            }
            None => {
                report.tables_unnamed = report.tables_unnamed.saturating_add(1);
                unnamed = found.info.sequence_max.max(unnamed);
                KeyspaceId::DEFAULT
            }
        };
        infos.entry(id).or_default().push(found.info);
    }
    let counts = |number: u64, log: &Log| {
        number >= choice.log_from && (log.first == 0 || log.last > unnamed)
    };
    let may_count = logs.iter().filter(|(number, log)| counts(**number, log));
    let may_count: BTreeMap<_, _> = may_count.map(|(number, log)| (*number, log)).collect();
    let start = first_log(&may_count, choice.sequence.max(unnamed));
    if let Some(start) = &start {
        manifest.log_number = start.log;
        manifest.sequence = start.sequence;
        let missing = u64::from(start.after_a_gap);
        report.logs_cut = report.logs_cut.saturating_add(missing);
    }
    for (number, log) in &logs {
        if start.as_ref().is_some_and(|start| *number >= start.log) {
            let ids = log.keyspaces.iter();
            ids.for_each(|id| {
                let name = || names.get(id).cloned().unwrap_or_default();
                keyspaces.entry(*id).or_insert_with(name);
            });
        } else {
            let is_needed = log.end == End::Unreadable && may_count.contains_key(number);
            report.logs_cut = report.logs_cut.saturating_add(is_needed.into());
            aside.push(FileName::Log(*number));
        }
        let ids = log.keyspaces.last().map_or(0, |id| id.0);
        manifest.next_keyspace = manifest.next_keyspace.max(ids.saturating_add(1));
    }
    report.keyspaces_unnamed = name_all(&mut keyspaces);
    manifest.keyspaces.clear();
    for (id, name) in keyspaces {
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
    let values = manifest.value_files();
    for info in left_out {
        aside.push(FileName::Table(info.number));
        let files = info.values.iter().map(|share| share.file);
        let unneeded = files.filter(|file| !values.contains_key(file));
        aside.extend(unneeded.map(FileName::Values));
    }
    aside.sort_unstable();
    aside.dedup();
    Ok(manifest)
}

/// Gives each keyspace a name that no other has, and says how many have lost theirs. Of two with the same one, the older was dropped.
fn name_all(keyspaces: &mut BTreeMap<KeyspaceId, String>) -> u64 {
    let mut taken = BTreeSet::new();
    let mut nameless = Vec::new();
    for (id, name) in keyspaces.iter_mut().rev() {
        if name.is_empty() && *id != KeyspaceId::DEFAULT || !taken.insert(name.clone()) {
            nameless.push((id, name));
        }
    }
    let count = nameless.len() as u64;
    for (id, name) in nameless {
        *name = alloc::format!("recovered-{}", id.0);
        while !taken.insert(name.clone()) {
            name.push('+');
        }
    }
    count
}

/// The tables that count, and which logs may.
fn choose(tables: &BTreeMap<u64, Found>, logs: &BTreeMap<u64, Log>) -> Choice {
    let origins = || tables.values().filter_map(|table| table.origin.as_ref());
    let mut log_from = origins().map(|origin| origin.log_from).max().unwrap_or(0);
    let sequences = origins().map(|origin| origin.sequence_from);
    let mut sequence = sequences.max().unwrap_or(0);
    let is_whole = |number: &u64| tables.get(number).is_some_and(|table| table.whole);
    let mut live = BTreeSet::new();
    let mut obsolete = BTreeSet::<u64>::new();
    loop {
        let before = live.len();
        for (&number, table) in tables {
            let Some(origin) = &table.origin else {
                live.insert(number);
                continue;
            };
            let mut made_of = origin.made_of.iter();
            let counts = if origin.made_of.is_empty() {
                true
            } else if origin.flushed > 0 {
                made_of.any(|log| *log < log_from) || !have_all(logs, number, origin)
            } else {
                made_of.any(|input| !is_whole(input) || obsolete.contains(input))
            };
            if !counts {
                continue;
            }
            live.insert(number);
            if origin.flushed > 0 {
                let last = origin.made_of.iter().max();
                log_from = log_from.max(last.map_or(0, |last| last.saturating_add(1)));
                sequence = sequence.max(origin.flushed);
            } else {
                obsolete.extend(&origin.made_of);
            }
        }
        if live.len() == before {
            break;
        }
    }
    live.retain(|number| !obsolete.contains(number));
    Choice {
        tables: live,
        log_from,
        sequence,
    }
}

/// Whether all that table `number` was flushed of can be read from its logs.
fn have_all(logs: &BTreeMap<u64, Log>, number: u64, origin: &Origin) -> bool {
    let mut next = origin.sequence_from.saturating_add(1);
    let mut made_of = origin.made_of.iter().peekable();
    while let Some(at) = made_of.next() {
        let Some(log) = logs.get(at) else {
            return false;
        };
        if log.first > 0 {
            if log.first != next {
                return false;
            }
            next = log.last.saturating_add(1);
        }
        // With writes in a later log this one has lost its seal; and a log that is newer than the table was made by an open that had
        // all of this one in tables.
        let is_later = |(later, log): (&u64, &Log)| {
            log.end != End::Unreadable && later > at && (log.first > 0 || *later > number)
        };
        let whole = match (log.end, made_of.peek()) {
            (End::Sealed(to), Some(following)) => to == **following,
            (End::Sealed(_), None) => true,
            (End::Open, None) => !logs.iter().any(is_later),
            _ => false,
        };
        if !whole {
            return false;
        }
    }
    next > origin.flushed
}

/// Where the manifest begins.
struct Start {
    log: u64,
    /// The last write before it.
    sequence: u64,
    after_a_gap: bool,
}

/// The first of the logs that count, of those that no table says are obsolete. Tables have all writes up to `sequence`.
fn first_log(logs: &BTreeMap<u64, &Log>, sequence: u64) -> Option<Start> {
    let at = |log: u64, sequence: u64| Start {
        log,
        sequence,
        after_a_gap: false,
    };
    let readable = |(_, log): &(&u64, &&Log)| log.end != End::Unreadable;
    let Some((&last, _)) = logs.iter().rev().find(readable) else {
        return logs.keys().next().map(|&log| at(log, sequence));
    };
    let mut head = last;
    let mut first = None;
    for (&number, log) in logs.range(..=last).rev() {
        if number == last || log.end == End::Sealed(head) {
            head = number;
            first = Some(log.first).filter(|first| *first > 0).or(first);
        }
    }
    let follows = |log: &Log| log.first == sequence.saturating_add(1);
    let before = || logs.range(..head);
    let Some(first) = first else {
        let has_writes = |(_, log): &(&u64, &&Log)| log.first > 0;
        let found = before().find(|(_, log)| follows(log));
        let (log, found) = found.or_else(|| before().find(has_writes))?;
        return Some(at(*log, found.first.saturating_sub(1)));
    };
    if first <= sequence.saturating_add(1) {
        return Some(at(head, first.saturating_sub(1)));
    }
    let is_broken = |(_, log): &(&u64, &&Log)| match log.end {
        End::Sealed(_) => false,
        End::Unreadable => true,
        End::Open | End::Damaged => follows(log),
    };
    if let Some((&log, _)) = before().find(is_broken) {
        return Some(at(log, sequence));
    }
    Some(Start {
        after_a_gap: true,
        ..at(head, first.saturating_sub(1))
    })
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

fn read_log<P: Files>(directory: &Directory<P>, number: u64) -> Result<Log> {
    let mut log = Log {
        first: 0,
        last: 0,
        end: End::Unreadable,
        keyspaces: BTreeSet::new(),
    };
    let mut read = || -> Result<End> {
        let mut reader = LogReader::open(directory, number)?;
        log.end = End::Damaged;
        loop {
            match reader.next()? {
                Record::Batch {
                    sequence,
                    count,
                    writes,
                    ..
                } => {
                    if log.first == 0 {
                        log.first = sequence;
                    }
                    log.last = sequence.saturating_add(count.into()).saturating_sub(1);
                    let ids = BatchIter::new(writes).map(|write| write.keyspace);
                    log.keyspaces.extend(ids);
                }
                Record::Sealed { next } => return Ok(End::Sealed(next)),
                Record::End(_) => return Ok(End::Open),
            }
        }
    };
    match read() {
        Ok(end) => log.end = end,
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
            log_from: manifest.log_number,
            sequence_from: manifest.sequence,
            flushed: 0,
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
