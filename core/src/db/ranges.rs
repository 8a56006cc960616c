//! Removed ranges: all keys from one up to another are gone, as far as they were written before.
//!
//! In a table the ranges are cut into pieces that do not overlap, each with the newest number of those that cover it, so that one
//! search finds what covers a key. In a table they apply to older tables only: what they hid in their own memtable was left
//! out when it was written.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// Keys from `start` up to but without `end`, gone as of `sequence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemovedRange {
    pub(super) start: Box<[u8]>,
    pub(super) end: Box<[u8]>,
    pub(super) sequence: u64,
}

/// Ranges that do not overlap, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RemovedRanges(Vec<RemovedRange>);

impl RemovedRanges {
    /// Cuts ranges into pieces at each other's ends. At most twice as many come out.
    pub(super) fn new(ranges: &[RemovedRange]) -> Self {
        let mut edges: Vec<&[u8]> = ranges
            .iter()
            .flat_map(|range| [&*range.start, &*range.end])
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut by_start: Vec<&RemovedRange> = ranges.iter().collect();
        by_start.sort_unstable_by(|a, b| a.start.cmp(&b.start));
        let mut pieces: Vec<RemovedRange> = Vec::new();
        // The newest one first. Those that have ended stay until they would be the newest.
        let mut open: BinaryHeap<(u64, &[u8])> = BinaryHeap::new();
        let mut starting = by_start.into_iter().peekable();
        for (&start, &end) in edges.iter().zip(edges.iter().skip(1)) {
            while let Some(range) = starting.next_if(|range| *range.start <= *start) {
                open.push((range.sequence, &range.end));
            }
            while open.peek().is_some_and(|(_, end)| *end <= start) {
                open.pop();
            }
            let Some(&(sequence, _)) = open.peek() else {
                continue;
            };
            match pieces.last_mut() {
                Some(last) if *last.end == *start && last.sequence == sequence => {
                    last.end = end.into();
                }
                _ => pieces.push(RemovedRange {
                    start: start.into(),
                    end: end.into(),
                    sequence,
                }),
            }
        }
        Self(pieces)
    }

    /// Ranges as a table has them. `None` if they are out of order.
    pub(super) fn from_pieces(pieces: Vec<RemovedRange>) -> Option<Self> {
        let whole = pieces.iter().all(|piece| piece.start < piece.end);
        let ordered = pieces
            .iter()
            .zip(pieces.iter().skip(1))
            .all(|(a, b)| a.end <= b.start);
        (whole && ordered).then_some(Self(pieces))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pieces(&self) -> &[RemovedRange] {
        &self.0
    }

    /// The number as of which `key` is gone, or 0.
    pub(super) fn covering(&self, key: &[u8]) -> u64 {
        let after = self.0.partition_point(|piece| *piece.start <= *key);
        match after.checked_sub(1).and_then(|index| self.0.get(index)) {
            Some(piece) if *key < *piece.end => piece.sequence,
            _ => 0,
        }
    }

    /// The parts between `from` and `to`, where `None` is without end.
    pub(super) fn between(&self, from: Option<&[u8]>, to: Option<&[u8]>) -> Self {
        let cut = |piece: &RemovedRange| {
            let start = from.map_or(&*piece.start, |from| from.max(&piece.start));
            let end = to.map_or(&*piece.end, |to| to.min(&piece.end));
            (start < end).then(|| RemovedRange {
                start: start.into(),
                end: end.into(),
                sequence: piece.sequence,
            })
        };
        Self(self.0.iter().filter_map(cut).collect())
    }

    /// Memory in use, roughly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|piece| size_of::<RemovedRange>() + piece.start.len() + piece.end.len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn range(start: u8, end: u8, sequence: u64) -> RemovedRange {
        RemovedRange {
            start: vec![start].into(),
            end: vec![end].into(),
            sequence,
        }
    }

    #[test]
    fn pieces_cover_what_the_ranges_do_with_the_newest_number() {
        let mut random = 5u32;
        for _ in 0..200 {
            let mut next = |below: u8| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8 % below
            };
            let ranges: Vec<_> = (1..=next(8))
                .map(|sequence| {
                    let start = next(20);
                    range(start, start + 1 + next(9), sequence.into())
                })
                .collect();
            let pieces = RemovedRanges::new(&ranges);
            assert!(RemovedRanges::from_pieces(pieces.pieces().to_vec()).is_some());
            for key in 0..32u8 {
                let covers = |range: &&RemovedRange| range.start[0] <= key && key < range.end[0];
                let expected = ranges
                    .iter()
                    .filter(covers)
                    .map(|range| range.sequence)
                    .max();
                assert_eq!(pieces.covering(&[key]), expected.unwrap_or(0));
                let part = pieces.between(Some(&[7]), Some(&[15]));
                let inside = (7..15).contains(&key);
                assert_eq!(
                    part.covering(&[key]),
                    if inside { expected.unwrap_or(0) } else { 0 }
                );
            }
        }
    }
}
