//! What of a key a table's filter knows besides the whole: its prefix, so that a walk over one prefix passes by tables without it.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::options::KEY_BYTES_MAX;
use crate::codec::{Reader, varint};
use alloc::vec::Vec;
use core::ops::Bound;

/// What counts as the prefix of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPrefix {
    /// The first so many bytes, 1 to 64 KiB. A shorter key has none.
    Length(usize),
    /// All up to the first byte of this value, and that byte. A key without it has none.
    UpTo(u8),
}

impl KeyPrefix {
    /// The prefix of `key`, if it has one.
    #[must_use]
    pub fn of(self, key: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Length(length) => key.get(..length),
            Self::UpTo(byte) => {
                let at = key.iter().position(|other| *other == byte)?;
                key.get(..at.saturating_add(1))
            }
        }
    }

    /// The prefix that every key of a range has, if there is one.
    pub(super) fn of_range<'a>(
        self,
        start: Bound<&'a [u8]>,
        end: Bound<&[u8]>,
    ) -> Option<&'a [u8]> {
        let (Bound::Included(start) | Bound::Excluded(start)) = start else {
            return None;
        };
        let prefix = self.of(start)?;
        let inside = match end {
            Bound::Included(end) => end.starts_with(prefix),
            Bound::Excluded(end) => end.starts_with(prefix) || is_successor(end, prefix),
            // Nothing comes after the prefix of nothing but the greatest byte.
            Bound::Unbounded => prefix.iter().all(|byte| *byte == u8::MAX),
        };
        inside.then_some(prefix)
    }

    pub(super) fn push(prefix: Option<Self>, out: &mut Vec<u8>) {
        match prefix {
            None => out.push(0),
            Some(Self::Length(length)) => {
                out.push(1);
                varint::push(out, length as u64);
            }
            Some(Self::UpTo(byte)) => out.extend_from_slice(&[2, byte]),
        }
    }

    /// Reads what [`push`](Self::push) wrote.
    #[expect(clippy::option_option, reason = "no prefix is what the bytes may say")]
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        Some(match reader.u8()? {
            0 => None,
            1 => {
                let length = reader.length()?;
                Some(Self::Length(length)).filter(|prefix| prefix.is_sensible())
            }
            2 => Some(Self::UpTo(reader.u8()?)),
            _ => return None,
        })
    }

    pub(super) fn is_sensible(self) -> bool {
        match self {
            Self::Length(length) => (1..=KEY_BYTES_MAX).contains(&length),
            Self::UpTo(_) => true,
        }
    }
}

/// Whether `end` is the least string that is greater than all that start with `prefix`.
fn is_successor(end: &[u8], prefix: &[u8]) -> bool {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX);
    let Some((last, before)) = kept
        .and_then(|kept| prefix.get(..=kept))
        .and_then(<[u8]>::split_last)
    else {
        return false;
    };
    end.split_last() == Some((&last.saturating_add(1), before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_range_have_its_prefix() {
        let two = KeyPrefix::Length(2);
        let colon = KeyPrefix::UpTo(b':');
        fn included(key: &'static [u8]) -> Bound<&'static [u8]> {
            Bound::Included(key)
        }
        fn excluded(key: &'static [u8]) -> Bound<&'static [u8]> {
            Bound::Excluded(key)
        }
        type Case = (
            KeyPrefix,
            Bound<&'static [u8]>,
            Bound<&'static [u8]>,
            Option<&'static [u8]>,
        );
        let cases: [Case; 12] = [
            (two, included(b"ab"), excluded(b"ac"), Some(b"ab")),
            (two, included(b"abx"), included(b"abz"), Some(b"ab")),
            (two, included(b"ab"), excluded(b"abc"), Some(b"ab")),
            (two, included(b"ab"), included(b"ac"), None),
            (two, included(b"ab"), excluded(b"ad"), None),
            (two, included(b"a"), excluded(b"b"), None),
            (two, included(b"a\xff"), excluded(b"b"), Some(b"a\xff")),
            (
                two,
                included(b"\xff\xff"),
                Bound::Unbounded,
                Some(b"\xff\xff"),
            ),
            (two, included(b"ab"), Bound::Unbounded, None),
            (two, Bound::Unbounded, excluded(b"ac"), None),
            (
                colon,
                excluded(b"user:7"),
                excluded(b"user;"),
                Some(b"user:"),
            ),
            (colon, included(b"user"), excluded(b"uses"), None),
        ];
        for (prefix, start, end, expected) in cases {
            assert_eq!(prefix.of_range(start, end), expected, "{start:?} {end:?}");
        }
    }

    #[test]
    fn a_prefix_comes_back() {
        for prefix in [
            None,
            Some(KeyPrefix::Length(1)),
            Some(KeyPrefix::Length(KEY_BYTES_MAX)),
            Some(KeyPrefix::UpTo(b'/')),
        ] {
            let mut bytes = Vec::new();
            KeyPrefix::push(prefix, &mut bytes);
            assert_eq!(KeyPrefix::read(&mut Reader::new(&bytes)), Some(prefix));
        }
        for senseless in [&[][..], &[1], &[2], &[3]] {
            assert_eq!(KeyPrefix::read(&mut Reader::new(senseless)), None);
        }
    }
}
