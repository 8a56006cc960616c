//! A substring without regard to the case of any script: Unicode's simple case folding.
//!
//! Two characters count as equal if they fold to the same one: `ſ`, `s` and `S`, or `ω`, `Ω` and the ohm sign. Each character stands for one
//! (`ß` is not `ss`), so a match has as many characters as the needle, but not always as many bytes.
//!
//! A needle's longest piece whose spellings are all equally long in UTF-8 is where the search starts: two of its bytes, each in all the
//! values that it may have, are tested at a vector of positions together; around what passes, characters are compared one by one. Text that is not
//! UTF-8 matches nothing where it is not.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

mod table;

use super::detect::{self, Level};
use super::dispatch::dispatch;
use super::memmem::rank;
use super::utf8::{first_char, last_char};
use super::vector::{Vector, low_bits};
use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;
use table::RANGES;

/// What `char` is without its case: Unicode's simple case folding.
///
/// ```
/// use underpin_core::search::fold::fold_char;
/// assert_eq!((fold_char('Σ'), fold_char('ς'), fold_char('K')), ('σ', 'σ', 'k'));
/// ```
#[must_use]
pub fn fold_char(char: char) -> char {
    if char.is_ascii() {
        return char.to_ascii_lowercase();
    }
    let code = u32::from(char);
    let after = RANGES.partition_point(|range| range.first <= code);
    match after.checked_sub(1).and_then(|i| RANGES.get(i)) {
        Some(range) if code <= range.last && (code - range.first).is_multiple_of(range.step) => {
            char::from_u32(code.wrapping_add_signed(range.delta)).unwrap_or(char)
        }
        _ => char,
    }
}

/// Characters that fold to one at most.
const SPELLINGS: usize = 4;

/// All characters that are equal to `char` but for their case, itself among them: from one to four, in no order.
pub fn spellings(char: char) -> impl Iterator<Item = char> {
    let folded = fold_char(char);
    let others = RANGES.iter().filter_map(move |range| {
        let code = u32::from(folded).wrapping_add_signed(range.delta.wrapping_neg());
        let is_in = (range.first..=range.last).contains(&code)
            && (code - range.first).is_multiple_of(range.step);
        if is_in { char::from_u32(code) } else { None }
    });
    core::iter::once(folded).chain(others)
}

/// Whether the two are equal but for the case of their characters.
#[must_use]
pub fn eq(a: &str, b: &str) -> bool {
    a.chars().map(fold_char).eq(b.chars().map(fold_char))
}

/// A byte of the anchor, and what it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    offset: u8,
    /// The values, the last one repeated.
    bytes: [u8; SPELLINGS],
}

/// Bytes of an anchor that probes are chosen from.
const WINDOW: usize = 64;

/// A needle, prepared.
///
/// Searching takes time linear in the haystack for what people write; at worst, haystack times needle.
///
/// ```
/// use underpin_core::search::fold::Finder;
/// assert_eq!(Finder::new("ФАЙЛ").find("новый файл".as_bytes()), Some(11..19));
/// ```
#[derive(Clone)]
pub struct Finder<'n> {
    needle: &'n str,
    /// Where the anchor starts in the needle.
    anchor: usize,
    probes: [Probe; 2],
    kernel: next_candidates::Kernel,
}

impl<'n> Finder<'n> {
    /// Prepares `needle`.
    #[must_use]
    pub fn new(needle: &'n str) -> Self {
        Self::with_level(detect::level(), needle)
    }

    /// Prepares `needle` for a level of one's own choice; `None` if this machine does not have it.
    #[must_use]
    pub fn for_level(level: Level, needle: &'n str) -> Option<Self> {
        level
            .is_available()
            .then(|| Self::with_level(level, needle))
    }

    fn with_level(level: Level, needle: &'n str) -> Self {
        let (anchor, probes) = plan(needle);
        Self {
            needle,
            anchor,
            probes,
            kernel: next_candidates::select(level),
        }
    }

