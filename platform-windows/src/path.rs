//! Paths: WTF-8 at the seam, UTF-16 with a final NUL at the system.
//!
//! WTF-8 is UTF-8 that may also hold a lone surrogate as three bytes, so every name that Windows
//! can store has exactly one spelling; a surrogate *pair* written as two such triples is refused,
//! because it would be a second one. No path allocates: it lives in a buffer of [`CAPACITY_UNITS`].
//!
//! `/` and `\` both separate. Win32 cuts a path off at 260 units unless it starts with `\\?\`, so a
//! path that is long once it is made absolute gets that prefix; `GetFullPathNameW` has then
//! resolved `.` and `..` and dropped trailing dots and spaces exactly as Win32 does for short
//! paths. Device names (`NUL`, `COM1`) mean what they mean to every Windows program.
#![cfg_attr(
    windows,
    allow(unsafe_code, reason = "GetFullPathNameW fills a buffer")
)]
#![cfg_attr(not(windows), forbid(unsafe_code))]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use underpin_core::limits::PATH_BYTES_MAX;
use underpin_core::{Error, Kind, Operation, Result};

/// `\\?\UNC\`, the longest prefix that is put before a path, and the final NUL.
const EXTRA_UNITS: usize = 8 + 1;

/// A path of the longest accepted length in bytes has at most as many units, plus prefix and NUL.
pub(crate) const CAPACITY_UNITS: usize = PATH_BYTES_MAX + EXTRA_UNITS;

/// Longest path without the prefix. 260 with the NUL is the limit for files; directories must leave
/// room for a short name of 12 in them.
const PLAIN_UNITS_MAX: usize = 247;

const BACKSLASH: u16 = b'\\' as u16;
const VERBATIM: [u16; 4] = [BACKSLASH, BACKSLASH, b'?' as u16, BACKSLASH];
const VERBATIM_UNC: [u16; 8] = [
    BACKSLASH,
    BACKSLASH,
    b'?' as u16,
    BACKSLASH,
    b'U' as u16,
    b'N' as u16,
    b'C' as u16,
    BACKSLASH,
];

/// A path for a Win32 call.
#[derive(Clone)]
pub(crate) struct WidePath {
    /// I1: `len < CAPACITY_UNITS` and the unit at `len` is 0; none before it is.
    units: [u16; CAPACITY_UNITS],
    len: usize,
}

/// How a path starts, which decides what may be put before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `\\?\`: passed to the file system as it is.
    Verbatim,
    /// `\\.\`: a device.
    Device,
    /// `\\server\share`.
    Unc,
    /// `X:\`.
    Drive,
    /// Depends on the current directory or drive.
    Relative,
}

impl WidePath {
    const EMPTY: Self = Self {
        units: [0; CAPACITY_UNITS],
        len: 0,
    };

    /// `path` as Win32 wants it, however long it is.
    ///
    /// # Errors
    /// `InvalidInput` if `path` is empty, holds a NUL, is not WTF-8, or is longer than
    /// [`PATH_BYTES_MAX`] as given or once absolute.
    #[cfg(windows)]
    pub(crate) fn new(operation: Operation, path: &[u8]) -> Result<Self> {
        let given = Self::encode(operation, path)?;
        match given.form() {
            Form::Verbatim | Form::Device => Ok(given),
            Form::Drive if given.len <= PLAIN_UNITS_MAX => Ok(given),
            Form::Drive | Form::Unc | Form::Relative => {
                let full = given.absolute(operation)?;
                if full.len <= PLAIN_UNITS_MAX {
                    Ok(full)
                } else {
                    full.with_verbatim_prefix(operation)
                }
            }
        }
    }

    /// The units before the NUL.
    pub(crate) fn units(&self) -> &[u16] {
        self.units.get(..self.len).unwrap_or_default()
    }

    /// For calls that want a NUL at the end. Points to `len + 1` units.
    #[cfg(windows)]
    pub(crate) fn as_ptr(&self) -> *const u16 {
        self.units.as_ptr()
    }

    /// The path with its last name replaced by `name`; `None` if that does not fit or there is no
    /// directory part.
    pub(crate) fn with_last_name(&self, name: &[u16]) -> Option<Self> {
        let parent = self
            .units()
            .iter()
            .rposition(|&unit| unit == BACKSLASH)?
            .checked_add(1)?;
        let mut path = Self::EMPTY;
        path.push_all(self.units.get(..parent)?)?;
        path.push_all(name)?;
        Some(path)
    }

