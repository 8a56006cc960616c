//! All bytes of a kind, from either end.
//!
//! A search that starts anew after each hit pays for it each time, and a mask that is handed out bit by bit costs a branch that nobody can
//! foretell for every 64 bytes. So the kernel writes down where the hits are, some dozens at a time, and these read the list.
#![forbid(unsafe_code)]

use super::kernel::{Hits, further};
use super::{ByteSet, memrchr, memrchr2, memrchr3};
use core::fmt;
use core::iter::FusedIterator;

/// Indices of one, two or three bytes in a haystack; made by [`memchr_iter`](super::memchr_iter) and its siblings.
#[derive(Clone)]
pub struct Bytes<'h> {
    haystack: &'h [u8],
    needles: [u8; 3],
    kinds: u8,
    hits: Hits,
    reach: usize,
    /// Hits from here on were taken from the back.
    end: usize,
}

impl<'h> Bytes<'h> {
    pub(super) const fn new(needles: [u8; 3], kinds: u8, haystack: &'h [u8]) -> Self {
        Self {
            haystack,
            needles,
            kinds,
            hits: Hits::new(),
            reach: 0,
            end: haystack.len(),
        }
    }

    #[inline]
    fn refill(&mut self) {
        let (haystack, from, hits) = (self.haystack, self.hits.next, &mut self.hits);
        let [a, b, _] = self.needles;
        match self.kinds {
            1 => super::collect(a, haystack, from, self.reach, hits),
            2 => super::collect2(a, b, haystack, from, self.reach, hits),
            _ => super::collect3(self.needles, haystack, from, self.reach, hits),
        }
        self.reach = further(self.reach);
    }
}

impl Iterator for Bytes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.hits.pop() {
                return (at < self.end).then_some(at);
            }
            if self.hits.next >= self.end {
                return None;
            }
            self.refill();
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, usize) -> B>(mut self, init: B, mut f: F) -> B {
        let mut value = init;
        loop {
            for at in self.hits.iter() {
                if at >= self.end {
                    return value;
                }
                value = f(value, at);
            }
            if self.hits.next >= self.end {
                return value;
            }
            self.refill();
        }
    }

    fn count(self) -> usize {
        let next = self.hits.next;
        if self.end < next {
            return self.fold(0, |count, _| count + 1);
        }
        let rest = &self.haystack[next..self.end];
        let [a, b, c] = self.needles;
        self.hits.len()
            + match self.kinds {
                1 => super::count(a, rest),
                2 => super::count2(a, b, rest),
                _ => super::count3(a, b, c, rest),
            }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let in_hand = self.hits.len();
        (0, Some(in_hand + self.end.saturating_sub(self.hits.next)))
    }
}

impl DoubleEndedIterator for Bytes<'_> {
    fn next_back(&mut self) -> Option<usize> {
        let [a, b, c] = self.needles;
        let rest = &self.haystack[..self.end];
        let found = match self.kinds {
            1 => memrchr(a, rest),
            2 => memrchr2(a, b, rest),
            _ => memrchr3(a, b, c, rest),
        };
        match found {
            Some(at) if at >= self.hits.next || self.hits.iter().any(|hit| hit == at) => {
                self.end = at;
                Some(at)
            }
            // Nothing, or a hit that was handed out from the front.
            _ => {
                self.end = 0;
                None
            }
        }
    }
}

impl FusedIterator for Bytes<'_> {}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes")
            .field("needles", &&self.needles[..usize::from(self.kinds)])
            .finish_non_exhaustive()
    }
}

/// Indices of the bytes of a set; made by [`ByteSet::find_iter`].
#[derive(Clone)]
pub struct SetBytes<'h> {
    haystack: &'h [u8],
    set: ByteSet,
    hits: Hits,
    reach: usize,
}

impl<'h> SetBytes<'h> {
    pub(super) const fn new(set: ByteSet, haystack: &'h [u8]) -> Self {
        Self {
            haystack,
            set,
            hits: Hits::new(),
            reach: 0,
        }
    }
}

impl Iterator for SetBytes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.hits.pop() {
                return Some(at);
            }
            let from = self.hits.next;
            if from >= self.haystack.len() {
                return None;
            }
            self.set
                .collect(self.haystack, from, self.reach, &mut self.hits);
            self.reach = further(self.reach);
        }
    }

    fn count(self) -> usize {
        self.hits.len() + self.set.count(&self.haystack[self.hits.next..])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (
            0,
            Some(self.hits.len() + self.haystack.len() - self.hits.next),
        )
    }
}

impl FusedIterator for SetBytes<'_> {}

impl fmt::Debug for SetBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetBytes")
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}
