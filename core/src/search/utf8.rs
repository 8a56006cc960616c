//! UTF-8: validation with the place of the error, counting, boundaries, and the valid pieces of what is not valid.
//!
//! Validation is Keiser and Lemire's, "Validating UTF-8 in less than one instruction per byte", 2021: three shuffles by halves of a byte and of
//! the one before it classify every two-byte pattern that is wrong, and two saturating subtractions say where third and fourth bytes must
//! be. We load the preceding bytes again instead of shifting registers, skip ASCII four vectors at a time, and leave the exact place of an error
//! to the standard library, which is given the few bytes around it.
#![allow(unsafe_code, reason = "loads at positions the loops keep in bounds")]

use super::byte::{class::Class, kernel};
use super::dispatch::{dispatch, entry};
use super::vector::Vector;
use core::fmt;
use core::iter::FusedIterator;
use core::str;

/// Where bytes stop being UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf8Error {
    valid_up_to: usize,
    error_len: Option<u8>,
}

impl Utf8Error {
    /// How many bytes from the start are valid.
    #[must_use]
    pub const fn valid_up_to(&self) -> usize {
        self.valid_up_to
    }

    /// How many bytes after those are wrong whatever follows; none if the input ends within a character.
    #[must_use]
    pub fn error_len(&self) -> Option<usize> {
        self.error_len.map(usize::from)
    }
}

impl fmt::Display for Utf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error_len {
            Some(len) => write!(f, "{len} bytes at {} are not UTF-8", self.valid_up_to),
            None => write!(
                f,
                "the last character, at {}, is not complete",
                self.valid_up_to
            ),
        }
    }
}

impl core::error::Error for Utf8Error {}

/// `bytes` as a string.
///
/// ```
/// use underpin_core::search::utf8;
/// assert_eq!(utf8::validate("größe".as_bytes()), Ok("größe"));
/// let error = utf8::validate(b"abc\xffdef").unwrap_err();
/// assert_eq!((error.valid_up_to(), error.error_len()), (3, Some(1)));
/// ```
///
/// # Errors
/// Where the first wrong byte is, and how many there are.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, Utf8Error> {
    let checked = entry!(check_kernel(bytes: &[u8]) -> usize);
    finish(bytes, checked)
}

/// The standard library looks at what the kernel left: all from a boundary at or before `checked`.
#[inline]
fn finish(bytes: &[u8], checked: usize) -> Result<&str, Utf8Error> {
    if checked < bytes.len()
        && let Err(error) = str::from_utf8(&bytes[checked..])
    {
        return Err(Utf8Error {
            valid_up_to: checked + error.valid_up_to(),
            error_len: error.error_len().map(|len| len as u8),
        });
    }
    // SAFETY: the kernel has checked what is before `checked`, the standard library the rest.
    Ok(unsafe { str::from_utf8_unchecked(bytes) })
}

/// Inputs shorter than this are left to the standard library.
const SHORT: usize = 12;

const TOO_SHORT: u8 = 1;
const TOO_LONG: u8 = 1 << 1;
const OVERLONG_3: u8 = 1 << 2;
const TOO_LARGE: u8 = 1 << 3;
const SURROGATE: u8 = 1 << 4;
const OVERLONG_2: u8 = 1 << 5;
const TOO_LARGE_1000: u8 = 1 << 6;
const OVERLONG_4: u8 = 1 << 6;
const TWO_CONTINUATIONS: u8 = 1 << 7;
/// What the lower half of the first byte has no say in.
const ANY: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;

const FIRST_HIGH: [u8; 16] = {
    let mut table = [TOO_LONG; 16];
    let mut i = 8;
    while i < 12 {
        table[i] = TWO_CONTINUATIONS;
        i += 1;
    }
    table[12] = TOO_SHORT | OVERLONG_2;
    table[13] = TOO_SHORT;
    table[14] = TOO_SHORT | OVERLONG_3 | SURROGATE;
    table[15] = TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4;
    table
};

const FIRST_LOW: [u8; 16] = {
    let mut table = [ANY | TOO_LARGE | TOO_LARGE_1000; 16];
    table[0] = ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4;
    table[1] = ANY | OVERLONG_2;
    table[2] = ANY;
    table[3] = ANY;
    table[4] = ANY | TOO_LARGE;
    table[13] |= SURROGATE;
    table
};