    /// UTF-16 of `path` with `\` for `/`, checked against the rules for paths.
    fn encode(operation: Operation, path: &[u8]) -> Result<Self> {
        let invalid = || Error::new(operation, Kind::InvalidInput);
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Err(invalid());
        }
        let mut wide = Self::EMPTY;
        let mut after_lead = false;
        let mut rest = path;
        while !rest.is_empty() {
            let (scalar, tail) = decode(rest).ok_or_else(invalid)?;
            rest = tail;
            let mut pair = [0; 2];
            let units: &[u16] = match (u16::try_from(scalar), char::from_u32(scalar)) {
                (Ok(0), _) => return Err(invalid()),
                (Ok(0xDC00..=0xDFFF), _) if after_lead => return Err(invalid()),
                (Ok(unit), _) => {
                    pair[0] = if unit == u16::from(b'/') {
                        BACKSLASH
                    } else {
                        unit
                    };
                    &pair[..1]
                }
                (Err(_), Some(astral)) => astral.encode_utf16(&mut pair),
                (Err(_), None) => return Err(invalid()),
            };
            after_lead = matches!(units, [0xD800..=0xDBFF]);
            wide.push_all(units).ok_or_else(invalid)?;
        }
        Ok(wide)
    }

    /// Adds `units` and keeps I1; `None` and no change if they do not fit.
    fn push_all(&mut self, units: &[u16]) -> Option<()> {
        let end = self.len.checked_add(units.len())?;
        if end >= CAPACITY_UNITS {
            return None;
        }
        self.units.get_mut(self.len..end)?.copy_from_slice(units);
        self.len = end;
        Some(())
    }

    fn form(&self) -> Form {
        const QUESTION: u16 = b'?' as u16;
        const DOT: u16 = b'.' as u16;
        const COLON: u16 = b':' as u16;
        match self.units() {
            [BACKSLASH, BACKSLASH, QUESTION, BACKSLASH, ..]
            | [BACKSLASH, QUESTION, QUESTION, BACKSLASH, ..] => Form::Verbatim,
            [BACKSLASH, BACKSLASH, DOT, BACKSLASH, ..] => Form::Device,
            [BACKSLASH, BACKSLASH, ..] => Form::Unc,
            [_, COLON, BACKSLASH, ..] => Form::Drive,
            _ => Form::Relative,
        }
    }

    /// This absolute path, which Win32 has normalised, with the prefix that lifts the length limit.
    fn with_verbatim_prefix(&self, operation: Operation) -> Result<Self> {
        let (prefix, rest): (&[u16], &[u16]) = match self.form() {
            Form::Drive => (&VERBATIM, self.units()),
            Form::Unc => (&VERBATIM_UNC, self.units().get(2..).unwrap_or_default()),
            Form::Verbatim | Form::Device | Form::Relative => return Ok(self.clone()),
        };
        let mut path = Self::EMPTY;
        path.push_all(prefix)
            .and_then(|()| path.push_all(rest))
            .map(|()| path)
            .ok_or(Error::new(operation, Kind::InvalidInput))
    }

    /// The path from the root of its drive or share.
    #[cfg(windows)]
    fn absolute(&self, operation: Operation) -> Result<Self> {
        use windows_sys::Win32::Storage::FileSystem::GetFullPathNameW;
        let mut full = Self::EMPTY;
        // SAFETY: the source ends in a NUL by I1; the destination has the capacity that is passed.
        let len = unsafe {
            GetFullPathNameW(
                self.as_ptr(),
                CAPACITY_UNITS as u32,
                full.units.as_mut_ptr(),
                core::ptr::null_mut(),
            )
        } as usize;
        match len {
            0 => Err(crate::handle::last_error(operation)),
            // The result with its NUL did not fit; `len` is what it would have needed.
            len if len >= CAPACITY_UNITS => Err(Error::new(operation, Kind::InvalidInput)),
            len => {
                full.len = len;
                Ok(full)
            }
        }
    }
}

