//! A substring without regard to the case of ASCII letters.
//!
//! As in `memmem`, two probes at a vector of positions together, the bytes of letters compared with 0x20 set in both. That lets some
//! punctuation pass for its neighbour, which the comparison of all bytes then finds out. Where more than a few positions of a vector pass,
//! further bytes are tested at all of them, which bounds the work for needles up to 64 bytes; for longer ones compared bytes are on
//! credit, and who is overdrawn continues byte by byte with Two-Way.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::detect::{self, Level};
use super::dispatch::dispatch;
use super::memmem::{Needle, TwoWay, rank};
use super::vector::{Vector, low_bits};
use super::work;
use core::fmt;
use core::iter::FusedIterator;

/// Up to this many candidates of a vector are compared one by one.
const FEW: u32 = 2;
/// Bytes compared in vain that a byte of progress pays for, and what a search starts with.
const CREDIT: usize = 8;
const OVERDRAFT: usize = 4096;
/// Offsets of probes are below this.
const WINDOW: usize = 64;

/// A needle, prepared for searches that ignore ASCII case.
///
/// ```
/// use underpin_core::search::case::Finder;
/// assert_eq!(Finder::new("fox").find(b"The Quick Brown FOX"), Some(16));
/// ```
#[derive(Clone)]
pub struct Finder<'n> {
    needle: Needle<'n>,
    probes: [u8; 2],
    kernel: find_kernel::Kernel,
}

impl<'n> Finder<'n> {
    /// Prepares `needle`.
    #[must_use]
    pub fn new<B: ?Sized + AsRef<[u8]>>(needle: &'n B) -> Self {
        Self::with_level(detect::level(), needle.as_ref())
    }

    /// Prepares `needle` for a level of one's own choice; `None` if this machine does not have it.
    #[must_use]
    pub fn for_level(level: Level, needle: &'n [u8]) -> Option<Self> {
        level
            .is_available()
            .then(|| Self::with_level(level, needle))
    }

    fn with_level(level: Level, needle: &'n [u8]) -> Self {
        let window = &needle[..needle.len().min(WINDOW)];
        // How common a byte and its other case are together.
        let key = |(i, byte): (usize, &u8)| {
            u16::from(rank(*byte).max(rank(other_case(*byte)))) << 8 | i as u16
        };
        let first = window.iter().enumerate().map(key).min().unwrap_or(0) as u8;
        let rest = window
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != usize::from(first));
        let second = rest.map(key).min().unwrap_or(0) as u8;
        Self {
            needle: Needle::Borrowed(needle),
            probes: [first, second],
            kernel: find_kernel::select(level),
        }
    }

    /// The needle.
    #[must_use]
    pub fn needle(&self) -> &[u8] {
        self.needle.bytes()
    }

    /// The same finder with a needle of its own.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> Finder<'static> {
        let needle = match self.needle {
            Needle::Borrowed(bytes) => bytes.into(),
            Needle::Owned(bytes) => bytes,
        };
        Finder {
            needle: Needle::Owned(needle),
            probes: self.probes,
            kernel: self.kernel,
        }
    }

    /// Where the first match starts.
    #[inline]
    #[must_use]
    pub fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.find_at(haystack, 0)
    }

    /// Where the first match starts that starts at `from` or later.
    #[inline]
    #[must_use]
    pub fn find_at(&self, haystack: &[u8], from: usize) -> Option<usize> {
        let needle = self.needle.bytes();
        if needle.is_empty() {
            return (from <= haystack.len()).then_some(from);
        }
        // SAFETY: the level was available; the needle is not empty, and its probes lie in it.
        unsafe { (self.kernel)(needle, self.probes, haystack, from) }
    }

    /// Where matches start, from the front, without overlaps.
    #[inline]
    pub const fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindIter<'a, 'n, 'h> {
        FindIter {
            finder: self,
            haystack,
            next: 0,
        }
    }
}

impl fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder")
            .field("needle", &self.needle.bytes().escape_ascii())
            .finish_non_exhaustive()
    }
}

/// Made by [`Finder::find_iter`].
#[derive(Clone, Debug)]
pub struct FindIter<'a, 'n, 'h> {
    finder: &'a Finder<'n>,
    haystack: &'h [u8],
    next: usize,
}

impl Iterator for FindIter<'_, '_, '_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let at = self.finder.find_at(self.haystack, self.next)?;
        self.next = at + self.finder.needle().len().max(1);
        Some(at)
    }
}

impl FusedIterator for FindIter<'_, '_, '_> {}

const fn other_case(byte: u8) -> u8 {
    if byte.is_ascii_alphabetic() {
        byte ^ 0x20
    } else {
        byte
    }
}

/// A byte of the needle in a vector, and what to set in the haystack's before they are compared.
#[derive(Clone, Copy)]
struct Probe<V> {
    byte: V,
    set: V,
}

impl<V: Vector> Probe<V> {
    /// # Safety
    /// V1.
    #[inline(always)]
    unsafe fn new(byte: u8) -> Self {
        let set = if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
        // SAFETY: V1, the caller's.
        unsafe {
            Self {
                byte: V::splat(byte | set),
                set: V::splat(set),
            }
        }
    }

    #[inline(always)]
    fn test(self, bytes: V) -> V::Hit {
        bytes.or(self.set).eq(self.byte)
    }
}

