//! Compaction within level 0: tiers of tables of like size, or a queue that forgets its oldest.
//!
//! # Tiers
//! Each table of level 0 is a run, newest first; a flush adds one. When there are more than `tables_max`, the newest runs that are of like
//! size are merged into one, which takes their place: each byte is rewritten about as often as runs double, not ten times a level.
//! The price is space: old versions stay until their run is merged. When the newer runs together are twice the oldest, all become
//! one.
//!
//! # Queue
//! Nothing is merged. When tables together are too large, or the oldest is too old, the oldest go with all that is in them.
//!
//! # Somebody else's tables
//! Only the newest small ones are merged, so a tool that writes a few bytes a run neither makes tables without end nor does to a queue, or to
//! levels, what their own program would not.
#![forbid(unsafe_code)]

use super::pick::{Job, JobKind, bytes, job};
use crate::db::options::Options;
use crate::db::table::Table;
use crate::db::version::{LEVELS, Version};
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How much larger than all newer ones together, in percent, a run may be to be merged with them.
const LIKE_PERCENT: u64 = 120;
/// How large the newer runs together may be, in percent of the oldest: the space that dead entries may take.
const NEWER_PERCENT_MAX: u64 = 200;

/// Whether a table of level 0 is the oldest run.
pub(in crate::db) fn is_oldest_run<P: Files>(version: &Version<P>, table: &Arc<Table<P>>) -> bool {
    let mut oldest_first = version
        .levels
        .iter()
        .rev()
        .flat_map(|level| level.iter().rev());
    oldest_first
        .next()
        .is_some_and(|oldest| Arc::ptr_eq(oldest, table))
}

/// The newest runs of like size.
pub(super) fn tiered<P: Files>(version: &Version<P>, options: &Options) -> Option<Job<P>> {
    let runs = &version.levels[0];
    if runs.len() <= options.tables_max {
        return None;
    }
    // What a manual compaction, or leveled compaction before, has put into a lower level is the oldest run of all.
    let below = (1..LEVELS).find(|&level| !version.levels[level].is_empty());
    let newer = match below {
        Some(_) => bytes(runs),
        None => bytes(&runs[..runs.len() - 1]),
    };
    let oldest = match below {
        Some(level) => bytes(&version.levels[level]),
        None => bytes(&runs[runs.len() - 1..]),
    };
    let all = newer.saturating_mul(100) > oldest.saturating_mul(NEWER_PERCENT_MAX);
    if let Some(level) = below.filter(|_| all) {
        return Some(job(version, 0, level, runs.clone()));
    }
    let count = if all {
        runs.len()
    } else {
        like_sized(runs, options)
    };
    Some(Job {
        bottom: below.is_none() && count == runs.len(),
        ..in_place(runs, count)
    })
}

/// How many of the newest runs to merge: enough to have no more than there may be, and then as long as the next is not much larger.
fn like_sized<P: Files>(runs: &[Arc<Table<P>>], options: &Options) -> usize {
    let mut count = runs.len() - options.tables_max + 1;
    let mut sum = bytes(&runs[..count]);
    while let Some(next) = runs.get(count)
        && next.info().bytes <= sum.saturating_mul(LIKE_PERCENT) / 100
    {
        sum = sum.saturating_add(next.info().bytes);
        count += 1;
    }
    count
}

fn in_place<P: Files>(runs: &[Arc<Table<P>>], count: usize) -> Job<P> {
    Job {
        from: 0,
        to: 0,
        upper: runs[..count].to_vec(),
        lower: Vec::new(),
        bottom: false,
        kind: JobKind::Merge,
    }
}

/// The newest runs of like size among those that nothing damaged lies above. They stay in level 0: what lies below, or an older table of it, is damaged
/// and must stay older.
pub(super) fn beside_damage<P: Files>(version: &Version<P>, options: &Options) -> Option<Job<P>> {
    let runs = version.newest();
    (runs.len() > options.tables_max).then(|| in_place(runs, like_sized(runs, options)))
}

/// The newest tables that together are no larger than a memtable, if they are too many.
pub(super) fn newest<P: Files>(version: &Version<P>, options: &Options) -> Option<Job<P>> {
    let runs = version.newest();
    let mut left = u64::try_from(options.memtable_bytes).unwrap_or(u64::MAX);
    let is_small = |table: &&Arc<Table<P>>| match left.checked_sub(table.info().bytes_with_values())
    {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let count = runs.iter().take_while(is_small).count();
    (count > options.tables_max).then(|| in_place(runs, count))
}

/// The oldest tables, from when on there are more bytes than there may be or that are too old.
pub(super) fn expired<P: Files>(
    version: &Version<P>,
    bytes_max: u64,
    age_max: Option<Duration>,
    now_ns: u64,
) -> Option<Job<P>> {
    let tables = version.tables();
    let sizes = tables.map(|table| table.info().bytes_with_values());
    let total = sizes.fold(0, u64::saturating_add);
    let too_old = |table: &Arc<Table<P>>| {
        let age_ns = now_ns.saturating_sub(table.made_ns());
        age_max.is_some_and(|max| table.made_ns() > 0 && u128::from(age_ns) > max.as_nanos())
    };
    // Of the lowest level, so that no older version of a key comes to light.
    let from = (0..LEVELS)
        .rev()
        .find(|&level| !version.levels[level].is_empty())?;
    let mut left = total;
    let mut upper: Vec<Arc<Table<P>>> = Vec::new();
    for table in version.levels[from].iter().rev() {
        if left <= bytes_max && !too_old(table) {
            break;
        }
        left = left.saturating_sub(table.info().bytes_with_values());
        upper.push(table.clone());
    }
    (!upper.is_empty()).then(|| Job {
        from,
        to: from,
        upper,
        lower: Vec::new(),
        bottom: true,
        kind: JobKind::Drop,
    })
}
