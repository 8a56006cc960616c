//! Reads a whole table and checks what its checksums can't: order, gaps, and what it says of itself.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block_cursor::BlockCursor;
use super::reader::Table;
use crate::db::entry::Kind;
use crate::db::error::{Error, Result};
use crate::db::file_name::FileName;
use crate::db::values::Share;
use crate::platform::Files;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl<P: Files> Table<P> {
    /// Reads all data past the cache and checks that blocks lie without gaps (T3), keys ascend (T2), index and meta block are
    /// right, and that references lead to records, which it does not read. Returns the entries read.
    pub(in crate::db) fn verify(&self) -> Result<u64> {
        let name = FileName::Table(self.info().number);
        let corrupt = |offset, what, expected, found| {
            Err(Error::corrupt(name, offset, what, expected, found))
        };
        let info = self.info();
        let mut end = 0;
        let mut last: Option<Vec<u8>> = None;
        let mut first: Option<Vec<u8>> = None;
        let (mut entries, mut removes, mut sequence_max) = (0u64, 0u64, 0);
        let mut live = BTreeMap::<u64, u64>::new();
        for at in 0..self.block_count() {
            let Some(place) = self.place(at) else { break };
            if place.offset != end {
                return corrupt(place.offset, "offset of a block", end, place.offset);
            }
            end = place.end();
            let mut data = BlockCursor::new(self.read_data(place)?);
            loop {
                data.advance()?;
                let Some(entry) = data.entry() else { break };
                if last.as_deref().is_some_and(|last| last >= entry.key) {
                    return corrupt(place.offset, "order of keys", 1, 0);
                }
                first.get_or_insert_with(|| entry.key.into());
                last = Some(entry.key.into());
                entries = entries.saturating_add(1);
                removes = removes.saturating_add(u64::from(entry.kind == Kind::Remove));
                sequence_max = entry.sequence.max(sequence_max);
                if let Some(reference) = entry.reference() {
                    let (file, reference) = self.follow(reference)?;
                    file.check(&reference)?;
                    let live = live.entry(reference.file).or_default();
                    *live = live.saturating_add(reference.record_bytes());
                }
            }
            if Some(self.last_key(at)) != last.as_deref() {
                return corrupt(place.offset, "last key of a block", 1, 0);
            }
        }
        let pieces = self.ranges().pieces();
        for piece in pieces {
            sequence_max = piece.sequence.max(sequence_max);
        }
        for (what, expected, found) in [
            ("bytes of data", self.data_bytes(), end),
            ("entries", info.entries, entries),
            ("removes", info.removes, removes),
            ("removed ranges", info.ranges, pieces.len() as u64),
            ("newest sequence number", info.sequence_max, sequence_max),
        ] {
            if expected != found {
                return corrupt(end, what, expected, found);
            }
        }
        let stated = |share: &Share| (share.file, share.live_bytes);
        if !live.into_iter().eq(info.values.iter().map(stated)) {
            return corrupt(end, "bytes of values", 1, 0);
        }
        let start = pieces.first().map(|piece| &*piece.start);
        let stop = pieces.last().map(|piece| &*piece.end);
        let smallest = [first.as_deref(), start].into_iter().flatten().min();
        let largest = [last.as_deref(), stop].into_iter().flatten().max();
        for (what, stated, found) in [
            ("smallest key", &info.smallest, smallest),
            ("largest key", &info.largest, largest),
        ] {
            if found != Some(&**stated) {
                return corrupt(end, what, 1, 0);
            }
        }
        Ok(entries)
    }
}
