//! Which values files have too much in them that nothing refers to.
//!
//! # When a table is written anew for its values alone
//! Its *gain* is its part of the dead bytes of the files under half live that it refers to, as it has a part of their live bytes; its
//! *cost* what is written for it: its own bytes, and those live ones. It is worth it from half the cost on. Summed over all tables,
//! what is left undone is dead bytes of at most half of what the tables and the live values of such files take; all other files
//! are dead for less than half. So dead values never take much more space than live ones, and a large table is not written anew for a
//! few of them.
#![forbid(unsafe_code)]

use super::reference::Share;
use crate::db::table::{Table, TableInfo};
use crate::platform::Files;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// A file below this part of a table's size is small.
const SMALL_PART: u64 = 8;

/// What is live in each values file.
#[derive(Debug, Default)]
pub(in crate::db) struct Usage {
    files: BTreeMap<u64, Use>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    record_bytes: u64,
    live_bytes: u64,
    file_bytes: u64,
    damaged: bool,
}

impl Use {
    const fn dead_bytes(&self) -> u64 {
        self.record_bytes.saturating_sub(self.live_bytes)
    }

    /// Under half live.
    const fn is_dying(&self) -> bool {
        !self.damaged && self.dead_bytes() > self.live_bytes
    }
}

impl Usage {
    /// As tables refer to the files.
    pub(in crate::db) fn of<'a, P: Files>(tables: impl Iterator<Item = &'a Arc<Table<P>>>) -> Self {
        let mut usage = Self::default();
        for table in tables {
            for share in &table.info().values {
                usage.count(share, table.has_damaged_values(share.file));
            }
        }
        usage
    }

    fn count(&mut self, share: &Share, damaged: bool) {
        let used = self.files.entry(share.file).or_insert(Use {
            record_bytes: share.record_bytes(),
            live_bytes: 0,
            file_bytes: share.file_bytes,
            damaged: false,
        });
        used.live_bytes = used.live_bytes.saturating_add(share.live_bytes);
        used.damaged |= damaged;
    }

    /// Files, their bytes, and the live ones among these.
    pub(in crate::db) fn totals(&self) -> (u64, u64, u64) {
        let mut totals = (0, 0u64, 0u64);
        for used in self.files.values() {
            totals.0 += 1;
            totals.1 = totals.1.saturating_add(used.file_bytes);
            totals.2 = totals.2.saturating_add(used.live_bytes);
        }
        totals
    }

    /// Files whose values a merge writes anew when it meets them.
    pub(in crate::db) fn to_rewrite(&self, table_bytes: u64) -> BTreeSet<u64> {
        let small = table_bytes / SMALL_PART;
        self.matching(|used| used.is_dying() || !used.damaged && used.file_bytes < small)
    }

    /// Files with any dead values.
    pub(in crate::db) fn with_dead(&self) -> BTreeSet<u64> {
        self.matching(|used| !used.damaged && used.dead_bytes() > 0)
    }

    fn matching(&self, wanted: impl Fn(&Use) -> bool) -> BTreeSet<u64> {
        let files = self.files.iter().filter(|(_, used)| wanted(used));
        files.map(|(file, _)| *file).collect()
    }

    /// How much is gained by writing a table anew, if it is worth it.
    pub(in crate::db) fn gain(&self, info: &TableInfo) -> Option<u64> {
        let (mut gain, mut cost) = (0u64, info.bytes);
        for share in &info.values {
            let Some(used) = self.files.get(&share.file).filter(|used| used.is_dying()) else {
                continue;
            };
            let part = u128::from(used.dead_bytes()) * u128::from(share.live_bytes)
                / u128::from(used.live_bytes.max(1));
            gain = gain.saturating_add(u64::try_from(part).unwrap_or(u64::MAX));
            cost = cost.saturating_add(share.live_bytes);
        }
        (gain > 0 && gain.saturating_mul(2) >= cost).then_some(gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(file: u64, file_bytes: u64, live_bytes: u64) -> Share {
        Share {
            file,
            file_bytes: file_bytes + super::super::reference::HEADER_BYTES,
            live_bytes,
        }
    }

    fn table(bytes: u64, values: &[Share]) -> TableInfo {
        TableInfo {
            bytes,
            values: values.into(),
            ..TableInfo::default()
        }
    }

    #[test]
    fn a_table_is_worth_writing_anew_when_its_files_are_under_half_live() {
        let mut usage = Usage::default();
        // File 1: 300 of 1000 live, in two tables; file 2: half live; file 3: dying, but damaged.
        usage.count(&share(1, 1000, 100), false);
        usage.count(&share(1, 1000, 200), false);
        usage.count(&share(2, 1000, 500), false);
        usage.count(&share(3, 1000, 10), true);
        assert_eq!(usage.to_rewrite(0), BTreeSet::from([1]));
        assert_eq!(usage.to_rewrite(1 << 20), BTreeSet::from([1, 2]));
        assert_eq!(usage.with_dead(), BTreeSet::from([1, 2]));
        let small = table(50, &[share(1, 1000, 200), share(2, 1000, 500)]);
        assert_eq!(usage.gain(&small), Some(700 * 2 / 3));
        assert_eq!(usage.gain(&table(50, &[share(2, 1000, 500)])), None);
        assert_eq!(usage.gain(&table(50, &[share(3, 1000, 10)])), None);
        // Ten kilobytes of keys are not written for the sake of 233 bytes of values.
        assert_eq!(usage.gain(&table(10_000, &[share(1, 1000, 100)])), None);
    }
}
