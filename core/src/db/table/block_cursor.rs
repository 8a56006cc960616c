//! Walks a block either way.
//!
//! Entries are linked forward alone: each has its key's end and how much of the key before it goes on. So going back decodes a run of
//! entries from one with a whole key on, once, and then takes them from behind.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use crate::db::options::KEY_BYTES_MAX;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// Most entries from one with a whole key to the next; the builder has no more than 16. It bounds the memory of a step back.
const RUN_MAX: usize = 64;

/// An entry before the current one.
#[derive(Clone, Debug)]
struct Behind {
    at: usize,
    next: usize,
    /// Where its key starts in `behind_keys`; it goes on to the end, once those after it are gone.
    key_start: usize,
    sequence: u64,
    kind: Kind,
    value: Range<usize>,
}

/// A place in a block. Starts at no entry.
#[derive(Debug)]
pub(super) struct BlockCursor {
    block: Arc<Block>,
    /// Where the entry here starts, and where it ends.
    at: usize,
    next: usize,
    valid: bool,
    /// The key here, unless it is still in `behind_keys`.
    key: Vec<u8>,
    /// Where in `behind_keys` the key here starts, if the cursor came from behind.
    key_start: Option<usize>,
    sequence: u64,
    kind: Kind,
    value: Range<usize>,
    /// Those between the last whole key and here, if the cursor came from behind; the one right before is last.
    behind: Vec<Behind>,
    behind_keys: Vec<u8>,
}

impl BlockCursor {
    pub(super) const fn new(block: Arc<Block>) -> Self {
        Self {
            block,
            at: 0,
            next: 0,
            valid: false,
            key: Vec::new(),
            key_start: None,
            sequence: 0,
            kind: Kind::Remove,
            value: 0..0,
            behind: Vec::new(),
            behind_keys: Vec::new(),
        }
    }

    /// A cursor over another block, in the memory of this one.
    pub(super) fn into_block(mut self, block: Arc<Block>) -> Self {
        self.forget_behind();
        self.key.clear();
        Self {
            block,
            at: 0,
            next: 0,
            valid: false,
            ..self
        }
    }

    /// Goes to the next entry, the first at the start.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<()> {
        if let Some(start) = self.key_start {
            self.key.clear();
            let key = self.behind_keys.get(start..).unwrap_or_default();
            self.key.extend_from_slice(key);
        }
        self.forget_behind();
        self.read_next()
    }

    fn forget_behind(&mut self) {
        self.key_start = None;
        self.behind.clear();
        self.behind_keys.clear();
    }

    #[inline]
    fn read_next(&mut self) -> Result<()> {
        self.valid = false;
        if self.next >= self.block.entries_end() {
            return Ok(());
        }
        let entry = self.block.entry(self.next)?;
        let key_bytes = entry.shared.saturating_add(entry.suffix.len());
        if entry.shared > self.key.len() || key_bytes > KEY_BYTES_MAX {
            return Err(self.block.corrupt(self.next, "length of a key"));
        }
        self.key.truncate(entry.shared);
        self.key.extend_from_slice(entry.suffix);
        self.sequence = entry.sequence;
        self.kind = entry.kind;
        self.value = entry.value;
        self.at = self.next;
        self.next = entry.end;
        self.valid = true;
        Ok(())
    }

    /// Goes to the first entry whose key is not less than `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.forget_behind();
        self.key.clear();
        self.next = self.block.restart_before(key)?;
        loop {
            self.advance()?;
            if !self.valid || self.key.as_slice() >= key {
                return Ok(());
            }
        }
    }

    /// Goes to the entry before, or to none at the first.
    pub(super) fn retreat(&mut self) -> Result<()> {
        if let Some(start) = self.key_start.take() {
            self.behind_keys.truncate(start);
        }
        if let Some(entry) = self.behind.pop() {
            self.key_start = Some(entry.key_start);
            (self.at, self.next) = (entry.at, entry.next);
            (self.sequence, self.kind, self.value) = (entry.sequence, entry.kind, entry.value);
            return Ok(());
        }
        let target = if self.valid {
            self.at
        } else {
            self.block.entries_end()
        };
        self.valid = false;
        if target == 0 {
            return Ok(());
        }
        // The last restart before the entry; from there on forward.
        let (mut low, mut high) = (0, self.block.restart_count());
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.block.restart(middle)? < target {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.next = self.block.restart(low)?;
        self.key.clear();
        loop {
            let start = self.next;
            self.read_next()?;
            if !self.valid || self.next >= target {
                return Ok(());
            }
            if self.next <= start || self.behind.len() == RUN_MAX {
                return Err(self.block.corrupt(start, "entry of a block"));
            }
            self.behind.push(Behind {
                at: self.at,
                next: self.next,
                key_start: self.behind_keys.len(),
                sequence: self.sequence,
                kind: self.kind,
                value: self.value.clone(),
            });
            self.behind_keys.extend_from_slice(&self.key);
        }
    }

    /// Goes to the last entry.
    pub(super) fn seek_last(&mut self) -> Result<()> {
        self.forget_behind();
        self.valid = false;
        self.retreat()
    }

    /// The entry here.
    #[inline]
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        self.valid.then(|| Entry {
            key: self.any_key(),
            sequence: self.sequence,
            kind: self.kind,
            value: self.block.slice(self.value.clone()),
        })
    }

    /// The key here.
    #[inline]
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.valid.then(|| self.any_key())
    }

    #[inline]
    pub(super) const fn is_at_entry(&self) -> bool {
        self.valid
    }

    /// The key and the kind of the entry here.
    #[inline]
    pub(super) fn here(&self) -> Option<(&[u8], Kind)> {
        self.valid.then(|| (self.any_key(), self.kind))
    }

    /// The key and the value here.
    #[inline]
    pub(super) fn pair(&self) -> Option<(&[u8], &[u8])> {
        let value = || self.block.slice(self.value.clone());
        self.valid.then(|| (self.any_key(), value()))
    }

    #[inline]
    fn any_key(&self) -> &[u8] {
        match self.key_start {
            None => &self.key,
            Some(start) => self.behind_keys.get(start..).unwrap_or_default(),
        }
    }
}
