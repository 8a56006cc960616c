//! Arithmetic of byte ranges in files: what one call may move, what a hole may cover, what is left to allocate.
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use core::ops::Range;

/// What one read or write moves at most. The kernel refuses more than `INT_MAX` bytes with `EINVAL` (read(2), write(2)); this is the last multiple
/// of the larger page below it.
pub(crate) const TRANSFER_BYTES_MAX: usize = 0x7FFF_C000;

/// The last offset that a system call can name.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// The offset as the system wants it, and how many of `wanted` bytes one call may move there. `None` where no byte can be.
pub(crate) fn transfer(offset: u64, wanted: usize) -> Option<(i64, usize)> {
    let room = OFFSET_MAX.checked_sub(offset).filter(|&room| room != 0)?;
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let start = i64::try_from(offset).ok()?;
    Some((start, wanted.min(TRANSFER_BYTES_MAX).min(room)))
}

/// How to make a range read as zeros where holes must be whole blocks: `hole` is whole blocks, `before` and `after` are the
/// parts of blocks beside it, to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) before: Range<u64>,
    pub(crate) hole: Range<u64>,
    pub(crate) after: Range<u64>,
}

impl Hole {
    /// Splits the part of `offset..offset + bytes` that lies within a file of `length` bytes; all three are empty where there is none.
    pub(crate) fn within(offset: u64, bytes: u64, length: u64, block_bytes: u64) -> Self {
        let end = offset.saturating_add(bytes).min(length);
        let start = offset.min(end);
        let block_bytes = block_bytes.max(1);
        let first = start.checked_next_multiple_of(block_bytes);
        let last = end.saturating_sub(end.checked_rem(block_bytes).unwrap_or(0));
        match first {
            Some(first) if first < last => Self {
                before: start..first,
                hole: first..last,
                after: last..end,
            },
            _ => Self {
                before: start..end,
                hole: end..end,
                after: end..end,
            },
        }
    }
}

/// What a preallocation has left to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Blocks are missing in the middle of the file, where the system cannot add any.
    HasHoles,
    /// The end of the range is past what a file can hold.
    TooLarge,
    /// Allocate `new_bytes` at the end of what is allocated, then make the file `length` bytes long. 0 and `None` where
    /// there is nothing to do.
    Grow { new_bytes: i64, length: Option<i64> },
}

impl Growth {
    /// For a range, in a file of `length` bytes with `allocated_bytes` on the disk.
    pub(crate) fn plan(offset: u64, bytes: u64, length: u64, allocated_bytes: u64) -> Self {
        let Some(end) = offset
            .checked_add(bytes)
            .and_then(|end| i64::try_from(end).ok())
        else {
            return Self::TooLarge;
        };
        if bytes != 0 && offset < length && allocated_bytes < length {
            return Self::HasHoles;
        }
        if bytes == 0 {
            return Self::Grow {
                new_bytes: 0,
                length: None,
            };
        }
        Self::Grow {
            new_bytes: end.saturating_sub_unsigned(allocated_bytes).max(0),
            length: u64::try_from(end)
                .is_ok_and(|end| end > length)
                .then_some(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_stay_below_two_gibibytes_and_the_last_offset() {
        assert_eq!(transfer(0, 0), Some((0, 0)));
        assert_eq!(transfer(7, 10), Some((7, 10)));
        assert_eq!(
            transfer(1 << 40, usize::MAX),
            Some((1 << 40, TRANSFER_BYTES_MAX))
        );
        assert!(i32::try_from(TRANSFER_BYTES_MAX).is_ok());
        assert_eq!(transfer(OFFSET_MAX - 3, 10), Some((i64::MAX - 3, 3)));
        assert_eq!(transfer(OFFSET_MAX, 10), None);
        assert_eq!(transfer(u64::MAX, 1), None);
    }

    #[test]
    fn holes_are_whole_blocks_and_the_rest_is_written() {
        let split = |offset, bytes, length| {
            let plan = Hole::within(offset, bytes, length, 10);
            (plan.before, plan.hole, plan.after)
        };
        assert_eq!(split(0, 30, 100), (0..0, 0..30, 30..30));
        assert_eq!(split(5, 30, 100), (5..10, 10..30, 30..35));
        assert_eq!(split(5, 10, 100), (5..15, 15..15, 15..15), "no whole block");
        assert_eq!(split(10, 10, 100), (10..10, 10..20, 20..20));
        assert_eq!(
            split(20, u64::MAX, 35),
            (20..20, 20..30, 30..35),
            "cut at the end"
        );
        assert_eq!(split(50, 10, 35), (35..35, 35..35, 35..35), "past the end");
        assert_eq!(split(0, 0, 35), (0..0, 0..0, 0..0));
    }

    #[test]
    fn a_hole_covers_its_range_once_for_all_small_cases() {
        for block in [1, 2, 4, 7] {
            for offset in 0..20 {
                for bytes in 0..20 {
                    for length in 0..30 {
                        let plan = Hole::within(offset, bytes, length, block);
                        assert_eq!(plan.before.end, plan.hole.start);
                        assert_eq!(plan.hole.end, plan.after.start);
                        assert_eq!(plan.before.start, offset.min(plan.after.end));
                        assert_eq!(plan.after.end, (offset + bytes).min(length));
                        if !plan.hole.is_empty() {
                            assert_eq!(plan.hole.start % block, 0);
                            assert_eq!(plan.hole.end % block, 0);
                            assert!(plan.before.end - plan.before.start < block);
                            assert!(plan.after.end - plan.after.start < block);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn growth_allocates_what_is_missing_at_the_end() {
        let grow = |new_bytes, length| Growth::Grow { new_bytes, length };
        assert_eq!(Growth::plan(0, 100, 0, 0), grow(100, Some(100)));
        assert_eq!(Growth::plan(0, 5000, 10, 4096), grow(904, Some(5000)));
        assert_eq!(Growth::plan(0, 100, 10, 4096), grow(0, Some(100)));
        assert_eq!(Growth::plan(0, 10, 10, 4096), grow(0, None), "all there");
        assert_eq!(
            Growth::plan(50, 0, 10, 4096),
            grow(0, None),
            "nothing asked"
        );
        assert_eq!(Growth::plan(0, 10, 10, 0), Growth::HasHoles);
        assert_eq!(
            Growth::plan(10, 10, 10, 0),
            grow(20, Some(20)),
            "holes elsewhere"
        );
        assert_eq!(Growth::plan(u64::MAX, 1, 0, 0), Growth::TooLarge);
        assert_eq!(Growth::plan(OFFSET_MAX, 1, 0, 0), Growth::TooLarge);
    }
}
