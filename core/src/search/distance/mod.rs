//! What is nearly equal: differing bytes counted (Hamming), and insertions, deletions and replacements (Levenshtein).
//!
//! Places with few differing bytes are searched for at a vector of positions together, a counter a lane. Edit distances are computed bit-parallel, a
//! column of 64 rows in a few instructions: Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic
//! programming", JACM 46(3), 1999, with the horizontal carries of Hyyrö, 2003.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

#[cfg(feature = "alloc")]
mod whole;

use super::dispatch::{dispatch, entry};
use super::vector::{Vector, low_bits};
use core::fmt;
use core::iter::FusedIterator;

#[cfg(feature = "alloc")]
pub use whole::edits;

/// Bytes of a pattern at most, for [`find_near`]: counters have eight bits.
pub const NEAR_MAX: usize = 255;
/// Bytes of a pattern at most, for [`Edits`]: a bit each.
pub const EDITS_MAX: usize = 64;

/// In how many places two pieces of equal length differ; of pieces of different length, those of the longer one that the other lacks differ
/// too.
///
/// ```
/// assert_eq!(underpin_core::search::distance::hamming(b"karolin", b"kathrin"), 3);
/// ```
#[must_use]
pub fn hamming(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let equal = entry!(equal_kernel(a: &[u8], b: &[u8]) -> usize);
    len - equal + a.len().abs_diff(b.len())
}

/// In how many places both have the same byte.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn equal_places<V: Vector>(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (mut at, mut count) = (0, 0);
    // SAFETY: V1; loads are of bytes below `len`.
    unsafe {
        while len - at >= V::BYTES {
            let hit = V::load(a.as_ptr().add(at)).eq(V::load(b.as_ptr().add(at)));
            count += V::bits(hit).count_ones() as usize;
            at += V::BYTES;
        }
        let rest = len - at;
        let one = V::load_short(a.as_ptr().add(at), rest);
        let hit = one.eq(V::load_short(b.as_ptr().add(at), rest));
        count + (V::bits(hit) & low_bits(rest)).count_ones() as usize
    }
}

dispatch!(mod equal_kernel = equal_places, fn(a: &[u8], b: &[u8]) -> usize);

/// The first place where at most `most` bytes differ from `pattern`. None for a pattern longer than [`NEAR_MAX`] or than the haystack.
///
/// ```
/// use underpin_core::search::distance::find_near;
/// assert_eq!(find_near(b"GATTACA in GATTTCA", b"GATTTGA", 1), Some(11));
/// ```
#[must_use]
pub fn find_near(haystack: &[u8], pattern: &[u8], most: usize) -> Option<usize> {
    if pattern.len() > NEAR_MAX || pattern.len() > haystack.len() {
        return None;
    }
    if most >= pattern.len() {
        return Some(0);
    }
    let most = most as u8;
    entry!(near_kernel(haystack: &[u8], pattern: &[u8], most: u8) -> Option<usize>)
}

/// # Safety
/// V1; the pattern has from `most + 1` to [`NEAR_MAX`] bytes, and the haystack has as many at least.
#[inline(always)]
unsafe fn near<V: Vector>(haystack: &[u8], pattern: &[u8], most: u8) -> Option<usize> {
    let last = haystack.len() - pattern.len();
    let most = usize::from(most);
    let mut at = 0;
    // SAFETY: V1; positions up to `last` have the whole pattern's length in the haystack.
    unsafe {
        while at <= last {
            let lanes = (last - at + 1).min(V::BYTES);
            let mut equal = V::splat(0);
            let mut alive = low_bits(lanes);
            for (i, byte) in pattern.iter().enumerate() {
                let from = haystack.as_ptr().add(at + i);
                let bytes = if lanes == V::BYTES {
                    V::load(from)
                } else {
                    V::load_short(from, lanes)
                };
                equal = equal.tally(bytes.eq(V::splat(*byte)));
                // Lanes with too few equal bytes so far cannot win any more.
                if i >= most && (i % 4 == 3 || i + 1 == pattern.len()) {
                    let enough = equal.saturating_sub(V::splat((i - most) as u8));
                    alive &= !V::bits(enough.is_zero());
                    if alive == 0 {
                        break;
                    }
                }
            }
            if alive != 0 {
                return Some(at + alive.trailing_zeros() as usize);
            }
            at += lanes;
        }
    }
    None
}