/// # Safety
/// V1; the needle is not empty, and the probes are offsets in it.
#[inline(always)]
unsafe fn find<V: Vector>(
    needle: &[u8],
    probes: [u8; 2],
    haystack: &[u8],
    from: usize,
) -> Option<usize> {
    let last = haystack.len().checked_sub(needle.len())?;
    let offsets = probes.map(usize::from);
    let mut spent = 0;
    let mut at = from;
    // SAFETY: V1; positions up to `last` have the whole needle's length in the haystack, so a probe's loads for positions up to
    // `last` end inside.
    unsafe {
        let probe = [
            Probe::<V>::new(needle[offsets[0]]),
            Probe::new(needle[offsets[1]]),
        ];
        let here = |at: usize, offset: usize| haystack.as_ptr().add(at + offset);
        let test = |at: usize| {
            V::hit_and(
                probe[0].test(V::load(here(at, offsets[0]))),
                probe[1].test(V::load(here(at, offsets[1]))),
            )
        };
        while at <= last {
            let lanes = last - at + 1;
            let (step, mut bits) = if lanes >= 4 * V::BYTES {
                let hits = [
                    test(at),
                    test(at + V::BYTES),
                    test(at + 2 * V::BYTES),
                    test(at + 3 * V::BYTES),
                ];
                if !V::any(V::hit_or(
                    V::hit_or(hits[0], hits[1]),
                    V::hit_or(hits[2], hits[3]),
                )) {
                    at += 4 * V::BYTES;
                    continue;
                }
                // On to the vector with the first hit.
                let first = hits.iter().position(|hit| V::any(*hit)).unwrap_or(0);
                at += first * V::BYTES;
                (V::BYTES, V::bits(hits[first]))
            } else if lanes >= V::BYTES {
                (V::BYTES, V::bits(test(at)))
            } else {
                let one = probe[0].test(V::load_short(here(at, offsets[0]), lanes));
                let two = probe[1].test(V::load_short(here(at, offsets[1]), lanes));
                (lanes, V::bits(one) & V::bits(two) & low_bits(lanes))
            };
            let mut offset = 0;
            while bits.count_ones() > FEW && offset < needle.len().min(WINDOW) {
                let bytes = if step == V::BYTES {
                    V::load(here(at, offset))
                } else {
                    V::load_short(here(at, offset), step)
                };
                work::add(V::BYTES);
                bits &= V::bits(Probe::new(needle[offset]).test(bytes));
                offset += 1;
            }
            while bits != 0 {
                let start = at + bits.trailing_zeros() as usize;
                let text = &haystack[start..start + needle.len()];
                match needle
                    .iter()
                    .zip(text)
                    .position(|(a, b)| !a.eq_ignore_ascii_case(b))
                {
                    None => return Some(start),
                    Some(same) => {
                        work::add(same + 8);
                        spent += same + 8;
                    }
                }
                bits &= bits - 1;
            }
            at += step;
            let credit = (at - from)
                .saturating_mul(CREDIT)
                .saturating_add(OVERDRAFT + 4 * needle.len());
            if needle.len() > WINDOW && spent > credit {
                return two_way(needle, haystack, at);
            }
        }
    }
    None
}

/// For haystacks made to be hard: linear, byte by byte.
#[cold]
fn two_way(needle: &[u8], haystack: &[u8], from: usize) -> Option<usize> {
    let byte = |i: usize| needle[i].to_ascii_lowercase();
    let text = |i: usize| haystack[from + i].to_ascii_lowercase();
    let factors = TwoWay::of(needle.len(), &byte);
    factors
        .find_by(
            needle.len(),
            &byte,
            haystack.len().saturating_sub(from),
            &text,
        )
        .map(|at| from + at)
}

dispatch!(mod find_kernel = find, fn(needle: &[u8], probes: [u8; 2], haystack: &[u8], from: usize) -> Option<usize>);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn naive(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at + needle.len() <= haystack.len() {
            if haystack[at..at + needle.len()].eq_ignore_ascii_case(needle) {
                all.push(at);
                at += needle.len().max(1);
            } else {
                at += 1;
            }
        }
        all
    }

    fn agree(haystack: &[u8], needle: &[u8]) {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let finder = Finder::for_level(level, needle).unwrap();
            let found: Vec<usize> = finder.find_iter(haystack).collect();
            assert_eq!(
                found,
                naive(haystack, needle),
                "{level:?} {} in {}",
                needle.escape_ascii(),
                haystack.escape_ascii()
            );
        }
    }

    #[test]
    fn letters_match_in_either_case_and_nothing_else_does() {
        let all: Vec<u8> = (0..=255).collect();
        for byte in 0..=255 {
            agree(&all, &[byte]);
            agree(&[b'x', byte, b'Y', byte ^ 0x20, b'y'], &[byte, b'Y']);
        }
        agree(b"", b"");
        agree(b"abc", b"");
    }

    #[test]
    fn random_texts() {
        let mut state = 9u64;
        let mut below = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        for round in 0..1_200 {
            let letters: &[u8] = [&b"aAbB"[..], b"abcABC@`[{", b"aA"][round % 3];
            let len = below(400);
            let haystack: Vec<u8> = (0..len).map(|_| letters[below(letters.len())]).collect();
            let size = below([4, 9, 100][round / 3 % 3]).min(len);
            let start = below(len - size + 1);
            let mut needle = haystack[start..start + size].to_vec();
            if round % 2 == 0 {
                needle.make_ascii_uppercase();
            }
            agree(&haystack, &needle);
        }
    }

    #[test]
    fn a_hard_text_goes_to_two_way() {
        let needle = [vec![b'a'; 100], vec![b'B'], vec![b'a'; 100]].concat();
        let mut haystack = vec![b'A'; 40_000];
        haystack.extend_from_slice(&needle.to_ascii_lowercase());
        agree(&haystack, &needle);
    }
}