    /// The needle.
    #[must_use]
    pub const fn needle(&self) -> &'n str {
        self.needle
    }

    /// The first match's bytes. An empty needle matches at every byte.
    #[must_use]
    pub fn find(&self, haystack: &[u8]) -> Option<Range<usize>> {
        self.find_at(haystack, 0)
    }

    /// The bytes of the first match that starts at `from` or later.
    #[must_use]
    pub fn find_at(&self, haystack: &[u8], from: usize) -> Option<Range<usize>> {
        if self.needle.is_empty() {
            return (from <= haystack.len()).then_some(from..from);
        }
        let mut next = from;
        while next < haystack.len() {
            // SAFETY: the level was available.
            let mut candidates = unsafe { (self.kernel)(&self.probes, haystack, next) };
            while candidates.mask != 0 {
                let at = candidates.base + candidates.mask.trailing_zeros() as usize;
                candidates.mask &= candidates.mask - 1;
                if let Some(start) = self.start(&haystack[..at])
                    && start >= from
                    && let Some(end) = self.end(haystack, at)
                {
                    return Some(start..end);
                }
            }
            next = candidates.next;
        }
        None
    }

    /// Matches from the front, without overlaps.
    pub const fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindIter<'a, 'n, 'h> {
        FindIter {
            finder: self,
            haystack,
            next: 0,
        }
    }

    /// Where a match starts whose anchor comes after `before`.
    fn start(&self, before: &[u8]) -> Option<usize> {
        let mut rest = before;
        for wanted in self.needle[..self.anchor].chars().rev() {
            let (found, len) = last_char(rest)?;
            if fold_char(found) != fold_char(wanted) {
                return None;
            }
            rest = &rest[..rest.len() - len];
        }
        Some(rest.len())
    }

    /// Where a match ends whose anchor is at `at`.
    fn end(&self, haystack: &[u8], at: usize) -> Option<usize> {
        let mut end = at;
        for wanted in self.needle[self.anchor..].chars() {
            let (found, len) = first_char(&haystack[end..])?;
            if found != wanted && fold_char(found) != fold_char(wanted) {
                return None;
            }
            end += len;
        }
        Some(end)
    }
}

impl fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder")
            .field("needle", &self.needle)
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
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let found = self.finder.find_at(self.haystack, self.next)?;
        self.next = found.end + usize::from(found.is_empty());
        Some(found)
    }
}

impl FusedIterator for FindIter<'_, '_, '_> {}

/// Where the anchor starts in the needle, and its two probes. The anchor is the longest piece of characters whose spellings are equally long;
/// if there is none, the needle's first character, of which only the first byte can be tested.
fn plan(needle: &str) -> (usize, [Probe; 2]) {
    let is_rigid = |char: char| spellings(char).all(|other| other.len_utf8() == char.len_utf8());
    let (mut best, mut start) = (0..0, 0);
    for (at, char) in needle.char_indices() {
        let end = at + char.len_utf8();
        if !is_rigid(char) {
            start = end;
        } else if end - start > best.len() && best.len() < WINDOW {
            best = start..end;
        }
    }
    let anchor = &needle[best.start..];
    let testable = if best.is_empty() { 1 } else { best.len() };
    let mut ranked = [(u8::MAX, probe_at(anchor, 0)); 2];
    for offset in 0..testable.min(WINDOW) {
        let probe = probe_at(anchor, offset);
        let rank = probe
            .bytes
            .iter()
            .map(|byte| rank(*byte))
            .max()
            .unwrap_or(0);
        let entry = (rank, probe);
        if offset == 0 || rank < ranked[0].0 {
            ranked[1] = if offset == 0 { entry } else { ranked[0] };
            ranked[0] = entry;
        } else if offset == 1 || rank < ranked[1].0 {
            ranked[1] = entry;
        }
    }
    (best.start, ranked.map(|(_, probe)| probe))
}

/// What byte `offset` of `text` may be.
fn probe_at(text: &str, offset: usize) -> Probe {
    let mut at = 0;
    let mut bytes = [0; SPELLINGS];
    let mut used = 0;
    for char in text.chars() {
        let end = at + char.len_utf8();
        if offset < end {
            for spelling in spellings(char) {
                let mut encoded = [0; 4];
                spelling.encode_utf8(&mut encoded);
                let byte = encoded[offset - at];
                if used < SPELLINGS && !bytes[..used].contains(&byte) {
                    bytes[used] = byte;
                    used += 1;
                }
            }
            break;
        }
        at = end;
    }
    for i in used..SPELLINGS {
        bytes[i] = bytes[used.saturating_sub(1)];
    }
    Probe {
        offset: offset as u8,
        bytes,
    }
}

/// Positions that passed: `base + i` for every bit `i` of `mask`; all before `next` has been looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates {
    base: usize,
    mask: u64,
    next: usize,
}

/// The next vector of positions at or after `from` where an anchor may be.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn candidates<V: Vector>(probes: &[Probe; 2], haystack: &[u8], from: usize) -> Candidates {
    let is_wide = probes.iter().any(|probe| probe.bytes[1] != probe.bytes[3]);
    // SAFETY: V1, the caller's.
    unsafe {
        if is_wide {
            scan::<V, SPELLINGS>(probes, haystack, from)
        } else {
            scan::<V, 2>(probes, haystack, from)
        }
    }
}

