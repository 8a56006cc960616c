//! The items of a vector, by value: parts share the buffer, which is freed with the last of them.
//!
//! # Invariants
//! - O1: a part owns the items of its range; ranges of live parts do not overlap.
//! - O2: the buffer's own length is 0, so freeing it drops no item.
#![allow(unsafe_code, reason = "parts read items out of one buffer")]

use super::source::{ExactSource, Source};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;

struct Buffer<T>(Vec<T>);

// SAFETY: the vector is not touched through the buffer but to free it; its items are sent with their parts.
unsafe impl<T: Send> Sync for Buffer<T> {}

/// The items of a vector.
pub struct OwnedIter<T> {
    buffer: Arc<Buffer<T>>,
    first: *mut T,
    count: usize,
}

// SAFETY: a part owns its items (O1), which may be sent.
unsafe impl<T: Send> Send for OwnedIter<T> {}

impl<T> OwnedIter<T> {
    /// The items of `vector`.
    #[must_use]
    pub fn new(mut vector: Vec<T>) -> Self {
        let (first, count) = (vector.as_mut_ptr(), vector.len());
        // SAFETY: 0 is less than any capacity; the items are this part's now (O1, O2).
        unsafe { vector.set_len(0) };
        Self {
            buffer: Arc::new(Buffer(vector)),
            first,
            count,
        }
    }
}

impl<T> fmt::Debug for OwnedIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedIter")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<T> Drop for OwnedIter<T> {
    fn drop(&mut self) {
        debug_assert!(self.buffer.0.is_empty());
        // SAFETY: O1.
        unsafe { core::ptr::slice_from_raw_parts_mut(self.first, self.count).drop_in_place() }
    }
}

// SAFETY: a part gives the items of its range, each once.
unsafe impl<T: Send> Source for OwnedIter<T> {
    type Item = T;
    type Seq = OwnedSeq<T>;
    const EXACT: bool = true;

    fn weight(&self) -> usize {
        self.count
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        assert!(at <= self.count, "a split past the end");
        let this = ManuallyDrop::new(self);
        // SAFETY: read once, and not dropped through `this`.
        let buffer = unsafe { (&raw const this.buffer).read() };
        let left = Self {
            buffer: buffer.clone(),
            first: this.first,
            count: at,
        };
        let right = Self {
            buffer,
            // SAFETY: at is at most the count.
            first: unsafe { this.first.add(at) },
            count: this.count - at,
        };
        (left, right)
    }

    fn into_seq(self) -> OwnedSeq<T> {
        OwnedSeq(self)
    }
}

impl<T: Send> ExactSource for OwnedIter<T> {}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct OwnedSeq<T>(OwnedIter<T>);

impl<T> Iterator for OwnedSeq<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.0.count == 0 {
            return None;
        }
        let item = self.0.first;
        self.0.count -= 1;
        // SAFETY: the item was the part's (O1), and is no longer counted; the next one is at most one past the end.
        unsafe {
            self.0.first = item.add(1);
            Some(item.read())
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.count, Some(self.0.count))
    }
}

impl<T> DoubleEndedIterator for OwnedSeq<T> {
    fn next_back(&mut self) -> Option<T> {
        if self.0.count == 0 {
            return None;
        }
        self.0.count -= 1;
        // SAFETY: it was the part's last item (O1), and is no longer counted.
        Some(unsafe { self.0.first.add(self.0.count).read() })
    }
}

impl<T> ExactSizeIterator for OwnedSeq<T> {}
