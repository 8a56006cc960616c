//! Counts of numbers by size, a sixteenth apart: quantiles of times in a few kilobytes, counted from any thread without a lock.
//!
//! Log-linear: each power of two is cut into sixteen equal buckets, and what is below sixteen has one each. So a quantile is at most a
//! sixteenth above the number it stands for.
#![forbid(unsafe_code)]

use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::boxed::Box;

/// Bits of a number that count besides its magnitude.
const SUB_BITS: u32 = 4;
const SUB: usize = 1 << SUB_BITS;
/// Larger numbers count as this power of two: nearly five hours in nanoseconds.
const MAGNITUDE_MAX: u32 = 43;
const BUCKETS: usize = (MAGNITUDE_MAX - SUB_BITS + 2) as usize * SUB;

/// Counts of numbers by size, sixteen buckets to a power of two. A number may be in the buckets and not yet in the total while it is being counted.
#[derive(Debug)]
pub struct Histogram {
    /// On the heap: a stack may be smaller.
    buckets: Box<[AtomicUsize]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

const fn bucket(number: u64) -> usize {
    if number < SUB as u64 {
        return number as usize;
    }
    let magnitude = number.ilog2();
    if magnitude > MAGNITUDE_MAX {
        return BUCKETS - 1;
    }
    let sub = (number >> (magnitude - SUB_BITS)) as usize % SUB;
    (magnitude - SUB_BITS + 1) as usize * SUB + sub
}

/// The largest number in a bucket.
const fn largest(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket / SUB - 1) as u32;
    (((SUB + bucket % SUB + 1) as u64) << shift) - 1
}

impl Histogram {
    /// Counts a number. Relaxed: counts say nothing of other memory.
    pub fn count(&self, number: u64) {
        self.buckets[bucket(number)].fetch_add(1, Ordering::Relaxed);
    }

    /// Numbers counted.
    pub fn total(&self) -> u64 {
        self.sum_of(|_| 1)
    }

    fn sum_of(&self, weight: impl Fn(usize) -> u64) -> u64 {
        let buckets = self.buckets.iter().enumerate();
        let counts = buckets.map(|(at, count)| (at, count.load(Ordering::Relaxed) as u64));
        counts.fold(0, |sum, (at, count)| {
            sum.saturating_add(count.saturating_mul(weight(at)))
        })
    }

    /// The mean, at most a sixteenth too large; 0 of nothing.
    pub fn mean(&self) -> u64 {
        self.sum_of(largest).checked_div(self.total()).unwrap_or(0)
    }

    /// A number that so many millionths of those counted are not above; 0 of nothing.
    pub fn quantile(&self, millionths: u64) -> u64 {
        let total = u128::from(self.total());
        let rank = (total * u128::from(millionths.min(1_000_000))).div_ceil(1_000_000);
        let mut seen = 0u128;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count.load(Ordering::Relaxed) as u128;
            if seen >= rank && seen > 0 {
                return largest(at);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_a_sixteenth_apart_and_all_numbers_have_one() {
        let mut last = 0;
        for at in 1..BUCKETS {
            assert_eq!(bucket(last), at - 1);
            assert_eq!(bucket(last + 1), at);
            let end = largest(at);
            assert!(end > last && end - last <= 1 + last / 16);
            last = end;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_at_most_a_sixteenth_too_large() {
        let histogram = Histogram::default();
        assert_eq!((histogram.quantile(500_000), histogram.mean()), (0, 0));
        (1..=10_000).for_each(|number| histogram.count(number * 1000));
        assert_eq!(histogram.total(), 10_000);
        for (millionths, exact) in [
            (500_000, 5_000_000),
            (990_000, 9_900_000),
            (1_000_000, 10_000_000),
        ] {
            let found = histogram.quantile(millionths);
            assert!((exact..=exact + exact / 16).contains(&found), "{found}");
        }
        assert!((5_000_000..5_400_000).contains(&histogram.mean()));
    }
}