/// # Safety
/// V1.
#[inline(always)]
unsafe fn scan<V: Vector, const N: usize>(
    probes: &[Probe; 2],
    haystack: &[u8],
    from: usize,
) -> Candidates {
    let len = haystack.len();
    let nothing = Candidates {
        base: len,
        mask: 0,
        next: len,
    };
    let offsets = [usize::from(probes[0].offset), usize::from(probes[1].offset)];
    let Some(last) = len.checked_sub(1 + offsets[0].max(offsets[1])) else {
        return nothing;
    };
    let mut at = from;
    // SAFETY: V1; for positions up to `last`, both bytes are in the haystack: whole vectors where there are as many, else those left.
    unsafe {
        let mut bytes = [[V::splat(0); N]; 2];
        for (bytes, probe) in bytes.iter_mut().zip(probes) {
            for (vector, byte) in bytes.iter_mut().zip(probe.bytes) {
                *vector = V::splat(byte);
            }
        }
        while at <= last {
            let lanes = (last - at + 1).min(V::BYTES);
            let here = haystack.as_ptr().add(at);
            let (one, two) = if lanes == V::BYTES {
                (V::load(here.add(offsets[0])), V::load(here.add(offsets[1])))
            } else {
                (
                    V::load_short(here.add(offsets[0]), lanes),
                    V::load_short(here.add(offsets[1]), lanes),
                )
            };
            let hit = V::hit_and(any_of(one, &bytes[0]), any_of(two, &bytes[1]));
            if V::any(hit) {
                let mask = V::bits(hit) & low_bits(lanes);
                if mask != 0 {
                    return Candidates {
                        base: at,
                        mask,
                        next: at + lanes,
                    };
                }
            }
            at += lanes;
        }
    }
    nothing
}

#[inline(always)]
fn any_of<V: Vector, const N: usize>(bytes: V, values: &[V; N]) -> V::Hit {
    let mut hit = bytes.eq(values[0]);
    let mut i = 1;
    while i < N {
        hit = V::hit_or(hit, bytes.eq(values[i]));
        i += 1;
    }
    hit
}

dispatch!(mod next_candidates = candidates, fn(probes: &[Probe; 2], haystack: &[u8], from: usize) -> Candidates);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Character by character.
    fn naive(haystack: &str, needle: &str) -> Vec<Range<usize>> {
        let (mut all, mut free) = (Vec::new(), 0);
        for (start, _) in haystack.char_indices() {
            let mut wanted = needle.chars();
            let mut end = start;
            let mut rest = haystack[start..].chars();
            let is_match = wanted.all(|wanted| match rest.next() {
                Some(found) => {
                    end += found.len_utf8();
                    fold_char(found) == fold_char(wanted)
                }
                None => false,
            });
            if is_match && start >= free {
                all.push(start..end);
                free = end;
            }
        }
        all
    }

    fn agree(haystack: &str, needle: &str) {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            let finder = Finder::for_level(level, needle).unwrap();
            let found: Vec<_> = finder.find_iter(haystack.as_bytes()).collect();
            assert_eq!(
                found,
                naive(haystack, needle),
                "{level:?} {needle:?} {haystack:?}"
            );
        }
    }

    #[test]
    fn folding_is_idempotent_and_spellings_are_its_reverse() {
        for char in (0..=0x1_ffff).filter_map(char::from_u32) {
            let folded = fold_char(char);
            assert_eq!(fold_char(folded), folded, "{char:?}");
            if char.is_ascii() || folded != char {
                assert!(spellings(folded).any(|other| other == char), "{char:?}");
                assert!(spellings(char).count() <= SPELLINGS);
                assert!(spellings(char).all(|other| fold_char(other) == folded));
            }
        }
        assert!(eq("ΣΊΣΥΦΟΣ", "σίσυφος") && !eq("ß", "ss") && !eq("a", "ab"));
    }

    #[test]
    fn random_texts_with_characters_of_every_length() {
        let mut state = 3u64;
        let mut below = |bound: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let alphabets = ["aAbB", "kK\u{212a}sSſ", "фФыЫ ", "ωΩΩåÅÅß\u{1e9e}", "𐐀𐐨𐐁a"];
        for round in 0..1_500 {
            let letters: Vec<char> = alphabets[round % 5].chars().collect();
            let len = below(160);
            let haystack: Vec<char> = (0..len).map(|_| letters[below(letters.len())]).collect();
            let size = 1 + below([2, 5, 40][round / 5 % 3]);
            let needle: String = if round % 2 == 0 && size <= len {
                let start = below(len - size + 1);
                haystack[start..start + size]
                    .iter()
                    .map(|char| {
                        let number = below(spellings(*char).count());
                        spellings(*char).nth(number).unwrap()
                    })
                    .collect()
            } else {
                (0..size).map(|_| letters[below(letters.len())]).collect()
            };
            agree(&haystack.iter().collect::<String>(), &needle);
        }
    }

    #[test]
    fn what_is_not_utf8_is_no_match() {
        let finder = Finder::new("é");
        assert_eq!(finder.find(b"\xc3"), None);
        assert_eq!(finder.find(b"\xa9\xc3\xc3\x89"), Some(2..4));
        assert_eq!(
            Finder::new("sk").find(b"\xc5\xbf\xff\xc5\xbf\xe2\x84\xaa"),
            Some(3..8)
        );
        assert_eq!(Finder::new("").find_iter(b"ab").count(), 3);
        assert_eq!(Finder::new("a").find_at(b"a", 9), None);
    }
}
