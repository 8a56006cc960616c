//! All matches, without overlaps, with the mask of the current vector kept.
#![forbid(unsafe_code)]

use super::finder::{Finder, Kind};
use super::plan::State;
use crate::search::{memchr, memrchr};
use core::fmt;
use core::iter::FusedIterator;

/// Matches from the front; made by [`find_iter`](super::find_iter) and [`Finder::find_iter`].
#[derive(Clone)]
pub struct FindIter<'h, 'n> {
    haystack: &'h [u8],
    finder: Finder<'n>,
    state: State,
    /// Matches of the vector in hand: bit `i` is at `base + i`.
    mask: u64,
    base: usize,
    /// Everything before has been looked at.
    next: usize,
    /// Where the last match ended: the next one starts there or later.
    free: usize,
}

impl<'h, 'n> FindIter<'h, 'n> {
    pub(super) fn new(haystack: &'h [u8], finder: Finder<'n>) -> Self {
        Self {
            haystack,
            state: finder.state(),
            finder,
            mask: 0,
            base: 0,
            next: 0,
            free: 0,
        }
    }

    #[cold]
    fn next_of_other_kind(&mut self) -> Option<usize> {
        let rest = self.haystack.get(self.next..)?;
        let at = match self.finder.kind() {
            Kind::Byte(byte) => self.next + memchr(byte, rest)?,
            Kind::Run => self.finder.run_from(self.haystack, self.next)?,
            _ => self.next,
        };
        self.next = at + self.finder.needle().len().max(1);
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
            while self.mask != 0 {
                let at = self.base + self.mask.trailing_zeros() as usize;
                if at >= self.free {
                    let len = self.finder.needle().len();
                    self.free = at + len;
                    // Those that overlap it go with it.
                    self.mask &= u64::MAX.unbounded_shl((at - self.base + len) as u32);
                    return Some(at);
                }
                self.mask &= self.mask - 1;
            }
            let from = self.next.max(self.free);
            if from >= self.haystack.len() {
                return None;
            }
            let found = self.finder.all_from(&mut self.state, self.haystack, from);
            (self.mask, self.base, self.next) = (found.mask, found.base, found.next);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.haystack.len() - self.free.min(self.haystack.len());
        (0, Some(left / self.finder.needle().len().max(1) + 1))
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
    /// The next match ends here or earlier; `None` at the end.
    end: Option<usize>,
}

impl<'h, 'n> FindRevIter<'h, 'n> {
    pub(super) const fn new(haystack: &'h [u8], finder: Finder<'n>) -> Self {
        Self {
            haystack,
            finder,
            end: Some(haystack.len()),
        }
    }
}

impl Iterator for FindRevIter<'_, '_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let rest = &self.haystack[..self.end?];
        let at = match self.finder.kind() {
            Kind::Byte(byte) => memrchr(byte, rest),
            _ => self.finder.rfind(rest),
        };
        self.end = match at {
            Some(at) if self.finder.needle().is_empty() => at.checked_sub(1),
            at => at,
        };
        at
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