const SECOND_HIGH: [u8; 16] = {
    let mut table = [TOO_SHORT; 16];
    let all = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS;
    table[8] = all | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4;
    table[9] = all | OVERLONG_3 | TOO_LARGE;
    table[10] = all | SURROGATE | TOO_LARGE;
    table[11] = all | SURROGATE | TOO_LARGE;
    table
};

struct Tables<V> {
    first_high: V,
    first_low: V,
    second_high: V,
    low_nibble: V,
    third: V,
    fourth: V,
    top: V,
}

impl<V: Vector> Tables<V> {
    /// # Safety
    /// V1, and V shuffles.
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller's.
        unsafe {
            Self {
                first_high: V::table(&FIRST_HIGH),
                first_low: V::table(&FIRST_LOW),
                second_high: V::table(&SECOND_HIGH),
                low_nibble: V::splat(15),
                third: V::splat(0xe0 - 0x80),
                fourth: V::splat(0xf0 - 0x80),
                top: V::splat(0x80),
            }
        }
    }

    /// Lanes that are not zero are wrong.
    ///
    /// # Safety
    /// V1; a vector at `at`, and three bytes before it.
    #[inline(always)]
    unsafe fn errors(&self, at: *const u8, bytes: V) -> V {
        // SAFETY: the caller's.
        let before = unsafe { (V::load(at.sub(1)), V::load(at.sub(2)), V::load(at.sub(3))) };
        self.classify(bytes, before)
    }

    /// `before` are the vectors one, two and three bytes before `bytes`.
    #[inline(always)]
    fn classify(&self, bytes: V, (one, two, three): (V, V, V)) -> V {
        let pair = self
            .first_high
            .shuffle(one.high_nibbles())
            .and(self.first_low.shuffle(one.and(self.low_nibble)))
            .and(self.second_high.shuffle(bytes.high_nibbles()));
        let must = two
            .saturating_sub(self.third)
            .or(three.saturating_sub(self.fourth));
        must.and(self.top).xor(pair)
    }
}

/// How many bytes from the start are valid for sure; they end at a boundary.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn check<V: Vector>(bytes: &[u8]) -> usize {
    let len = bytes.len();
    if len < SHORT || !V::SHUFFLES || (!V::MASKED && len < V::BYTES + 8) {
        return 0;
    }
    // SAFETY: V1; vectors are loaded whole where they fit, after at least three bytes, else masked.
    unsafe {
        let tables = Tables::<V>::new();
        let here = |at: usize| bytes.as_ptr().add(at);
        let is_zero = V::is_all_zero;
        let mut at;
        if V::MASKED {
            // Zeros come before, and after if there is room for them: they close the last character.
            let lanes = len.min(V::BYTES);
            let first = if lanes == V::BYTES {
                V::load(here(0))
            } else {
                V::load_short(here(0), lanes)
            };
            let before = |gap: usize| V::load_late(here(0), gap, (lanes + gap).min(V::BYTES));
            if !is_zero(tables.classify(first, (before(1), before(2), before(3)))) {
                return 0;
            }
            if lanes < V::BYTES || len == V::BYTES && is_complete(bytes) {
                return len;
            }
            at = V::BYTES;
        } else {
            match first_three(bytes) {
                Ok(end) => at = end,
                Err(end) => return end,
            }
        }
        let mut safe = at;
        // Up to where vectors are aligned; what they have of the ones before them was looked at.
        if at == V::BYTES && len >= 16 * V::BYTES {
            if !is_zero(tables.errors(here(at), V::load(here(at)))) {
                return boundary(bytes, safe);
            }
            at = 2 * V::BYTES - here(0).addr() % V::BYTES;
            safe = at;
        }
        // Whether the bytes before `at` may end within a character.
        let mut open = V::MASKED;
        while len - at >= 4 * V::BYTES {
            let group = [
                V::load(here(at)),
                V::load(here(at + V::BYTES)),
                V::load(here(at + 2 * V::BYTES)),
                V::load(here(at + 3 * V::BYTES)),
            ];
            let all = group[0].or(group[1]).or(group[2].or(group[3]));
            if all.top_bits() == 0 {
                if open && !is_complete(&bytes[..at]) {
                    return boundary(bytes, safe);
                }
                open = false;
                at += 4 * V::BYTES + ascii::<V>(&bytes[at + 4 * V::BYTES..]);
            } else {
                let mut errors = tables.errors(here(at), group[0]);
                for (i, vector) in group.into_iter().enumerate().skip(1) {
                    errors = errors.or(tables.errors(here(at + i * V::BYTES), vector));
                }
                if !is_zero(errors) {
                    return boundary(bytes, safe);
                }
                open = true;
                at += 4 * V::BYTES;
            }
            safe = at;
        }
        while len - at >= V::BYTES {
            let vector = V::load(here(at));
            if !is_zero(tables.errors(here(at), vector)) {
                return boundary(bytes, safe);
            }
            at += V::BYTES;
            safe = at;
        }
        let rest = len - at;
        if rest > 0 && V::MASKED {
            let before = |gap: usize| V::load_short(here(at - gap), (rest + gap).min(V::BYTES));
            let vector = V::load_short(here(at), rest);
            return if is_zero(tables.classify(vector, (before(1), before(2), before(3)))) {
                len
            } else {
                boundary(bytes, safe)
            };
        }
        if rest > 0 {
            // A last vector that overlaps what was checked; the haystack is long enough for it to have three bytes before it.
            let last = len - V::BYTES;
            if !is_zero(tables.errors(here(last), V::load(here(last)))) {
                return boundary(bytes, safe.min(last));
            }
            at = len;
        }
        if at == len && is_complete(bytes) {
            len
        } else {
            boundary(bytes, safe.min(len.saturating_sub(4).max(3)))
        }
    }
}

