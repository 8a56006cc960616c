//! A cursor over bytes from outside: every read is checked and there is nothing to index.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::varint;

/// Reads little-endian fields, varints and byte strings from the front of a slice.
///
/// Each method returns `None`, and leaves the reader as it was, when the bytes do not hold what is asked for.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.total.saturating_sub(self.rest.len())
    }

    /// The next `count` bytes.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A 16-bit number.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 32-bit number.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    #[inline]
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A [varint](super::varint).
    #[inline]
    pub fn varint(&mut self) -> Option<u64> {
        let (value, rest) = varint::read(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    /// A varint that is a length in memory.
    #[inline]
    pub fn length(&mut self) -> Option<usize> {
        let before = self.rest;
        let length = usize::try_from(self.varint()?).ok();
        if length.is_none() {
            self.rest = before;
        }
        length
    }

    /// A varint length and that many bytes.
    #[inline]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let before = self.rest;
        let taken = self.length().and_then(|count| self.bytes(count));
        if taken.is_none() {
            self.rest = before;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_turn_and_a_failed_read_changes_nothing() {
        let mut reader = Reader::new(&[1, 2, 0, 3, 0, 0, 0, 2, b'a', b'b', 5, b'c']);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(2));
        assert_eq!(reader.u32(), Some(3));
        assert_eq!(reader.string(), Some(&b"ab"[..]));
        assert_eq!(reader.string(), None);
        assert_eq!(reader.u64(), None);
        assert_eq!(reader.rest(), &[5, b'c']);
        assert_eq!(reader.offset(), 10);
    }
}
