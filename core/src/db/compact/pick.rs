//! Which tables sink next.
//!
//! Leveled, with the sizes of levels set from the bottom (as RocksDB's dynamic level sizes): the last level is as large as it is, each
//! level above it may be a `level_factor`-th of the one below, down to `level_bytes`; what would be smaller stays empty, and
//! level 0 goes straight to the first level that does not. So nine tenths of the data lie in the last level, and dead entries
//! take about a tenth of the space, whatever the size of the database.
//!
//! - Level 0 goes down as a whole when it has more than `tables_max` tables: they overlap. And before that once reads have paid more for
//!   looking at each of them than the merge costs, as LevelDB's tables do that are sought in often: then nothing is written, or there
//!   would be more of them soon.
//! - Of another level that is too large, one table goes down at a time, in turn by key, with those below that it overlaps.
//! - A table that a merge could not read stays where it is, and so does what must stay above it. Newer tables of level 0 are then merged
//!   among themselves.
//! - Tables that overlap nothing on their way down are moved: the manifest changes, no byte is written.
#![forbid(unsafe_code)]

use super::tiers;
use crate::db::options::{Compaction, Options};
use crate::db::table::{Table, TableInfo};
use crate::db::version::{LEVELS, Levels, Version};
use crate::platform::Files;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Tables to merge, or to move.
#[derive(Debug)]
pub(in crate::db) struct Job<P: Files> {
    pub(in crate::db) from: usize,
    pub(in crate::db) to: usize,
    /// Of level `from`: in level 0 newest first.
    pub(in crate::db) upper: Vec<Arc<Table<P>>>,
    /// Of level `to`, by key.
    pub(in crate::db) lower: Vec<Arc<Table<P>>>,
    /// No deeper level has any of the keys.
    pub(in crate::db) bottom: bool,
    pub(in crate::db) kind: JobKind,
}

impl<P: Files> Job<P> {
    /// Whether no merge has failed to read one of the tables.
    fn is_readable(&self) -> bool {
        let mut tables = self.upper.iter().chain(&self.lower);
        self.kind != JobKind::Merge || !tables.any(|table| table.is_damaged())
    }
}

/// What becomes of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) enum JobKind {
    /// New ones are made of them.
    Merge,
    /// Nothing overlaps, so the upper tables go down as they are.
    Move,
    /// They go, with what is in them.
    Drop,
}

/// Bytes of tables, without their values.
pub(in crate::db) fn bytes<'a, P: Files>(
    tables: impl IntoIterator<Item = &'a Arc<Table<P>>>,
) -> u64 {
    let bytes = tables.into_iter().map(|table| table.info().bytes);
    bytes.fold(0, u64::saturating_add)
}

/// Whether they may have a key in common.
pub(in crate::db) fn overlap(a: &TableInfo, b: &TableInfo) -> bool {
    a.smallest <= b.largest && b.smallest <= a.largest
}

/// Bytes that are merged in the time that a read takes to find that a table does not have its key, roughly.
const DETOUR_BYTES: u64 = 4;

/// Whether reads have paid as much for the tables of level 0 beyond the first as it costs to merge them.
pub(in crate::db) fn pays_off<P: Files>(version: &Version<P>, options: &Options) -> bool {
    let paid = (version.detours() as u64).saturating_mul(DETOUR_BYTES);
    let [level0, below @ ..] = &version.levels;
    if paid == 0 || options.compaction != Compaction::Leveled || paid <= bytes(level0) {
        return false;
    }
    let below = below.iter().find(|tables| !tables.is_empty());
    let cost = bytes(level0).saturating_add(below.map_or(0, |tables| bytes(tables)));
    paid > cost && !version.tables().any(|table| table.is_damaged())
}

/// The first level below 0 that is used, and how large each may be.
fn targets<P: Files>(version: &Version<P>, options: &Options) -> (usize, [u64; LEVELS]) {
    let mut targets = [0; LEVELS];
    let last = LEVELS - 1;
    let mut base = last;
    let mut size = bytes(&version.levels[last]);
    while base > 1 && size > options.level_bytes {
        base -= 1;
        size /= options.level_factor;
    }
    let mut target = size.max(options.level_bytes / options.level_factor).max(1);
    for level in &mut targets[base..] {
        *level = target;
        target = target.saturating_mul(options.level_factor);
    }
    targets[last] = u64::MAX;
    // A level above that has tables, from when there was more below, comes first, and drains.
    let used = (1..base).find(|&level| !version.levels[level].is_empty());
    let used = used.unwrap_or(base);
    targets[used..base].fill(1);
    (used, targets)
}

/// The most urgent job, if there is one. `turns` remembers where in each level the last table went down.
pub(in crate::db) fn pick<P: Files>(
    version: &Version<P>,
    options: &Options,
    turns: &mut [Box<[u8]>; LEVELS],
    now_ns: u64,
) -> Option<Job<P>> {
    match options.compaction {
        Compaction::Leveled => leveled(version, options, turns),
        Compaction::Tiered => match tiers::tiered(version, options) {
            Some(job) if job.is_readable() => Some(job),
            _ => tiers::beside_damage(version, options),
        },
        Compaction::Fifo { bytes_max, age_max } => {
            tiers::expired(version, bytes_max, age_max, now_ns)
        }
        Compaction::Newest => tiers::newest(version, options),
    }
}