/// How many bytes from the start are ASCII, by eight vectors.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn ascii<V: Vector>(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes.len() - at >= 8 * V::BYTES {
        // SAFETY: V1; so many bytes are left.
        let top_bits = unsafe {
            let from = bytes.as_ptr().add(at);
            let load = |i: usize| V::load(from.add(i * V::BYTES));
            let low = load(0).or(load(1)).or(load(2).or(load(3)));
            let high = load(4).or(load(5)).or(load(6).or(load(7)));
            low.or(high).top_bits()
        };
        if top_bits != 0 {
            break;
        }
        at += 8 * V::BYTES;
    }
    at
}

/// How many bytes at the start of a longer text are checked one character after the other, so that three lie before the first vector; and
/// whether they are valid.
#[inline(always)]
fn first_three(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    while at < 3 {
        let width = match bytes[at] {
            0..0x80 => 1,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        if str::from_utf8(&bytes[at..at + width]).is_err() {
            return Err(at);
        }
        at += width;
    }
    Ok(at)
}

/// Whether the last character of checked bytes is whole.
#[inline(always)]
fn is_complete(bytes: &[u8]) -> bool {
    let back = |n: usize| bytes[bytes.len() - n];
    back(1) < 0xc0 && back(2) < 0xe0 && back(3) < 0xf0
}

/// The last place at or before `at` where a character starts. All before `at` is valid, but the last character may be cut.
#[inline(always)]
fn boundary(bytes: &[u8], at: usize) -> usize {
    let lowest = at.saturating_sub(3);
    // A lead byte among the last three may belong to a character that goes on.
    (lowest..at).rev().find(|i| bytes[*i] >= 0xc0).unwrap_or(at)
}

dispatch!(mod check_kernel = check, fn(bytes: &[u8]) -> usize);

/// Continuation bytes, `0b10xx_xxxx`.
#[derive(Clone, Copy)]
struct Continuation;

impl Class for Continuation {
    type Needles<V: Vector> = (V, V);

    #[inline(always)]
    unsafe fn prepare<V: Vector>(self) -> (V, V) {
        // SAFETY: V1, the caller's.
        unsafe { (V::splat(0xc0), V::splat(0x80)) }
    }
    #[inline(always)]
    fn test<V: Vector>(needles: &(V, V), bytes: V) -> V::Hit {
        bytes.and(needles.0).eq(needles.1)
    }
    #[inline(always)]
    fn test_byte(self, byte: u8) -> bool {
        byte & 0xc0 == 0x80
    }
}

#[inline(always)]
unsafe fn continuations<V: Vector>(bytes: &[u8]) -> usize {
    // SAFETY: V1, the caller's.
    unsafe { kernel::count::<V, _>(Continuation, bytes) }
}

dispatch!(mod continuations_kernel = continuations, fn(bytes: &[u8]) -> usize);

/// How many characters `bytes` has, if it is UTF-8; else, how many bytes that are no continuation bytes.
#[inline]
#[must_use]
pub fn count_chars(bytes: &[u8]) -> usize {
    bytes.len() - entry!(continuations_kernel(bytes: &[u8]) -> usize)
}

/// Whether a character starts, or the text ends, at `at`.
#[inline]
#[must_use]
pub fn is_boundary(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        Some(byte) => byte & 0xc0 != 0x80,
        None => at == bytes.len(),
    }
}