dispatch!(mod near_kernel = near, fn(haystack: &[u8], pattern: &[u8], most: u8) -> Option<usize>);

/// A pattern is too long for [`Edits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern has more than {EDITS_MAX} bytes")
    }
}

impl core::error::Error for TooLong {}

/// A place where something like the pattern ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// One past its last byte.
    pub end: usize,
    /// How many bytes must be inserted, deleted or replaced.
    pub distance: usize,
}

/// Searches for what some edits would make the pattern. Takes a few instructions for each byte of the haystack, and constant memory.
///
/// ```
/// use underpin_core::search::distance::{Edits, Near};
/// let edits = Edits::new(b"surgery", 2)?;
/// let best = edits.find_iter(b"the survey of surgeons").min_by_key(|near| near.distance);
/// assert_eq!(best, Some(Near { end: 10, distance: 2 }));
/// # Ok::<(), underpin_core::search::distance::TooLong>(())
/// ```
#[derive(Clone)]
pub struct Edits {
    /// For each byte, where it is in the pattern.
    places: [u64; 256],
    len: usize,
    most: usize,
}

impl Edits {
    /// Prepares `pattern`, for up to `most` edits.
    ///
    /// # Errors
    /// More than [`EDITS_MAX`] bytes.
    pub fn new(pattern: &[u8], most: usize) -> Result<Self, TooLong> {
        if pattern.len() > EDITS_MAX {
            return Err(TooLong);
        }
        let mut places = [0; 256];
        for (i, byte) in pattern.iter().enumerate() {
            places[usize::from(*byte)] |= 1 << i;
        }
        Ok(Self {
            places,
            len: pattern.len(),
            most,
        })
    }

    /// Every place after a byte where something ends that is at most as many edits away, in order, with the least number of edits; so a match has neighbours
    /// that are one worse.
    pub const fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> NearIter<'a, 'h> {
        NearIter {
            edits: self,
            haystack,
            at: 0,
            column: Column::FIRST,
            distance: self.len,
        }
    }
}

impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edits")
            .field("len", &self.len)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// Made by [`Edits::find_iter`].
#[derive(Clone, Debug)]
pub struct NearIter<'a, 'h> {
    edits: &'a Edits,
    haystack: &'h [u8],
    at: usize,
    column: Column,
    /// Its last value.
    distance: usize,
}

impl Iterator for NearIter<'_, '_> {
    type Item = Near;

    fn next(&mut self) -> Option<Near> {
        const ANYWHERE: Rows = Rows { grow: 0, fall: 0 };
        let edits = self.edits;
        while let Some(byte) = self.haystack.get(self.at) {
            self.at += 1;
            let rows = self.column.step(edits.places[usize::from(*byte)], ANYWHERE);
            if edits.len > 0 {
                self.distance = rows.next(self.distance, edits.len - 1);
            }
            if self.distance <= edits.most {
                return Some(Near {
                    end: self.at,
                    distance: self.distance,
                });
            }
        }
        None
    }
}

impl FusedIterator for NearIter<'_, '_> {}

/// A column of the matrix of distances, up to 64 rows: where it grows and where it falls from row to row.
#[derive(Clone, Copy, Debug)]
struct Column {
    grows: u64,
    falls: u64,
}

/// How rows differ from the column before, a bit each: one more, or one less.
#[derive(Clone, Copy, Debug)]
struct Rows {
    grow: u64,
    fall: u64,
}

impl Rows {
    /// Of `value`, which is that of row `last`, the next one.
    #[inline(always)]
    const fn next(self, value: usize, last: usize) -> usize {
        value + (self.grow >> last & 1) as usize - (self.fall >> last & 1) as usize
    }
}

impl Column {
    /// The first one: nothing of the text is there yet.
    const FIRST: Self = Self {
        grows: u64::MAX,
        falls: 0,
    };

