//! UTF-16: from and to UTF-8, and which of the two some bytes are.
//!
//! Runs of ASCII, which even other scripts' texts are full of, are widened and narrowed a vector at a time. Of the rest, 64 bytes are looked at together
//! to see where characters start; each is then decoded for itself, so that none waits for the length of the one before. The other way, a unit is
//! encoded in all three lengths at once, and only where the next goes depends on it. What is near an end goes character by character.
#![allow(unsafe_code, reason = "calls of kernels after the processor was asked")]

use super::dispatch::{dispatch, entry};
use super::utf8::count_chars;
use super::vector::{Vector, half_word};
use core::fmt;

/// How far a conversion came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units of the source that were converted.
    pub read: usize,
    /// Units of the destination that were written.
    pub written: usize,
}

/// A surrogate without its other half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf16Error {
    /// What was converted before it.
    pub progress: Progress,
}

impl fmt::Display for Utf16Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {} is half a surrogate pair", self.progress.read)
    }
}

impl core::error::Error for Utf16Error {}

/// Units that `text` takes in UTF-16.
#[must_use]
pub fn len_in_utf16(text: &str) -> usize {
    let long = super::ByteSet::from_range(0xf0, 0xff).count(text.as_bytes());
    count_chars(text.as_bytes()) + long
}

/// Bytes that `units` take in UTF-8, if every lone surrogate is written as U+FFFD.
#[must_use]
pub fn len_in_utf8(units: &[u16]) -> usize {
    let mut len = 0;
    let mut at = 0;
    while at < units.len() {
        let (char, read) = decode(&units[at..]);
        len += char.unwrap_or(char::REPLACEMENT_CHARACTER).len_utf8();
        at += read;
    }
    len
}

/// Writes `text` to `units`, up to the first character that has no room. What is behind the units written may be overwritten too.
///
/// ```
/// use underpin_core::search::utf16;
/// let mut units = [0; 8];
/// let progress = utf16::from_utf8("héllo 𝄞", &mut units);
/// assert_eq!(progress.written, 8);
/// assert!("héllo 𝄞".encode_utf16().eq(units));
/// ```
pub fn from_utf8(text: &str, units: &mut [u16]) -> Progress {
    let (bytes, to) = (text.as_bytes(), &mut *units);
    // The kernel's condition holds: a string is UTF-8.
    let mut progress = entry!(widen_kernel(bytes: &[u8], to: &mut [u16]) -> Progress);
    for char in text[progress.read..].chars() {
        let (written, len) = (progress.written, char.len_utf16());
        let Some(room) = units.get_mut(written..written + len) else {
            break;
        };
        char.encode_utf16(room);
        progress.read += char.len_utf8();
        progress.written += len;
    }
    progress
}

/// Writes `units` to `bytes` as UTF-8, up to the first character that has no room. What is behind the bytes written may be overwritten too.
///
/// # Errors
/// A surrogate without its other half: what comes before it is written.
pub fn to_utf8(units: &[u16], bytes: &mut [u8]) -> Result<Progress, Utf16Error> {
    let (from, to) = (units, &mut *bytes);
    let mut progress = entry!(narrow_kernel(from: &[u16], to: &mut [u8]) -> Progress);
    while progress.read < units.len() {
        let (Some(char), len) = decode(&units[progress.read..]) else {
            return Err(Utf16Error { progress });
        };
        let written = progress.written;
        let Some(room) = bytes.get_mut(written..written + char.len_utf8()) else {
            break;
        };
        char.encode_utf8(room);
        progress.read += len;
        progress.written += room.len();
    }
    Ok(progress)
}

/// The first character of at least one unit, or nothing if that is half of one, and how many units it takes.
#[inline(always)]
fn decode(units: &[u16]) -> (Option<char>, usize) {
    let first = u32::from(units[0]);
    if first & 0xf800 != 0xd800 {
        return (char::from_u32(first), 1);
    }
    match units.get(1) {
        Some(second) if first < 0xdc00 && second & 0xfc00 == 0xdc00 => {
            let low = u32::from(second & 0x3ff);
            (char::from_u32(0x1_0000 + ((first & 0x3ff) << 10 | low)), 2)
        }
        _ => (None, 1),
    }
}

/// Bytes that are converted together.
const BLOCK: usize = 64;

