//! Merge operands: writes that change a value without reading it, put together when somebody does read.
//!
//! A table has each key once, so operands that met no value yet lie in it as a list: `string*`, the oldest first. What the operator
//! refuses lies there with the value that it was given, so that flushes and merges go on and nothing is lost: each read
//! tries again, and gets the error or what another operator makes of it. So do those whose value could not be read, with the reference to it.
#![forbid(unsafe_code)]

use super::entry::Kind;
use super::error::{Error, Result};
use crate::codec::{Reader, varint};
use alloc::vec::Vec;

/// Makes a value from the one before, if there was one, and operands, the oldest first. `None` if they make no sense, which the
/// reader gets as an error; nothing is lost then, and a value that is put over it or another operator ends that. It must be a pure
/// function: it runs when a value is read and again when tables are merged.
pub type MergeOperator =
    fn(key: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>>;

/// What operands are put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base<'a> {
    Nothing,
    Value(&'a [u8]),
    /// A value that could not be read, by its reference (see `values`).
    Lost(&'a [u8]),
}

impl<'a> From<Option<&'a [u8]>> for Base<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::Nothing, Self::Value)
    }
}

/// The reference in a refused merge, if it is one whose value could not be read.
pub(super) fn lost(refused: &[u8]) -> Option<&[u8]> {
    match refused.split_first()? {
        (&LOST, rest) => Reader::new(rest).string(),
        _ => None,
    }
}

/// The first byte of a refused merge: what follows before the operands.
const NOTHING: u8 = 0;
const VALUE: u8 = 1;
const LOST: u8 = 2;

/// The error for a table's entry that no merge has written.
pub(super) const NO_LIST: Error = Error::Invalid("operands that are no list");

/// The error for a key whose merges make no value.
pub(super) const fn refusal(operator: Option<MergeOperator>) -> Error {
    Error::Invalid(match operator {
        None => "the key has merge operands; open the database with the merge operator",
        Some(_) => "the merge operator refused the operands of the key",
    })
}

/// Operands of one key, gathered from the newest on.
#[derive(Debug, Default)]
pub(super) struct Operands {
    newest_first: Vec<Vec<u8>>,
}

impl Operands {
    pub(super) const fn is_empty(&self) -> bool {
        self.newest_first.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.newest_first.clear();
    }

    /// Adds one that is older than all before.
    pub(super) fn push(&mut self, operand: &[u8]) {
        self.newest_first.push(operand.into());
    }

    /// Adds a list, all older than those before. False if the bytes are no list.
    #[must_use]
    pub(super) fn push_list(&mut self, list: &[u8]) -> bool {
        let mut reader = Reader::new(list);
        let start = self.newest_first.len();
        while let Some(operand) = reader.string() {
            self.newest_first.push(operand.into());
        }
        if let Some(added) = self.newest_first.get_mut(start..) {
            added.reverse();
        }
        reader.is_empty()
    }

    /// The value that they make.
    pub(super) fn apply(
        &self,
        operator: Option<MergeOperator>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Vec<u8>> {
        let Some(operator) = operator else {
            return Err(refusal(None));
        };
        let operands: Vec<&[u8]> = self.newest_first.iter().rev().map(Vec::as_slice).collect();
        operator(key, value, &operands).ok_or(refusal(Some(operator)))
    }

    /// What they come to: the value that they make, or, if there is none, all that it would be made from.
    pub(super) fn resolve(
        &self,
        operator: Option<MergeOperator>,
        key: &[u8],
        base: Base<'_>,
        into: &mut Vec<u8>,
    ) -> Kind {
        let made = match base {
            Base::Nothing => self.apply(operator, key, None).ok(),
            Base::Value(value) => self.apply(operator, key, Some(value)).ok(),
            Base::Lost(_) => None,
        };
        if let Some(merged) = made {
            *into = merged;
            return Kind::Put;
        }
        self.refuse(base, into);
        Kind::Refused
    }

    /// All that a value would be made from.
    pub(super) fn refuse(&self, base: Base<'_>, into: &mut Vec<u8>) {
        into.clear();
        let (first, bytes) = match base {
            Base::Nothing => (NOTHING, None),
            Base::Value(value) => (VALUE, Some(value)),
            Base::Lost(reference) => (LOST, Some(reference)),
        };
        into.push(first);
        if let Some(bytes) = bytes {
            varint::push(into, bytes.len() as u64);
            into.extend_from_slice(bytes);
        }
        self.encode(into);
    }

    /// Adds those of a refused merge, all older than those before; returns what they go with.
    pub(super) fn push_refused<'a>(&mut self, refused: &'a [u8]) -> Result<Base<'a>> {
        let mut reader = Reader::new(refused);
        let base = match reader.u8() {
            Some(NOTHING) => Some(Base::Nothing),
            Some(VALUE) => reader.string().map(Base::Value),
            Some(LOST) => reader.string().map(Base::Lost),
            _ => None,
        };
        let list = self.push_list(reader.rest());
        base.filter(|_| list).ok_or(NO_LIST)
    }

    /// As a list.
    pub(super) fn encode(&self, list: &mut Vec<u8>) {
        for operand in self.newest_first.iter().rev() {
            varint::push(list, operand.len() as u64);
            list.extend_from_slice(operand);
        }
    }
}