    /// The next column, for a byte of the text that is in the pattern at `places`. In bit 0 of `above` is how the row above differs: not at all
    /// in a search, where a match may start anywhere; by one more in the first row of a whole comparison.
    #[inline(always)]
    fn step(&mut self, places: u64, above: Rows) -> Rows {
        let matches = places | above.fall;
        let diagonal = (((matches & self.grows).wrapping_add(self.grows)) ^ self.grows) | matches;
        let grow = self.falls | !(diagonal | self.grows);
        let fall = self.grows & diagonal;
        let (up, down) = (grow << 1 | above.grow, fall << 1 | above.fall);
        let vertical = places | self.falls;
        self.grows = down | !(vertical | up);
        self.falls = up & vertical;
        Rows { grow, fall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::detect::Level;
    use alloc::vec::Vec;

    /// The matrix, row by row; `from_anywhere` leaves out what comes before a match.
    fn matrix(pattern: &[u8], text: &[u8], from_anywhere: bool) -> Vec<usize> {
        let mut column: Vec<usize> = (0..=pattern.len()).collect();
        let mut last = alloc::vec![pattern.len()];
        for (j, byte) in text.iter().enumerate() {
            let mut before = column[0];
            column[0] = if from_anywhere { 0 } else { j + 1 };
            for i in 1..=pattern.len() {
                let replaced = before + usize::from(pattern[i - 1] != *byte);
                before = column[i];
                column[i] = replaced.min(column[i] + 1).min(column[i - 1] + 1);
            }
            last.push(column[pattern.len()]);
        }
        last
    }

    fn texts() -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let mut state = 11u64;
        (0..400).map(move |round| {
            let mut below = |bound: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % bound
            };
            let size = [5, 64, 65, 200][round % 4];
            let text: Vec<u8> = (0..below(300)).map(|_| b'a' + below(3) as u8).collect();
            let start = below(text.len() + 1);
            let mut pattern = text[start..text.len().min(start + below(size) + 1)].to_vec();
            for _ in 0..below(5) {
                let at = below(pattern.len() + 1);
                match below(3) {
                    0 => pattern.insert(at, b'd'),
                    1 if at < pattern.len() => drop(pattern.remove(at)),
                    _ => pattern.iter_mut().skip(at).take(1).for_each(|b| *b = b'c'),
                }
            }
            (pattern, text)
        })
    }

    #[test]
    fn edits_are_those_of_the_matrix() {
        for (pattern, text) in texts() {
            let whole = *matrix(&pattern, &text, false).last().unwrap();
            whole::tests::agree(&pattern, &text, whole);
            let Ok(search) = Edits::new(&pattern, 2) else {
                assert!(pattern.len() > EDITS_MAX);
                continue;
            };
            let found: Vec<Near> = search.find_iter(&text).collect();
            let expected: Vec<Near> = matrix(&pattern, &text, true)
                .into_iter()
                .enumerate()
                .skip(1)
                .filter(|(_, distance)| *distance <= 2)
                .map(|(end, distance)| Near { end, distance })
                .collect();
            assert_eq!(found, expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn near_places_are_those_of_a_plain_count() {
        let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
        for (pattern, text) in texts() {
            let len = pattern.len().min(text.len());
            assert_eq!(
                hamming(&pattern, &text),
                differ(&pattern, &text) + pattern.len().abs_diff(text.len())
            );
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                // SAFETY: the level is available.
                let equal = unsafe { equal_kernel::select(level)(&pattern, &text) };
                assert_eq!(equal, len - differ(&pattern, &text), "{level:?}");
                for most in 0..pattern.len().min(4) {
                    if pattern.len() > text.len() {
                        continue;
                    }
                    let expected = text
                        .windows(pattern.len())
                        .position(|window| differ(window, &pattern) <= most);
                    // SAFETY: the level is available; the lengths are as they must be.
                    let found = unsafe { near_kernel::select(level)(&text, &pattern, most as u8) };
                    assert_eq!(found, expected, "{level:?} {most}");
                }
            }
        }
        assert_eq!(find_near(b"abc", b"", 0), Some(0));
        assert_eq!(find_near(b"abc", b"xyz", 3), Some(0));
        assert_eq!(find_near(b"ab", b"abc", 3), None);
        assert_eq!(find_near(&[0; 400], &[0; 300], 3), None);
        assert_eq!(find_near(&[7; 400], &[7; 255], 0), Some(0));
    }
}
