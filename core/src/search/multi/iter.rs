//! Match after match.
#![forbid(unsafe_code)]

use super::filter::Candidates;
use super::search::Cursor;
use super::trie::{NONE, ROOT};
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

    /// All matches of all patterns, overlapping ones too, in the order of their starts, then of their lengths, then of their patterns.
    pub fn find_overlapping_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> OverlappingIter<'a, 'h> {
        OverlappingIter {
            multi: self,
            haystack,
            candidates: Candidates::new(0),
            is_done: false,
            start: 0,
            walk: None,
            twin: NONE,
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

/// Made by [`Multi::find_overlapping_iter`].
#[derive(Clone)]
pub struct OverlappingIter<'a, 'h> {
    multi: &'a Multi,
    haystack: &'h [u8],
    candidates: Candidates,
    /// Whether there are no more candidates than those at hand.
    is_done: bool,
    /// The candidate in hand.
    start: usize,
    /// The node and depth that the walk from it has come to, its patterns given.
    walk: Option<(u32, usize)>,
    /// The next of several equal patterns.
    twin: u32,
}

impl OverlappingIter<'_, '_> {
    fn give(&mut self, pattern: u32, depth: usize) -> Match {
        self.twin = self.multi.twins[pattern as usize];
        Match {
            pattern: pattern as usize,
            start: self.start,
            end: self.start + depth,
        }
    }
}

impl Iterator for OverlappingIter<'_, '_> {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        let multi = self.multi;
        loop {
            if let Some((node, depth)) = self.walk {
                if self.twin != NONE {
                    return Some(self.give(self.twin, depth));
                }
                let byte = self.haystack.get(self.start + depth);
                self.walk = byte
                    .and_then(|byte| multi.trie.child(node, multi.fold(*byte)))
                    .map(|child| (child, depth + 1));
            } else {
                self.start = match self.candidates.pop() {
                    Some(start) => start,
                    None if self.is_done => return None,
                    None => {
                        let from = self.candidates.next;
                        multi.refill(self.haystack, from, &mut self.candidates);
                        self.is_done = self.candidates.is_empty();
                        continue;
                    }
                };
                self.walk = match &multi.filter {
                    Some(filter) => filter
                        .start(&self.haystack[self.start..])
                        .map(|start| (start.node, filter.prefix())),
                    None => Some((ROOT, 0)),
                };
            }
            if let Some((node, depth)) = self.walk {
                let pattern = multi.trie.pattern(node);
                if pattern != NONE {
                    return Some(self.give(pattern, depth));
                }
            }
        }
    }
}

impl FusedIterator for OverlappingIter<'_, '_> {}

impl fmt::Debug for OverlappingIter<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlappingIter")
            .field("multi", self.multi)
            .finish_non_exhaustive()
    }
}