/// The first code point of `bytes` (surrogates included) and what follows; `None` if that is not
/// WTF-8.
fn decode(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let bits = |byte: u8| u32::from(byte & 0x3F);
    match *bytes {
        [a @ 0..=0x7F, ref rest @ ..] => Some((u32::from(a), rest)),
        [a @ 0xC2..=0xDF, b @ 0x80..=0xBF, ref rest @ ..] => {
            Some((u32::from(a & 0x1F) << 6 | bits(b), rest))
        }
        [
            a @ 0xE0..=0xEF,
            b @ 0x80..=0xBF,
            c @ 0x80..=0xBF,
            ref rest @ ..,
        ] if a != 0xE0 || b >= 0xA0 => {
            Some((u32::from(a & 0x0F) << 12 | bits(b) << 6 | bits(c), rest))
        }
        [
            a @ 0xF0..=0xF4,
            b @ 0x80..=0xBF,
            c @ 0x80..=0xBF,
            d @ 0x80..=0xBF,
            ref rest @ ..,
        ] if (a != 0xF0 || b >= 0x90) && (a != 0xF4 || b <= 0x8F) => {
            let scalar = u32::from(a & 0x07) << 18 | bits(b) << 12 | bits(c) << 6 | bits(d);
            Some((scalar, rest))
        }
        _ => None,
    }
}

/// Writes as many whole characters of `text` to `out` as fit and returns the units.
pub(crate) fn units_of<'a>(text: &str, out: &'a mut [u16]) -> &'a [u16] {
    let mut len = 0_usize;
    for character in text.chars() {
        let end = len.saturating_add(character.len_utf16());
        match out.get_mut(len..end) {
            Some(place) => character.encode_utf16(place),
            None => break,
        };
        len = end;
    }
    out.get(..len).unwrap_or_default()
}

/// Writes WTF-8 of `units` to `out` and returns the bytes; `None` if they do not fit.
pub(crate) fn wtf8_of(units: impl IntoIterator<Item = u16>, out: &mut [u8]) -> Option<&[u8]> {
    let mut len = 0_usize;
    for decoded in char::decode_utf16(units) {
        let mut bytes = [0; 4];
        let bytes: &[u8] = match decoded {
            Ok(scalar) => scalar.encode_utf8(&mut bytes).as_bytes(),
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                bytes[0] = 0xED;
                bytes[1] = 0x80 | (unit >> 6 & 0x3F) as u8;
                bytes[2] = 0x80 | (unit & 0x3F) as u8;
                &bytes[..3]
            }
        };
        let end = len.checked_add(bytes.len())?;
        out.get_mut(len..end)?.copy_from_slice(bytes);
        len = end;
    }
    out.get(..len)
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]
mod tests {
    use super::*;
    extern crate alloc;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn encode(path: &[u8]) -> Option<Vec<u16>> {
        WidePath::encode(Operation::Open, path)
            .ok()
            .map(|wide| wide.units().to_vec())
    }

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn back(units: &[u16]) -> Vec<u8> {
        let mut out = [0; 3 * CAPACITY_UNITS];
        wtf8_of(units.iter().copied(), &mut out).unwrap().to_vec()
    }

    #[test]
    fn both_slashes_separate() {
        assert_eq!(encode(b"a/b\\c").unwrap(), wide("a\\b\\c"));
        assert_eq!(encode(b"//?/C:/x").unwrap(), wide("\\\\?\\C:\\x"));
    }

