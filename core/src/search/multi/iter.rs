//! Match after match.
#![forbid(unsafe_code)]

use super::search::Cursor;
use super::{Match, Multi};
use core::fmt;
use core::iter::FusedIterator;

impl Multi {
    /// Leftmost matches, each starting where the one before ended or later. An empty match does not touch the one before.
    pub fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindIter<'a, 'h> {
        FindIter {
            multi: self,
            haystack,
            cursor: Cursor::new(),
            free: 0,
            last_end: None,
        }
    }
}

/// Made by [`Multi::find_iter`].
#[derive(Clone)]
pub struct FindIter<'a, 'h> {
    multi: &'a Multi,
    haystack: &'h [u8],
    cursor: Cursor,
    free: usize,
    last_end: Option<usize>,
}

impl Iterator for FindIter<'_, '_> {
    type Item = Match;

    #[inline]
    fn next(&mut self) -> Option<Match> {
        loop {
            let found = self
                .multi
                .next_match(self.haystack, self.free, &mut self.cursor)?;
            self.free = found.end;
            if found.start == found.end {
                self.free += 1;
                if self.last_end == Some(found.end) {
                    continue;
                }
            }
            self.last_end = Some(found.end);
            return Some(found);
        }
    }
}

impl FusedIterator for FindIter<'_, '_> {}

impl fmt::Debug for FindIter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindIter")
            .field("multi", self.multi)
            .finish_non_exhaustive()
    }
}
