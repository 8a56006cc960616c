//! A range of the database at one moment, from both ends.
#![forbid(unsafe_code)]

use super::merge::MergeCursor;
use crate::db::entry::Kind;
use crate::db::error::Result;
use crate::db::operands::{MergeOperator, refusal};
use crate::db::version::Tree;
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

/// Walks a range as it was when the scan was made: later writes, flushes, merges and [`clear`](crate::db::Db::clear)
/// are not seen. It keeps the tables and memtables of that moment, so do not keep it for long.
///
/// Each key comes once, from the front or from the back.
#[derive(Debug)]
pub struct Scan<P: Files> {
    tree: Arc<Tree<P>>,
    sequence: u64,
    operator: Option<MergeOperator>,
    /// What is left of the range.
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    front: Option<MergeCursor<P>>,
    back: Option<MergeCursor<P>>,
    done: bool,
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Makes a bound exclude `key`, in the memory that it has.
pub(super) fn exclude(bound: &mut Bound<Vec<u8>>, key: &[u8]) {
    let mut bytes = match core::mem::replace(bound, Bound::Unbounded) {
        Bound::Included(bytes) | Bound::Excluded(bytes) => bytes,
        Bound::Unbounded => Vec::new(),
    };
    bytes.clear();
    bytes.extend_from_slice(key);
    *bound = Bound::Excluded(bytes);
}

impl<P: Files> Scan<P> {
    pub(in crate::db) fn new(
        tree: Arc<Tree<P>>,
        sequence: u64,
        operator: Option<MergeOperator>,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Self {
        Self {
            tree,
            sequence,
            operator,
            start: start.map(Vec::from),
            end: end.map(Vec::from),
            front: None,
            back: None,
            done: false,
        }
    }

    /// The next key and its value, or `None` at the end and ever after.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the scan is then over. `Invalid` for merges that the operator refuses, or without one.
    #[expect(clippy::should_implement_trait, reason = "it lends from the scan")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.done {
            return Ok(None);
        }
        // An error leaves it so.
        self.done = true;
        match &mut self.front {
            Some(front) => front.step()?,
            None => {
                if let Some(key) = self.back.as_ref().and_then(MergeCursor::key) {
                    exclude(&mut self.end, key);
                }
                self.front = Some(self.cursor(false)?);
            }
        }
        let Some(front) = &mut self.front else {
            return Ok(None);
        };
        let unbounded = matches!(self.end, Bound::Unbounded);
        loop {
            let inside = |key| is_before(key, &self.end);
            if front.is_done() || !unbounded && !front.key().is_some_and(inside) {
                return Ok(None);
            }
            match front.kind() {
                Some(Kind::Put | Kind::Reference) => break,
                Some(Kind::Refused) => return Err(refusal(self.operator)),
                _ => front.step()?,
            }
        }
        front.follow()?;
        self.done = false;
        let pair = front.pair();
        if self.back.is_some()
            && let Some((key, _)) = pair
        {
            exclude(&mut self.start, key);
        }
        Ok(pair)
    }

    /// The last key that is left and its value, or `None` when there is none and ever after.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_back(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        match &mut self.back {
            Some(back) => back.step()?,
            None => {
                if let Some(key) = self.front.as_ref().and_then(MergeCursor::key) {
                    exclude(&mut self.start, key);
                }
                self.back = Some(self.cursor(true)?);
            }
        }
        let Some(back) = &mut self.back else {
            return Ok(None);
        };
        let unbounded = matches!(self.start, Bound::Unbounded);
        loop {
            let inside = |key| is_after(key, &self.start);
            if back.is_done() || !unbounded && !back.key().is_some_and(inside) {
                return Ok(None);
            }
            match back.kind() {
                Some(Kind::Put | Kind::Reference) => break,
                Some(Kind::Refused) => return Err(refusal(self.operator)),
                _ => back.step()?,
            }
        }
        back.follow()?;
        self.done = false;
        let pair = back.pair();
        if self.front.is_some()
            && let Some((key, _)) = pair
        {
            exclude(&mut self.end, key);
        }
        Ok(pair)
    }

    /// What [`next`](Self::next) said last, unless that was `None`.
    pub(super) fn here(&self) -> Option<(&[u8], &[u8])> {
        self.front.as_ref()?.pair()
    }

    fn cursor(&self, reverse: bool) -> Result<MergeCursor<P>> {
        let (start, end) = (borrowed(&self.start), borrowed(&self.end));
        let sources = self.tree.sources(self.sequence, self.operator, start, end);
        let mut cursor = MergeCursor::new(sources, self.operator, true);
        cursor.seek(if reverse { end } else { start }, reverse)?;
        Ok(cursor)
    }
}

fn is_before(key: &[u8], end: &Bound<Vec<u8>>) -> bool {
    match end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    }
}

fn is_after(key: &[u8], start: &Bound<Vec<u8>>) -> bool {
    match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    }
}