/// Converts from the start of `from` until less than a block, and what a character may reach into the next, is left of it or of `to`.
///
/// # Safety
/// V1; `from` is UTF-8.
#[inline(always)]
unsafe fn widen<V: Vector>(from: &[u8], to: &mut [u16]) -> Progress {
    // Where `from` is read and `to` is written.
    let (mut at, mut end) = (0, 0);
    while from.len() - at >= BLOCK + 4 && to.len() - end > BLOCK {
        let here = &from[at..at + BLOCK + 4];
        let (mut upper, mut follows) = (0, 0);
        let mut offset = 0;
        while offset < BLOCK {
            // SAFETY: V1, the caller's; a vector is of the block.
            let bytes = unsafe { V::load(here.as_ptr().add(offset)) };
            upper |= bytes.top_bits() << offset;
            // SAFETY: V1, the caller's.
            let (top_two, follower) = unsafe { (V::splat(0xc0), V::splat(0x80)) };
            follows |= V::bits(bytes.and(top_two).eq(follower)) << offset;
            offset += V::BYTES;
        }
        if upper == 0 {
            // The compiler makes vectors of the level of this.
            for (unit, byte) in to[end..end + BLOCK].iter_mut().zip(here) {
                *unit = u16::from(*byte);
            }
            (at, end) = (at + BLOCK, end + BLOCK);
            continue;
        }
        // SAFETY: V1, the caller's; a block and a byte are there, a character starts at `at`, and there is room for a block.
        let whole = unsafe { V::decode(here.as_ptr(), to.as_mut_ptr().add(end)) };
        if let Some((read, written)) = whole {
            (at, end) = (at + read, end + written);
            continue;
        }
        let mut starts = !follows;
        while starts != 0 {
            let start = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            // SAFETY: `start` is in the block, behind which are four bytes; there is room, as shown below.
            unsafe {
                let word = half_word(here.as_ptr().add(start)).swap_bytes();
                let out = to.as_mut_ptr().add(end);
                // No branch: which characters have how many bytes is hard to foretell.
                let (long, longer) = (sign(word), sign(word) & sign(word << 2));
                let two = word >> 18 & 0x7c0 | word >> 16 & 0x3f;
                let three = word >> 12 & 0xf000 | word >> 10 & 0xfc0 | word >> 8 & 0x3f;
                let mut unit = word >> 24 & !long | two & (long ^ longer) | three & longer;
                if word >= 0xf000_0000 {
                    let upper = word >> 6 & 0x1c_0000 | word >> 4 & 0x3_f000;
                    let code = upper | word >> 2 & 0xfc0 | word & 0x3f;
                    let over = code.wrapping_sub(0x1_0000);
                    out.write((0xd800 | over >> 10) as u16);
                    // A pair comes from four bytes, three of which start nothing: only one that the block cuts takes more than its bytes.
                    end += 1;
                    unit = 0xdc00 | over & 0x3ff;
                }
                to.as_mut_ptr().add(end).write(unit as u16);
            }
            end += 1;
        }
        // The last character may reach into what follows, whose continuation bytes are then skipped.
        at += BLOCK;
        while from[at] & 0xc0 == 0x80 {
            at += 1;
        }
    }
    Progress {
        read: at,
        written: end,
    }
}

/// The reverse: until less than a block is left of `from`, or less than what it may take of `to`, or up to half a surrogate pair.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn narrow<V: Vector>(from: &[u16], to: &mut [u8]) -> Progress {
    const BLOCK: usize = 32;
    // The compiler makes vectors of the level that `V` stands for.
    let _ = V::BYTES;
    let (mut at, mut end) = (0, 0);
    while from.len() - at >= BLOCK && to.len() - end > 3 * BLOCK {
        let here = &from[at..at + BLOCK];
        if here.iter().fold(0, |any, unit| any | unit) < 0x80 {
            for (byte, unit) in to[end..end + BLOCK].iter_mut().zip(here) {
                *byte = *unit as u8;
            }
            (at, end) = (at + BLOCK, end + BLOCK);
            continue;
        }
        let mut i = 0;
        while i < BLOCK {
            let unit = u32::from(here[i]);
            let (last, middle) = (0x80 | unit & 0x3f, 0x80 | unit >> 6 & 0x3f);
            let (long, longer) = (
                sign(0x7f_u32.wrapping_sub(unit)),
                sign(0x7ff_u32.wrapping_sub(unit)),
            );
            let two = 0xc0 | unit >> 6 | last << 8;
            let three = 0xe0 | unit >> 12 | middle << 8 | last << 16;
            let mut word = unit & !long | two & (long ^ longer) | three & longer;
            let mut len = 1 + (long & 1) as usize + (longer & 1) as usize;
            if unit & 0xf800 == 0xd800 {
                // Its other half may be in the next block.
                let (Some(char), 2) = decode(&from[at + i..]) else {
                    let read = at + i;
                    return Progress { read, written: end };
                };
                let code = char as u32;
                let upper = 0xf0 | code >> 18 | (0x80 | code >> 12 & 0x3f) << 8;
                let lower = (0x80 | code >> 6 & 0x3f) << 16 | (0x80 | code & 0x3f) << 24;
                (word, len) = (upper | lower, 4);
                i += 1;
            }
            // SAFETY: units before this one took three bytes each at most, so of the room there are four left.
            unsafe {
                let out = to.as_mut_ptr().add(end).cast::<[u8; 4]>();
                out.write_unaligned(word.to_le_bytes());
            }
            end += len;
            i += 1;
        }
        at += i;
    }
    Progress {
        read: at,
        written: end,
    }
}

