//! A set of byte values.
#![forbid(unsafe_code)]

use core::fmt;

/// Any set of bytes, 32 bytes in size.
///
/// ```
/// use underpin_core::search::ByteSet;
/// let digits = ByteSet::from_range(b'0', b'9');
/// assert_eq!(digits.find(b"abc 42"), Some(4));
/// assert_eq!(digits.complement().find(b"42 abc"), Some(2));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteSet {
    /// Row of a low nibble: bit `h` is the byte `h << 4 | low`; rows 16 to 31 are for `h` from 8 on.
    rows: [u8; 32],
}

impl ByteSet {
    /// No byte.
    pub const EMPTY: Self = Self { rows: [0; 32] };

    /// The bytes that occur in `bytes`.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < bytes.len() {
            set = set.with(bytes[i]);
            i += 1;
        }
        set
    }

    /// `first` to `last`, both included; empty if they are the wrong way round.
    #[must_use]
    pub const fn from_range(first: u8, last: u8) -> Self {
        let mut set = Self::EMPTY;
        let mut byte = first as u16;
        while byte <= last as u16 {
            set = set.with(byte as u8);
            byte += 1;
        }
        set
    }

    /// And `byte`.
    #[must_use]
    pub const fn with(mut self, byte: u8) -> Self {
        let (row, bit) = Self::place(byte);
        self.rows[row] |= bit;
        self
    }

    /// What is in either.
    #[must_use]
    pub const fn union(mut self, other: &Self) -> Self {
        let mut i = 0;
        while i < 32 {
            self.rows[i] |= other.rows[i];
            i += 1;
        }
        self
    }

    /// All that is not in this one.
    #[must_use]
    pub const fn complement(mut self) -> Self {
        let mut i = 0;
        while i < 32 {
            self.rows[i] = !self.rows[i];
            i += 1;
        }
        self
    }

    /// Whether `byte` is in it.
    #[inline]
    #[must_use]
    pub const fn contains(&self, byte: u8) -> bool {
        let (row, bit) = Self::place(byte);
        self.rows[row] & bit != 0
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.iter().map(|row| row.count_ones() as usize).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == [0; 32]
    }

    /// Its bytes in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }

    #[inline(always)]
    const fn place(byte: u8) -> (usize, u8) {
        let high = byte >> 4;
        let row = (byte & 15) + if high >= 8 { 16 } else { 0 };
        (row as usize, 1 << (high & 7))
    }

    #[inline(always)]
    pub(super) fn low_rows(&self) -> &[u8; 16] {
        self.rows.first_chunk().unwrap_or(&[0; 16])
    }

    #[inline(always)]
    pub(super) fn high_rows(&self) -> &[u8; 16] {
        self.rows.last_chunk().unwrap_or(&[0; 16])
    }
}

impl fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByteSet(")?;
        for byte in self.iter() {
            write!(f, "{}", byte.escape_ascii())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        for byte in 0..=u8::MAX {
            let set = ByteSet::new(&[byte]);
            assert_eq!(set.iter().collect::<alloc::vec::Vec<_>>(), [byte]);
            assert_eq!(set.complement().len(), 255);
            assert!(!set.complement().contains(byte));
        }
        assert_eq!(ByteSet::from_range(3, 250).len(), 248);
        assert!(ByteSet::from_range(5, 4).is_empty());
        assert_eq!(ByteSet::from_range(0, 255), ByteSet::EMPTY.complement());
        let union = ByteSet::new(b"ab").union(&ByteSet::new(b"bc"));
        assert_eq!(union, ByteSet::new(b"abc"));
        assert_eq!(alloc::format!("{union:?}"), "ByteSet(abc)");
    }
}
