//! All matches, without overlaps. The kernel lists them, some dozens at a time.
#![forbid(unsafe_code)]

use super::finder::{Finder, Kind};
use super::plan::State;
use crate::search::byte::kernel::{Hits, further};
use crate::search::{memchr, memrchr};
use core::fmt;
use core::iter::FusedIterator;

/// Matches from the front; made by [`find_iter`](super::find_iter) and [`Finder::find_iter`].
#[derive(Clone)]
pub struct FindIter<'h, 'n> {
    haystack: &'h [u8],
    finder: Finder<'n>,
    state: State,
    hits: Hits,
    reach: usize,
}

impl<'h, 'n> FindIter<'h, 'n> {
    pub(super) fn new(haystack: &'h [u8], finder: Finder<'n>) -> Self {
        Self {
            haystack,
            state: finder.state(),
            finder,
            hits: Hits::new(),
            reach: 0,
        }
    }

    #[inline]
    fn refill(&mut self) {
        let (from, reach) = (self.hits.next, self.reach);
        self.finder
            .list(&mut self.state, self.haystack, from, reach, &mut self.hits);
        self.reach = further(reach);
    }

    #[cold]
    fn next_of_other_kind(&mut self) -> Option<usize> {
        let rest = self.haystack.get(self.hits.next..)?;
        let at = match self.finder.kind() {
            Kind::Byte(byte) => self.hits.next + memchr(byte, rest)?,
            Kind::Run => self.finder.run_from(self.haystack, self.hits.next)?,
            _ => self.hits.next,
        };
        self.hits.next = at + self.finder.needle().len().max(1);
        Some(at)
    }
}

impl Iterator for FindIter<'_, '_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.finder.kind() != Kind::Probes {
            return self.next_of_other_kind();
        }
        loop {
            if let Some(at) = self.hits.pop() {
                return Some(at);
            }
            if self.hits.next >= self.haystack.len() {
                return None;
            }
            self.refill();
        }
    }

    fn count(mut self) -> usize {
        if self.finder.kind() != Kind::Probes {
            return core::iter::from_fn(|| self.next_of_other_kind()).fold(0, |n, _| n + 1);
        }
        let mut count = self.hits.len();
        while self.hits.next < self.haystack.len() {
            self.refill();
            count += self.hits.len();
        }
        count
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.haystack.len() - self.hits.next.min(self.haystack.len());
        let most = left / self.finder.needle().len().max(1) + 1;
        (self.hits.len(), Some(self.hits.len() + most))
    }
}

impl FusedIterator for FindIter<'_, '_> {}

impl fmt::Debug for FindIter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindIter")
            .field("finder", &self.finder)
            .finish_non_exhaustive()
    }
}

/// Matches from the back; made by [`rfind_iter`](super::rfind_iter) and [`Finder::rfind_iter`].
#[derive(Clone)]
pub struct FindRevIter<'h, 'n> {
    haystack: &'h [u8],
    finder: Finder<'n>,
    state: State,
    /// Its `next` is where the next match ends at most.
    hits: Hits,
    reach: usize,
    /// Whether an empty needle has matched at the front, after which nothing does.
    is_done: bool,
}

impl<'h, 'n> FindRevIter<'h, 'n> {
    pub(super) fn new(haystack: &'h [u8], finder: Finder<'n>) -> Self {
        let mut hits = Hits::new();
        hits.next = haystack.len();
        Self {
            haystack,
            state: finder.state(),
            finder,
            hits,
            reach: 0,
            is_done: false,
        }
    }

    #[cold]
    fn next_of_other_kind(&mut self) -> Option<usize> {
        if self.is_done {
            return None;
        }
        let end = self.hits.next;
        match self.finder.kind() {
            Kind::Byte(byte) => {
                let at = memrchr(byte, &self.haystack[..end])?;
                self.hits.next = at;
                Some(at)
            }
            _ => {
                self.is_done = end == 0;
                self.hits.next = end.saturating_sub(1);
                Some(end)
            }
        }
    }
}

impl Iterator for FindRevIter<'_, '_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if matches!(self.finder.kind(), Kind::Byte(_) | Kind::Empty) {
            return self.next_of_other_kind();
        }
        loop {
            if let Some(at) = self.hits.pop_before() {
                return Some(at);
            }
            let (end, reach) = (self.hits.next, self.reach);
            if end < self.finder.needle().len() {
                return None;
            }
            let (state, hits) = (&mut self.state, &mut self.hits);
            self.finder
                .list_back(state, self.haystack, end, reach, hits);
            self.reach = further(reach);
        }
    }
}

impl FusedIterator for FindRevIter<'_, '_> {}

impl fmt::Debug for FindRevIter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindRevIter")
            .field("finder", &self.finder)
            .finish_non_exhaustive()
    }
}
