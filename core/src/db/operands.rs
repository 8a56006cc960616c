//! Merge operands: writes that change a value without reading it, put together when somebody does read.
//!
//! A table has each key once, so operands that met no value yet lie in it as a list: `string*`, the oldest first.
#![forbid(unsafe_code)]

use super::error::{Error, Result};
use crate::codec::{Reader, varint};
use alloc::vec::Vec;

/// Makes a value from the one before, if there was one, and operands, the oldest first. `None` if they make no sense, which the
/// reader gets as an error. It must be a pure function: it runs when a value is read and again when tables are merged.
pub type MergeOperator =
    fn(key: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>>;

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
            return Err(Error::Invalid(
                "the key has merge operands; open the database with the merge operator",
            ));
        };
        let operands: Vec<&[u8]> = self.newest_first.iter().rev().map(Vec::as_slice).collect();
        operator(key, value, &operands).ok_or(Error::Invalid(
            "the merge operator refused the operands of the key",
        ))
    }

    /// As a list.
    pub(super) fn encode(&self, list: &mut Vec<u8>) {
        for operand in self.newest_first.iter().rev() {
            varint::push(list, operand.len() as u64);
            list.extend_from_slice(operand);
        }
    }
}
