//! UTF-16: from and to UTF-8, and which of the two some bytes are.
//!
//! Runs of ASCII, which even other scripts' texts are full of, are widened and narrowed a vector at a time; the rest goes character by
//! character.
#![allow(unsafe_code, reason = "calls of kernels after the processor was asked")]

use super::dispatch::{dispatch, entry};
use super::utf8::count_chars;
use super::vector::Vector;
use core::fmt;

/// Characters of ASCII in a row after which a kernel is asked.
const RUN: usize = 8;

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

/// Writes `text` to `units`, up to the first character that has no room.
///
/// ```
/// use underpin_core::search::utf16;
/// let mut units = [0; 8];
/// let progress = utf16::from_utf8("héllo 𝄞", &mut units);
/// assert_eq!(progress.written, 8);
/// assert!("héllo 𝄞".encode_utf16().eq(units));
/// ```
pub fn from_utf8(text: &str, units: &mut [u16]) -> Progress {
    let bytes = text.as_bytes();
    let mut progress = Progress::default();
    let mut ascii = RUN;
    loop {
        let Progress { read, written } = progress;
        if ascii >= RUN {
            let (from, to) = (&bytes[read..], &mut units[written..]);
            let count = entry!(widen_kernel(from: &[u8], to: &mut [u16]) -> usize);
            progress.read += count;
            progress.written += count;
            ascii = 0;
            continue;
        }
        if read == bytes.len() {
            return progress;
        }
        for char in text[read..].chars() {
            let (written, len) = (progress.written, char.len_utf16());
            let Some(room) = units.get_mut(written..written + len) else {
                return progress;
            };
            char.encode_utf16(room);
            progress.read += char.len_utf8();
            progress.written += len;
            ascii = if char.is_ascii() { ascii + 1 } else { 0 };
            if ascii >= RUN {
                break;
            }
        }
    }
}

/// Writes `units` to `bytes` as UTF-8, up to the first character that has no room.
///
/// # Errors
/// A surrogate without its other half: what comes before it is written.
pub fn to_utf8(units: &[u16], bytes: &mut [u8]) -> Result<Progress, Utf16Error> {
    let mut progress = Progress::default();
    let mut ascii = RUN;
    loop {
        let Progress { read, written } = progress;
        if ascii >= RUN {
            let (from, to) = (&units[read..], &mut bytes[written..]);
            let count = entry!(narrow_kernel(from: &[u16], to: &mut [u8]) -> usize);
            progress.read += count;
            progress.written += count;
            ascii = 0;
            continue;
        }
        if read == units.len() {
            return Ok(progress);
        }
        let (Some(char), len) = decode(&units[read..]) else {
            return Err(Utf16Error { progress });
        };
        let Some(room) = bytes.get_mut(written..written + char.len_utf8()) else {
            return Ok(progress);
        };
        char.encode_utf8(room);
        progress.read += len;
        progress.written += room.len();
        ascii = if room.len() == 1 { ascii + 1 } else { 0 };
    }
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

/// Widens ASCII from the start of `from`, as far as it goes and there is room; how far.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn widen<V: Vector>(from: &[u8], to: &mut [u16]) -> usize {
    let len = from.len().min(to.len());
    let mut at = 0;
    while len - at >= 64 {
        let mut any = 0;
        let mut offset = 0;
        while offset < 64 {
            // SAFETY: V1, the caller's; there are 64 bytes.
            any |= unsafe { V::load(from.as_ptr().add(at + offset)).top_bits() };
            offset += V::BYTES;
        }
        if any != 0 {
            break;
        }
        // The compiler makes vectors of the level of this.
        for i in at..at + 64 {
            to[i] = u16::from(from[i]);
        }
        at += 64;
    }
    while at < len && from[at] < 0x80 {
        to[at] = u16::from(from[at]);
        at += 1;
    }
    at
}

/// The reverse.
///
/// # Safety
/// V1.
#[inline(always)]
unsafe fn narrow<V: Vector>(from: &[u16], to: &mut [u8]) -> usize {
    // The compiler makes vectors of the level that `V` stands for.
    let _ = V::BYTES;
    let len = from.len().min(to.len());
    let mut at = 0;
    while len - at >= 32 {
        let units = &from[at..at + 32];
        if units.iter().fold(0, |any, unit| any | unit) >= 0x80 {
            break;
        }
        for (byte, unit) in to[at..at + 32].iter_mut().zip(units) {
            *byte = *unit as u8;
        }
        at += 32;
    }
    while at < len && from[at] < 0x80 {
        to[at] = from[at] as u8;
        at += 1;
    }
    at
}

dispatch!(mod widen_kernel = widen, fn(from: &[u8], to: &mut [u16]) -> usize);
dispatch!(mod narrow_kernel = narrow, fn(from: &[u16], to: &mut [u8]) -> usize);

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
            let (written, behind) = units.split_at(progress.written);
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
            let (written, behind) = bytes.split_at(progress.written);
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
    fn every_level_stops_at_the_first_character_that_is_not_ascii() {
        for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
            for len in 0..150 {
                for at in (0..=len).step_by(1 + len / 9) {
                    let mut text = vec![b'x'; len];
                    let mut units = vec![u16::from(b'x'); len];
                    if at < len {
                        (text[at], units[at]) = (0x80, 0x178);
                    }
                    let (mut wide, mut thin) = (vec![0; len + 2], vec![0; len + 2]);
                    // SAFETY: the level is available.
                    let found = unsafe {
                        (
                            widen_kernel::select(level)(&text, &mut wide),
                            narrow_kernel::select(level)(&units, &mut thin),
                        )
                    };
                    assert_eq!(found, (at, at), "{level:?}");
                    assert!(wide[..at].iter().all(|unit| *unit == u16::from(b'x')));
                    assert!(thin[..at].iter().all(|byte| *byte == b'x'));
                    assert!(wide[at..].iter().all(|unit| *unit == 0));
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
            let mut bytes = [0; 20];
            let error = to_utf8(&units, &mut bytes).unwrap_err();
            assert_eq!(
                error.progress,
                Progress {
                    read: 2,
                    written: 3
                }
            );
            assert_eq!(&bytes[..3], "aé".as_bytes());
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
