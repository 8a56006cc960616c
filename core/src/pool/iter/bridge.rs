//! A plain iterator as a source: workers take items from it in turn, as they are needed.
//!
//! The iterator sits behind a lock; whoever has it takes one item, or a small batch which grows if the iterator says that it has so
//! many. Nothing is collected first, so an iterator without end, or one that makes its items slowly or waits for what becomes of those
//! before, is served as it goes. All parts share the iterator: a split divides
//! how many items a part may take at most, not the items.
#![allow(unsafe_code, reason = "a source is a promise, here an empty one")]

use super::source::Source;
use crate::platform::{Mutex, Park};
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Items that a worker takes at once, at most.
const BATCH_MAX: usize = 64;

struct Shared<I, P: Park> {
    iterator: Mutex<I, P>,
    /// It gave `None`, or panicked.
    ended: AtomicBool,
}

/// A plain iterator that workers share.
pub struct Bridge<I, P: Park> {
    shared: Arc<Shared<I, P>>,
    budget: usize,
}

impl<I: Iterator, P: Park> Bridge<I, P> {
    /// Over `iterator`, with a lock of `platform`.
    pub fn new(iterator: I, platform: P) -> Self {
        Self {
            shared: Arc::new(Shared {
                iterator: Mutex::new(iterator, platform),
                ended: AtomicBool::new(false),
            }),
            budget: usize::MAX / 2,
        }
    }
}

impl<I, P: Park> fmt::Debug for Bridge<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bridge")
    }
}

// SAFETY: it is not exact.
unsafe impl<I, P> Source for Bridge<I, P>
where
    I: Iterator + Send,
    I::Item: Send,
    P: Park + Send + Sync,
{
    type Item = I::Item;
    type Seq = BridgeSeq<I, P>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        if self.shared.ended.load(Ordering::Acquire) {
            0
        } else {
            self.budget
        }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let at = at.min(self.budget);
        let front = Self {
            shared: self.shared.clone(),
            budget: at,
        };
        let rest = Self {
            shared: self.shared,
            budget: self.budget - at,
        };
        (front, rest)
    }

    fn into_seq(self) -> BridgeSeq<I, P> {
        BridgeSeq {
            bridge: self,
            batch: Vec::new().into_iter(),
            size: 1,
        }
    }
}

/// The plain iterator of a part.
pub struct BridgeSeq<I: Iterator, P: Park> {
    bridge: Bridge<I, P>,
    batch: alloc::vec::IntoIter<I::Item>,
    size: usize,
}

impl<I: Iterator, P: Park> fmt::Debug for BridgeSeq<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BridgeSeq")
    }
}

/// Ends a bridge unless it was forgotten: an iterator that panicked is not asked again.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<I: Iterator, P: Park> Iterator for BridgeSeq<I, P> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if let Some(item) = self.batch.next() {
            return Some(item);
        }
        let wanted = self.size.min(self.bridge.budget);
        let shared = &*self.bridge.shared;
        if wanted == 0 {
            return None;
        }
        let mut batch = Vec::new();
        {
            let mut iterator = shared.iterator.lock();
            if shared.ended.load(Ordering::Relaxed) {
                return None;
            }
            // What an iterator does not say that it has may wait for the items before it.
            let wanted = wanted.min(iterator.size_hint().0.max(1));
            batch.reserve_exact(wanted);
            let ends = Ends(&shared.ended);
            batch.extend(iterator.by_ref().take(wanted));
            if batch.len() == wanted {
                core::mem::forget(ends);
            }
        }
        self.bridge.budget -= batch.len();
        self.size = (self.size * 2).min(BATCH_MAX);
        self.batch = batch.into_iter();
        self.batch.next()
    }
}
