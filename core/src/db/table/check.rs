//! Reads a whole table and checks what its checksums can't: order, gaps, and what it says of itself.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block_cursor::BlockCursor;
use super::layout::BlockPlace;
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
        self.check().map(|seen| seen.entries)
    }

    /// The oldest write that something in it is of. As [`verify`](Self::verify) otherwise.
    pub(in crate::db) fn sequence_min(&self) -> Result<u64> {
        let oldest = self.check()?.sequence_min.unwrap_or(u64::MAX);
        let ranges = self.ranges().pieces().iter();
        Ok(ranges.map(|piece| piece.sequence).fold(oldest, u64::min))
    }

    fn check(&self) -> Result<Seen> {
        let name = FileName::Table(self.info().number);
        let corrupt = |offset, what, expected, found| {
            Err(Error::corrupt(name, offset, what, expected, found))
        };
        let info = self.info();
        let mut seen = Seen::default();
        for at in 0..self.part_count() {
            let part = self.part(at, false)?;
            let part = part.as_deref();
            let (stated, found) = (self.blocks_stated(at), self.block_count(part) as u64);
            if stated != found {
                return corrupt(seen.end, "blocks of a partition", stated, found);
            }
            for block in 0..self.block_count(part) {
                let Some(place) = self.place_in(part, block)? else {
                    break;
                };
                self.verify_block(place, &mut seen)?;
                if Some(self.last_key(part, block)?) != seen.last.as_deref() {
                    return corrupt(place.offset, "last key of a block", 1, 0);
                }
            }
            let stated = self.last_key_of_part(at);
            if stated.is_some() && stated != seen.last.as_deref() {
                return corrupt(seen.end, "last key of a partition", 1, 0);
            }
        }
        let Seen {
            end,
            entries,
            removes,
            mut sequence_max,
            ..
        } = seen;
        let (first, last) = (&seen.first, &seen.last);
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
        let live = seen.live.iter().map(|(&file, &bytes)| (file, bytes));
        if !live.eq(info.values.iter().map(stated)) {
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
        Ok(seen)
    }

    fn verify_block(&self, place: BlockPlace, seen: &mut Seen) -> Result<()> {
        let name = FileName::Table(self.info().number);
        let corrupt =
            |what, expected, found| Err(Error::corrupt(name, place.offset, what, expected, found));
        if place.offset != seen.end {
            return corrupt("offset of a block", seen.end, place.offset);
        }
        seen.end = place.end();
        let mut data = BlockCursor::new(self.read_data(place)?);
        loop {
            data.advance()?;
            let Some(entry) = data.entry() else {
                return Ok(());
            };
            if seen.last.as_deref().is_some_and(|last| last >= entry.key) {
                return corrupt("order of keys", 1, 0);
            }
            seen.first.get_or_insert_with(|| entry.key.into());
            seen.last = Some(entry.key.into());
            seen.entries = seen.entries.saturating_add(1);
            let removes = u64::from(entry.kind == Kind::Remove);
            seen.removes = seen.removes.saturating_add(removes);
            seen.sequence_max = entry.sequence.max(seen.sequence_max);
            let oldest = seen.sequence_min.unwrap_or(u64::MAX);
            seen.sequence_min = Some(oldest.min(entry.sequence));
            if let Some(reference) = entry.reference() {
                let (file, reference) = self.follow(reference)?;
                file.check(&reference)?;
                let live = seen.live.entry(reference.file).or_default();
                *live = live.saturating_add(reference.record_bytes());
            }
        }
    }
}

/// What the blocks so far come to.
#[derive(Default)]
struct Seen {
    /// Where the next block is to start.
    end: u64,
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    entries: u64,
    removes: u64,
    sequence_max: u64,
    sequence_min: Option<u64>,
    /// Bytes by values file.
    live: BTreeMap<u64, u64>,
}