/// The last boundary at or before `at`; at most three bytes are looked at, so in what is not UTF-8 it may be none.
#[inline]
#[must_use]
pub fn floor_boundary(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    (0..=at.min(3))
        .map(|back| at - back)
        .find(|at| is_boundary(bytes, *at))
        .unwrap_or(at)
}

/// The character that `bytes` start with, and its length; none if they start with none that is valid and whole.
#[inline]
#[must_use]
pub fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let len = match *bytes.first()? {
        byte @ 0..0x80 => return Some((char::from(byte), 1)),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let text = str::from_utf8(bytes.get(..len)?).ok()?;
    text.chars().next().map(|char| (char, len))
}

/// The character that `bytes` end with, and its length; none if they end with none that is valid and whole.
#[inline]
#[must_use]
pub fn last_char(bytes: &[u8]) -> Option<(char, usize)> {
    let last = bytes.len().checked_sub(1)?;
    if bytes[last] < 0x80 {
        return Some((char::from(bytes[last]), 1));
    }
    let start = floor_boundary(bytes, last);
    first_char(&bytes[start..]).filter(|(_, len)| start + len == bytes.len())
}

/// The byte at which character number `n` starts, counted from 0; none if there are no more than `n`.
#[must_use]
pub fn nth_char(text: &str, mut n: usize) -> Option<usize> {
    const STRIDE: usize = 1024;
    let bytes = text.as_bytes();
    let mut start = 0;
    while bytes.len() - start > STRIDE {
        let count = count_chars(&bytes[start..start + STRIDE]);
        if count > n {
            break;
        }
        n -= count;
        start += STRIDE;
    }
    let mut starts = (start..bytes.len()).filter(|at| is_boundary(bytes, *at));
    starts.nth(n)
}

/// A valid piece, and the wrong bytes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// May be empty.
    pub valid: &'b str,
    /// Up to three bytes, to be shown as one replacement character; empty after the last valid piece.
    pub invalid: &'b [u8],
}

/// The valid pieces of `bytes` with the wrong bytes between them, cut as [`str::from_utf8`] and the Unicode standard recommend.
#[inline]
#[must_use]
pub const fn lossy_chunks(bytes: &[u8]) -> LossyChunks<'_> {
    LossyChunks { rest: bytes }
}

/// Made by [`lossy_chunks`].
#[derive(Clone, Debug)]
pub struct LossyChunks<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for LossyChunks<'b> {
    type Item = Chunk<'b>;

    fn next(&mut self) -> Option<Chunk<'b>> {
        if self.rest.is_empty() {
            return None;
        }
        let (valid, invalid, rest) = match validate(self.rest) {
            Ok(_) => (self.rest, &self.rest[..0], &self.rest[..0]),
            Err(error) => {
                let (valid, after) = self.rest.split_at(error.valid_up_to);
                let (invalid, rest) = after.split_at(error.error_len().unwrap_or(after.len()));
                (valid, invalid, rest)
            }
        };
        self.rest = rest;
        Some(Chunk {
            // SAFETY: it was found valid just now.
            valid: unsafe { str::from_utf8_unchecked(valid) },
            invalid,
        })
    }
}