/// All ones if the top bit is set, else none.
#[inline(always)]
const fn sign(word: u32) -> u32 {
    (word.cast_signed() >> 31).cast_unsigned()
}

dispatch!(mod widen_kernel = widen, fn(from: &[u8], to: &mut [u16]) -> Progress);
dispatch!(mod narrow_kernel = narrow, fn(from: &[u16], to: &mut [u8]) -> Progress);

/// What some bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, ASCII among it.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// None of them.
    Unknown,
}

/// What `sample`, the start of a text, is encoded in, and how long its byte order mark is. A mark decides; without one, bytes that are valid
/// UTF-8 (but for a character that the sample cuts) and have no zeros are taken for it, and of others those for UTF-16 that are valid in
/// one byte order and have zeros, as half of every Latin letter, at least four times as often on that order's upper side.
///
/// ```
/// use underpin_core::search::utf16::{Encoding, detect};
/// assert_eq!(detect(b"\xff\xfea\0"), (Encoding::Utf16Le, 2));
/// assert_eq!(detect(b"\0p\0l\0a\0i\0n"), (Encoding::Utf16Be, 0));
/// assert_eq!(detect("größer".as_bytes()), (Encoding::Utf8, 0));
/// assert_eq!(detect(b"\xc0\0\0\0"), (Encoding::Unknown, 0));
/// ```
#[must_use]
pub fn detect(sample: &[u8]) -> (Encoding, usize) {
    match sample {
        [0xef, 0xbb, 0xbf, ..] => return (Encoding::Utf8, 3),
        [0xff, 0xfe, ..] => return (Encoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => return (Encoding::Utf16Be, 2),
        _ => {}
    }
    let is_utf8 = match super::utf8::validate(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    if is_utf8 && super::memchr(0, sample).is_none() {
        return (Encoding::Utf8, 0);
    }
    let (mut even, mut odd) = (0usize, 0usize);
    for pair in sample.chunks_exact(2) {
        even += usize::from(pair[0] == 0);
        odd += usize::from(pair[1] == 0);
    }
    let (encoding, upper, lower) = if odd > even {
        (Encoding::Utf16Le, odd, even)
    } else {
        (Encoding::Utf16Be, even, odd)
    };
    let is_little = encoding == Encoding::Utf16Le;
    if upper > 0 && upper >= 4 * lower && is_utf16(sample, is_little) {
        return (encoding, 0);
    }
    (Encoding::Unknown, 0)
}

/// Whether every surrogate has its other half, but for one that the end cuts off.
fn is_utf16(bytes: &[u8], is_little: bool) -> bool {
    let mut is_high = false;
    for pair in bytes.chunks_exact(2) {
        let upper = pair[usize::from(is_little)];
        let is_low = upper & 0xfc == 0xdc;
        if is_low != is_high {
            return false;
        }
        is_high = upper & 0xfc == 0xd8;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::detect::Level;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    fn agree(text: &str) {
        let expected: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(len_in_utf16(text), expected.len());
        assert_eq!(len_in_utf8(&expected), text.len());
        for room in [expected.len(), expected.len() / 2] {
            let mut units = vec![0xeeee; room + 3];
            let progress = from_utf8(text, &mut units[..room]);
            let (written, behind) = (&units[..progress.written], &units[room..]);
            assert!(room - written.len() <= 1 && behind.iter().all(|unit| *unit == 0xeeee));
            assert!(
                text[..progress.read]
                    .encode_utf16()
                    .eq(written.iter().copied())
            );
        }
        for room in [text.len(), text.len() / 2] {
            let mut bytes = vec![0xee; room + 3];
            let progress = to_utf8(&expected, &mut bytes[..room]).unwrap();
            let (written, behind) = (&bytes[..progress.written], &bytes[room..]);
            assert!(room - written.len() <= 3 && behind.iter().all(|byte| *byte == 0xee));
            assert_eq!(written, &text.as_bytes()[..progress.written]);
            assert_eq!(
                text[..progress.written].encode_utf16().count(),
                progress.read
            );
        }
    }

    #[test]
    fn texts_go_there_and_back() {
        for run in [0, 1, 7, 8, 9, 63, 64, 65, 200] {
            for other in ["", "é", "мир", "漢字", "𝄞", "\u{ffff}\u{10ffff}\0"] {
                let run: String = (0..run).map(|i| (b'a' + i as u8 % 26) as char).collect();
                agree(&[&run, other].concat());
                agree(&[other, &run, other, &run].concat());
            }
        }
    }

    #[test]
    fn every_level_converts_alike_up_to_where_room_or_text_ends() {
        let pieces = ["a", "é", "мир ", "漢字", "𝄞", "plain text of ASCII "];
        let mut seed = 7u32;
        for round in 0..60 {
            let mut text = String::new();
            while text.len() < 40 + 7 * round {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(seed >> 20) as usize % (1 + round % pieces.len())]);
            }
            let units: Vec<u16> = text.encode_utf16().collect();
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                for less in [0, 1, 2, 30, 70] {
                    let room = units.len().saturating_sub(less);
                    let mut wide = vec![0xeeee; units.len()];
                    // SAFETY: the level is available, and a string is UTF-8.
                    let end =
                        unsafe { widen_kernel::select(level)(text.as_bytes(), &mut wide[..room]) };
                    assert!(
                        end.written <= room && text.is_char_boundary(end.read),
                        "{level:?}"
                    );
                    assert!(text.len() - end.read < BLOCK + 4 || room - end.written <= BLOCK);
                    assert_eq!(wide[..end.written], units[..end.written], "{level:?}");
                    assert!(text[..end.read].encode_utf16().count() == end.written);
                    assert!(wide[room..].iter().all(|unit| *unit == 0xeeee));
                    let room = text.len().saturating_sub(less);
                    let mut thin = vec![0xee; text.len()];
                    // SAFETY: the level is available.
                    let end = unsafe { narrow_kernel::select(level)(&units, &mut thin[..room]) };
                    assert!(
                        units.len() - end.read < 32 || room - end.written < 97,
                        "{level:?}"
                    );
                    assert_eq!(&thin[..end.written], &text.as_bytes()[..end.written]);
                    assert!(text[..end.written].encode_utf16().count() == end.read);
                    assert!(thin[room..].iter().all(|byte| *byte == 0xee));
                }
            }
        }
    }

    #[test]
    fn half_a_pair_is_an_error_and_where() {
        for bad in [
            &[0xd800][..],
            &[0xdc00],
            &[0xd800, 0xd800, 0xdc00],
            &[0xd800, 0x61],
        ] {
            let units = [&[0x61, 0xe9][..], bad].concat();
            for after in [0, 100] {
                let mut bytes = [0; 400];
                let units = [&units[..], &vec![0xe9; after]].concat();
                let error = to_utf8(&units, &mut bytes).unwrap_err();
                let expected = Progress {
                    read: 2,
                    written: 3,
                };
                assert_eq!(error.progress, expected);
                assert_eq!(&bytes[..3], "aé".as_bytes());
            }
            let lossy: String = char::decode_utf16(units.iter().copied())
                .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            assert_eq!(len_in_utf8(&units), lossy.len());
        }
    }

    #[test]
    fn encodings_are_told_apart() {
        for text in ["plain text", "naïve größe", "a мир b", "x 𝄞 y"] {
            let units = || text.encode_utf16();
            let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
            assert_eq!(detect(text.as_bytes()), (Encoding::Utf8, 0), "{text}");
            if text.is_ascii() {
                assert_eq!(detect(&little), (Encoding::Utf16Le, 0), "{text}");
                assert_eq!(detect(&big), (Encoding::Utf16Be, 0), "{text}");
            }
            assert_eq!(
                detect(&[&b"\xfe\xff"[..], &big].concat()).0,
                Encoding::Utf16Be
            );
        }
        assert_eq!(detect(b""), (Encoding::Utf8, 0));
        assert_eq!(detect("é".as_bytes().split_at(1).0), (Encoding::Utf8, 0));
        assert_eq!(detect(&[0, 0, 0, 0]), (Encoding::Unknown, 0));
        assert_eq!(detect(b"a\0\0\xd8a\0"), (Encoding::Unknown, 0));
    }
}