    #[test]
    fn what_no_path_can_be_is_refused() {
        assert_eq!(encode(b""), None);
        assert_eq!(encode(b"a\0b"), None);
        assert_eq!(encode(&[b'a'; PATH_BYTES_MAX + 1]), None);
        assert_eq!(
            encode(&[b'a'; PATH_BYTES_MAX]).unwrap().len(),
            PATH_BYTES_MAX
        );
        for bytes in [
            &b"\x80"[..],
            b"\xC0\xAF",
            b"\xC1\xBF",
            b"\xC3",
            b"\xE0\x80\x80",
            b"\xE2\x82",
            b"\xF0\x80\x80\x80",
            b"\xF4\x90\x80\x80",
            b"\xF8\x88\x80\x80\x80",
            b"\xFF",
            b"\xED\xA0\xBD\xED\xB8\x80",
        ] {
            assert_eq!(encode(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn every_code_point_and_lone_surrogate_round_trips() {
        for scalar in 1..=0x10_FFFF_u32 {
            let (bytes, units) = match char::from_u32(scalar) {
                Some('/') => continue,
                Some(character) => {
                    let text = String::from(character);
                    (text.as_bytes().to_vec(), wide(&text))
                }
                None => {
                    let unit = u16::try_from(scalar).unwrap();
                    (back(&[unit]), Vec::from([unit]))
                }
            };
            assert_eq!(
                decode(&bytes).map(|(s, rest)| (s, rest.len())),
                Some((scalar, 0))
            );
            let mut out = [0; 8];
            assert_eq!(wtf8_of(units.iter().copied(), &mut out), Some(&bytes[..]));
        }
        let lone_then_trail_of_another = back(&[0xDC00, 0xD800, 0x41, 0xDC00]);
        assert_eq!(
            encode(&lone_then_trail_of_another).unwrap(),
            [0xDC00, 0xD800, 0x41, 0xDC00]
        );
    }

    #[test]
    fn a_name_that_does_not_fit_is_not_cut() {
        let mut out = [0; 3];
        assert_eq!(wtf8_of(wide("abcd"), &mut out), None);
        assert_eq!(wtf8_of(wide("ab\u{e9}"), &mut out), None);
        assert_eq!(
            wtf8_of(wide("a\u{e9}"), &mut out).unwrap(),
            "a\u{e9}".as_bytes()
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        let mut out = [0; 4];
        assert_eq!(units_of("abcdef", &mut out), wide("abcd"));
        assert_eq!(
            units_of("abc\u{1F600}", &mut out),
            wide("abc"),
            "a pair stays whole"
        );
        assert_eq!(units_of("ab\u{1F600}", &mut out), wide("ab\u{1F600}"));
        assert_eq!(units_of("", &mut out), []);
    }

    #[test]
    fn forms_and_prefixes() {
        let table = [
            ("C:\\a", Form::Drive, "\\\\?\\C:\\a"),
            (
                "\\\\server\\share\\a",
                Form::Unc,
                "\\\\?\\UNC\\server\\share\\a",
            ),
            ("\\\\?\\C:\\a", Form::Verbatim, "\\\\?\\C:\\a"),
            ("\\??\\C:\\a", Form::Verbatim, "\\??\\C:\\a"),
            ("\\\\.\\NUL", Form::Device, "\\\\.\\NUL"),
            ("C:a", Form::Relative, "C:a"),
            ("\\a", Form::Relative, "\\a"),
            ("a", Form::Relative, "a"),
        ];
        for (path, form, prefixed) in table {
            let given = WidePath::encode(Operation::Open, path.as_bytes()).unwrap();
            assert_eq!(given.form(), form, "{path}");
            let with = given.with_verbatim_prefix(Operation::Open).unwrap();
            assert_eq!(with.units(), wide(prefixed), "{path}");
        }
    }

    #[test]
    fn the_prefix_fits_before_the_longest_path() {
        let mut path = Vec::from(*b"C:/");
        path.resize(PATH_BYTES_MAX, b'a');
        let given = WidePath::encode(Operation::Open, &path).unwrap();
        let with = given.with_verbatim_prefix(Operation::Open).unwrap();
        assert_eq!(with.units().len(), PATH_BYTES_MAX + 4);
        assert_eq!(with.units[with.len], 0);
    }

    #[test]
    fn the_last_name_can_be_replaced() {
        let path = WidePath::encode(Operation::Open, b"C:/a/b").unwrap();
        let sibling = path.with_last_name(&wide("other")).unwrap();
        assert_eq!(sibling.units(), wide("C:\\a\\other"));
        let alone = WidePath::encode(Operation::Open, b"b").unwrap();
        assert!(alone.with_last_name(&wide("x")).is_none());
        assert!(
            path.with_last_name(&[b'a'.into(); CAPACITY_UNITS])
                .is_none()
        );
    }

    #[cfg(windows)]
    #[test]
    fn relative_and_long_paths_become_what_win32_takes() {
        let short = WidePath::new(Operation::Open, b"C:/x/../y").unwrap();
        assert_eq!(short.units(), wide("C:\\x\\..\\y"), "left to Win32");
        let relative = WidePath::new(Operation::Open, b"a/./b").unwrap();
        assert_eq!(relative.form(), Form::Drive);
        assert!(relative.units().ends_with(&wide("\\a\\b")));
        let mut long = Vec::from(*b"C:/x/../y");
        for _ in 0..50 {
            long.extend_from_slice(b"/component");
        }
        let long = WidePath::new(Operation::Open, &long).unwrap();
        assert!(long.units().starts_with(&wide("\\\\?\\C:\\y\\component")));
        let mut too_long = Vec::from(*b"x/");
        too_long.resize(PATH_BYTES_MAX, b'a');
        let full = WidePath::new(Operation::Open, &too_long);
        assert!(full.is_err() || full.unwrap().form() == Form::Verbatim);
    }
}