impl FusedIterator for LossyChunks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::detect::Level;
    use alloc::vec;
    use alloc::vec::Vec;

    fn agree(bytes: &[u8]) {
        let expected = str::from_utf8(bytes).map_err(|e| (e.valid_up_to(), e.error_len()));
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            // SAFETY: the level is available.
            let checked = unsafe { check_kernel::select(level)(bytes) };
            let found = finish(bytes, checked).map_err(|e| (e.valid_up_to(), e.error_len()));
            assert_eq!(found, expected, "{level:?} {} {bytes:x?}", bytes.len());
            // SAFETY: the level is available.
            let count = unsafe { continuations_kernel::select(level)(bytes) };
            assert_eq!(count, bytes.iter().filter(|b| **b & 0xc0 == 0x80).count());
        }
    }

    #[test]
    fn every_two_bytes_and_edges_of_longer_ones_at_many_places() {
        let mut sequences: Vec<Vec<u8>> = Vec::new();
        let edges = [
            0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
            0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ];
        for a in edges {
            for b in edges {
                sequences.push(vec![a, b]);
                if a >= 0xe0 {
                    for c in [0x00, 0x7f, 0x80, 0xbf, 0xc0] {
                        sequences.push(vec![a, b, c]);
                        if a >= 0xf0 {
                            sequences
                                .extend([0x00, 0x7f, 0x80, 0xbf, 0xc0].map(|d| vec![a, b, c, d]));
                        }
                    }
                }
            }
        }
        for sequence in sequences {
            for (before, after) in [
                (0, 0),
                (0, 100),
                (100, 0),
                (61, 200),
                (250, 7),
                (254, 300),
                (62, 2),
                (65, 1),
                (31, 33),
            ] {
                let mut bytes = vec![b'x'; before];
                bytes.extend_from_slice(&sequence);
                bytes.extend(vec![b'y'; after]);
                agree(&bytes);
            }
        }
    }

    #[test]
    fn texts_with_faults_at_every_place() {
        for text in ["Ж", "漢字", "a😀", "aЖ漢😀"] {
            for len in [0, 1, 3, 20, 40, 70, 130, 257, 300] {
                let mut bytes: Vec<u8> = text.bytes().cycle().take(len).collect();
                agree(&bytes);
                for at in 0..len {
                    for fault in [0x00, 0x80, 0xff, 0xc3, 0xed] {
                        let kept = core::mem::replace(&mut bytes[at], fault);
                        if at % 7 == 0 || len < 80 {
                            agree(&bytes);
                        }
                        bytes[at] = kept;
                    }
                }
            }
        }
    }

    #[test]
    fn long_texts_from_every_place_of_a_vector() {
        let mut whole: Vec<u8> = "漢字Ж😀".bytes().cycle().take(1_300).collect();
        whole.extend([b'x'; 2_200]);
        whole.extend("é".bytes().cycle().take(600));
        for start in 0..if cfg!(miri) { 3 } else { 64 } {
            agree(&whole[start..]);
            // The texts start where a character does, or with what is wrong.
            let bytes = &mut whole.clone()[start / 12 * 12..];
            for at in [0, 63, 64, 126, 127, 128, 1_250, 1_299, 2_000, 3_300, 3_480] {
                let kept = core::mem::replace(&mut bytes[at], 0xff);
                agree(bytes);
                bytes[at] = kept;
            }
        }
        let ascii = vec![b'a'; 3_000];
        for start in 0..if cfg!(miri) { 2 } else { 64 } {
            let mut bytes = ascii.clone();
            for at in [70, 127, 128, 190, 700, 1_500, 2_900, 2_999] {
                for fault in [&[0xe6][..], &[0x80], "Ж".as_bytes()] {
                    let end = bytes.len().min(at + fault.len());
                    let at = end - fault.len();
                    bytes[at..end].copy_from_slice(fault);
                    agree(&bytes[start..]);
                    bytes[at..end].fill(b'a');
                }
            }
        }
    }

    #[test]
    fn chunks_are_the_standard_librarys() {
        for bytes in [
            &b""[..],
            b"abc",
            b"a\xffb\xe2\x82\xac\xe2\x82",
            b"\xf0\x9f\x98\xffab\xed\xa0\x80",
            b"\xff\xff",
        ] {
            let found: Vec<_> = lossy_chunks(bytes).map(|c| (c.valid, c.invalid)).collect();
            let expected: Vec<_> = bytes
                .utf8_chunks()
                .map(|c| (c.valid(), c.invalid()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn characters_are_counted_and_found() {
        let text = "aЖ漢😀".repeat(700);
        assert_eq!(count_chars(text.as_bytes()), 2800);
        for n in [0, 1, 2, 1000, 2799, 2800] {
            assert_eq!(
                nth_char(&text, n),
                text.char_indices().nth(n).map(|(at, _)| at)
            );
        }
        assert_eq!(
            (
                floor_boundary(text.as_bytes(), 5),
                floor_boundary(text.as_bytes(), 6)
            ),
            (3, 6)
        );
        assert!(is_boundary(b"a", 1) && !is_boundary(b"a", 2));
    }
}
