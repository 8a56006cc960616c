//! An entry as every sorted source of the database shows it.
#![forbid(unsafe_code)]

use super::operands;

/// What an entry says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// It is gone.
    Remove = 0,
    /// It has the value.
    Put = 1,
    /// What it had is merged with the operands: in a memtable one operand, elsewhere a list of them (see `operands`).
    Merge = 2,
    /// The merge operator refused to make a value: what it was given (see `operands`). Not in a memtable, and never what a read
    /// gets.
    Refused = 3,
    /// It has the value that this refers to (see `values`). In tables alone.
    Reference = 4,
}

/// A key's newest entry in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    pub(super) sequence: u64,
    pub(super) kind: Kind,
    /// Empty for a remove.
    pub(super) value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The reference to a value that it has, if it has one.
    pub(super) fn reference(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Reference => Some(self.value),
            Kind::Refused => operands::lost(self.value),
            _ => None,
        }
    }
}

impl Kind {
    pub(super) const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::Remove),
            1 => Some(Self::Put),
            2 => Some(Self::Merge),
            3 => Some(Self::Refused),
            4 => Some(Self::Reference),
            _ => None,
        }
    }
}
