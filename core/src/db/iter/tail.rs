//! A range of the database that goes on with what is written.
#![forbid(unsafe_code)]

use super::scan::{Scan, exclude};
use crate::db::error::Result;
use crate::db::keyspace::KeyspaceId;
use crate::db::shared::Shared;
use crate::db::version::Tree;
use crate::platform::Files;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Bound;

/// Walks a range in order and, at its end, waits there: [`next`](Self::next) says `None`, and later the keys that were written behind
/// the last one. For logs and queues, whose keys ascend.
///
/// Keys that are written before the place where it is are not seen. Between two ends it shows the database as it was at the first
/// `next` after the first of them, so it keeps the tables of that moment only while it has something to show. As a handle does, it keeps the
/// database open.
pub struct Tail<P: Files> {
    shared: Arc<Shared<P>>,
    keyspace: KeyspaceId,
    /// What is left of the range.
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    scan: Option<Scan<P>>,
    /// What is known to leave nothing to show: the last write, and the tables, as an ingest is no write. It keeps none of them.
    seen: Option<(u64, Weak<Tree<P>>)>,
}

impl<P: Files> Tail<P> {
    pub(in crate::db) fn new(
        shared: Arc<Shared<P>>,
        keyspace: KeyspaceId,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Self {
        Self {
            shared,
            keyspace,
            start: start.map(Vec::from),
            end: end.map(Vec::from),
            scan: None,
            seen: None,
        }
    }

    /// The next key and its value, or `None` for now. At the end that costs no search unless something was written, flushed or merged.
    ///
    /// # Errors
    /// As [`Scan::next`], [`Closed`](crate::db::Error::Closed), or [`NoKeyspace`](crate::db::Error::NoKeyspace) once it is dropped. The next call
    /// tries again.
    #[expect(clippy::should_implement_trait, reason = "it lends from the scan")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if let Some(mut scan) = self.scan.take() {
            // Until it is known that the scan comes to its end, not all of it was seen.
            let seen = self.seen.take();
            self.scan = scan.next()?.is_some().then_some(scan);
            self.seen = seen;
        }
        if self.scan.is_none() {
            let (view, sequence) = self.shared.snapshot()?;
            let tree = view.tree(self.keyspace)?;
            let is_seen = |(seen, of): &(u64, Weak<Tree<P>>)| {
                *seen == sequence && of.as_ptr() == Arc::as_ptr(tree)
            };
            if self.seen.as_ref().is_some_and(is_seen) {
                return Ok(None);
            }
            let (start, end) = (self.start.as_ref(), self.end.as_ref());
            let mut scan = Scan::new(
                tree.clone(),
                sequence,
                self.shared.options.merge_operator,
                start.map(Vec::as_slice),
                end.map(Vec::as_slice),
            );
            let found = scan.next()?.is_some();
            self.seen = Some((sequence, Arc::downgrade(tree)));
            self.scan = found.then_some(scan);
        }
        let pair = self.scan.as_ref().and_then(Scan::here);
        if let Some((key, _)) = pair {
            exclude(&mut self.start, key);
        }
        Ok(pair)
    }
}

impl<P: Files> fmt::Debug for Tail<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("keyspace", &self.keyspace)
            .field("start", &self.start)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