fn leveled<P: Files>(
    version: &Version<P>,
    options: &Options,
    turns: &mut [Box<[u8]>; LEVELS],
) -> Option<Job<P>> {
    let (base, targets) = targets(version, options);
    if version.levels[0].len() > options.tables_max || pays_off(version, options) {
        let down = job(version, 0, base, version.levels[0].clone());
        if down.is_readable() {
            return Some(down);
        }
        if let Some(job) = tiers::beside_damage(version, options) {
            return Some(job);
        }
    }
    let mut levels: Vec<_> = (1..LEVELS - 1)
        .map(|level| (level, bytes(&version.levels[level])))
        .filter(|&(level, bytes)| bytes > targets[level])
        .collect();
    levels.sort_by_key(|&(level, bytes)| Reverse(bytes / (targets[level] / 64).max(1)));
    levels.into_iter().find_map(|(from, _)| {
        let tables = &version.levels[from];
        let next = tables.partition_point(|table| *table.info().smallest <= *turns[from]);
        let in_turn = tables.iter().skip(next).chain(tables.iter().take(next));
        let mut jobs =
            in_turn.map(|table| job(version, from, from + 1, Vec::from([table.clone()])));
        let job = jobs.find(Job::is_readable)?;
        turns[from] = job.upper.first()?.info().smallest.clone();
        Some(job)
    })
}

/// All tables of a keyspace into its last level, unless that is how it is already. What was flushed since numbers were at
/// `limit` may stay at level 0. `is_dead` says that a table refers to a values file that is not all live.
pub(in crate::db) fn manual<P: Files>(
    version: &Version<P>,
    limit: u64,
    is_dead: impl Fn(&TableInfo) -> bool,
) -> Option<Job<P>> {
    let is_wanted = |(level, tables): (usize, &Vec<Arc<Table<P>>>)| {
        tables
            .iter()
            .any(|table| level > 0 || table.info().number < limit)
    };
    let from = version.levels.iter().enumerate().position(is_wanted)?;
    let to = LEVELS - 1;
    if from == to {
        let dead = |table: &Arc<Table<P>>| {
            let info = table.info();
            info.says_gone() || is_dead(info)
        };
        if !version.levels[to].iter().any(dead) {
            return None;
        }
        return Some(Job {
            from,
            to,
            upper: Vec::new(),
            lower: version.levels[to].clone(),
            bottom: true,
            kind: JobKind::Merge,
        });
    }
    let to = (from + 1..LEVELS)
        .find(|&level| level == LEVELS - 1 || !version.levels[level].is_empty())?;
    Some(job(version, from, to, version.levels[from].clone()))
}

/// The table that gains most by being written anew where it is, if one does, and how much.
pub(in crate::db) fn garbage<P: Files>(
    version: &Version<P>,
    gain: impl Fn(&TableInfo) -> Option<u64>,
) -> Option<(u64, Job<P>)> {
    let levels = version.levels.iter().enumerate();
    let tables = levels.flat_map(|(level, tables)| tables.iter().map(move |table| (level, table)));
    let readable = tables.filter(|(_, table)| !table.is_damaged());
    let worth = readable.filter_map(|(level, table)| Some((gain(table.info())?, level, table)));
    let (gain, level, table) = worth.max_by_key(|(gain, ..)| *gain)?;
    let table = Vec::from([table.clone()]);
    // In level 0 it stands for a time, below for its keys.
    let (upper, lower) = if level == 0 {
        (table, Vec::new())
    } else {
        (Vec::new(), table)
    };
    let job = Job {
        from: level,
        to: level,
        upper,
        lower,
        bottom: false,
        kind: JobKind::Merge,
    };
    Some((gain, job))
}

pub(super) fn job<P: Files>(
    version: &Version<P>,
    from: usize,
    to: usize,
    upper: Vec<Arc<Table<P>>>,
) -> Job<P> {
    let mut by_key: Vec<&TableInfo> = upper.iter().map(|table| table.info()).collect();
    by_key.sort_unstable_by(|a, b| a.smallest.cmp(&b.smallest));
    let apart = by_key
        .iter()
        .zip(by_key.iter().skip(1))
        .all(|(a, b)| a.largest < b.smallest);
    // A merged table spans all that it was made of, the gaps between them as well: whatever lies in those must go in too.
    let span = |tables: &[&TableInfo]| {
        let smallest = tables.iter().map(|info| &info.smallest).min().cloned();
        let largest = tables.iter().map(|info| &info.largest).max().cloned();
        TableInfo {
            smallest: smallest.unwrap_or_default(),
            largest: largest.unwrap_or_default(),
            ..TableInfo::default()
        }
    };
    let in_span = |span: &TableInfo, level: usize| -> Vec<Arc<Table<P>>> {
        let tables = version.levels[level].iter();
        let tables = tables.filter(|table| overlap(span, table.info()));
        tables.cloned().collect()
    };
    let lower = in_span(&span(&by_key), to);
    let mut all = by_key.clone();
    all.extend(lower.iter().map(|table| table.info()));
    let whole = span(&all);
    let bottom = (to + 1..LEVELS).all(|level| in_span(&whole, level).is_empty());
    // What would be dropped at the bottom is not moved.
    let dead = bottom && by_key.iter().any(|info| info.says_gone());
    let meets = |info: &&TableInfo| lower.iter().any(|lower| overlap(info, lower.info()));
    let is_move = apart && !dead && !by_key.iter().any(meets);
    Job {
        from,
        to,
        lower: if is_move { Vec::new() } else { lower },
        upper,
        bottom,
        kind: if is_move {
            JobKind::Move
        } else {
            JobKind::Merge
        },
    }
}

/// Whether the tables of each level below 0 stand by key and do not overlap.
pub(in crate::db) fn is_ordered(levels: &Levels<TableInfo>) -> bool {
    levels.iter().skip(1).all(|tables| {
        let mut pairs = tables.iter().zip(tables.iter().skip(1));
        // Where a removed range ends the next table may start.
        pairs.all(|(a, b)| a.smallest < b.smallest && a.largest <= b.smallest)
    })
}
