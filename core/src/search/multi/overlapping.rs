//! All matches, overlapping ones too.
#![forbid(unsafe_code)]

use super::automaton::State;
use super::search::Cursor;
use super::trie::{NONE, ROOT};
use super::{Match, Multi};
use crate::search::work;
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use core::fmt;
use core::iter::FusedIterator;

impl Multi {
    /// All matches of all patterns, overlapping ones too, in the order of their starts, then of their lengths, then of their patterns.
    pub fn find_overlapping_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> OverlappingIter<'a, 'h> {
        OverlappingIter {
            multi: self,
            haystack,
            cursor: Cursor::new(),
            is_done: false,
            start: 0,
            walk: None,
            hard: None,
            last: (NONE, 0),
        }
    }
}

/// Made by [`Multi::find_overlapping_iter`].
#[derive(Clone)]
pub struct OverlappingIter<'a, 'h> {
    multi: &'a Multi,
    haystack: &'h [u8],
    cursor: Cursor,
    /// Whether there are no more candidates than those at hand.
    is_done: bool,
    /// The candidate in hand.
    start: usize,
    /// The way from it.
    walk: Option<Walk>,
    /// The automaton at work, instead.
    hard: Option<Hard>,
    /// The next of several equal patterns, and where it ends.
    last: (u32, usize),
}

/// Down the tree from a candidate.
#[derive(Clone, Copy)]
struct Walk {
    /// The node it has come to, and its depth; its patterns are given.
    node: u32,
    depth: usize,
    /// How many of those on the way were given.
    given: usize,
}

/// A stretch in the automaton, which finds matches in the order of their ends.
#[derive(Clone)]
struct Hard {
    /// It ends where nothing runs from here or before: from its start, or from that of a match that was given.
    from: usize,
    until: usize,
    state: State,
    at: usize,
    /// Start, end and pattern of matches before which others may still come.
    pending: BinaryHeap<Reverse<(usize, usize, u32)>>,
}

/// What comes next in such a stretch.
enum Next {
    Match(usize, usize, u32),
    /// It is over, and matches from here on are not given.
    Over(usize),
    /// The haystack is over.
    End,
}

impl Hard {
    fn new(multi: &Multi, from: usize, until: usize) -> Self {
        let mut hard = Self {
            from,
            until,
            state: State::ROOT,
            at: from,
            pending: BinaryHeap::new(),
        };
        hard.push_from(multi, multi.trie.output(ROOT));
        hard
    }

    /// Keeps `pattern`, which ends here, and all shorter ones that do, until none can come before them.
    fn push_from(&mut self, multi: &Multi, mut pattern: u32) {
        while pattern != NONE {
            let start = self.at - multi.pattern_len(pattern);
            self.pending.push(Reverse((start, self.at, pattern)));
            pattern = multi.automaton().shorter(pattern);
        }
    }

    /// The longest pattern that ends with the state, if none can come before it; the others are kept.
    fn take_outputs(&mut self, multi: &Multi) -> Option<Next> {
        let automaton = multi.automaton();
        let pattern = multi.trie.output(automaton.node(self.state));
        let len = multi.pattern_len(pattern);
        // Nothing longer than it is running, and what is running as long ends later.
        if self.pending.is_empty() && automaton.is_shallower(&multi.trie, self.state, len + 1) {
            self.push_from(multi, automaton.shorter(pattern));
            self.from = self.from.max(self.at - len);
            return Some(Next::Match(self.at - len, self.at, pattern));
        }
        self.push_from(multi, pattern);
        None
    }

    /// The next match, where all patterns are one byte.
    #[inline]
    fn next_letter(&mut self, multi: &Multi, haystack: &[u8]) -> Next {
        let stop = self.until.min(haystack.len());
        let rest = haystack.get(self.at..stop).unwrap_or_default();
        for (at, byte) in (self.at..).zip(rest) {
            let pattern = multi.trie.letter(multi.fold(*byte));
            if pattern != NONE {
                work::add(at + 1 - self.at);
                self.at = at + 1;
                return Next::Match(at, at + 1, pattern);
            }
        }
        work::add(rest.len());
        if stop == haystack.len() {
            Next::End
        } else {
            Next::Over(stop)
        }
    }

    #[inline]
    fn next(&mut self, multi: &Multi, haystack: &[u8]) -> Next {
        if multi.longest == 1 && multi.filter.is_some() {
            return self.next_letter(multi, haystack);
        }
        let (trie, automaton) = (&multi.trie, multi.automaton());
        loop {
            let is_end = self.at >= haystack.len();
            if let Some(Reverse((start, end, pattern))) = self.pending.peek().copied()
                && (is_end || automaton.is_shallower(trie, self.state, self.at - start))
            {
                self.pending.pop();
                return Next::Match(start, end, pattern);
            }
            if is_end {
                return Next::End;
            }
            let mut stop = self.until.min(haystack.len());
            if self.at >= stop {
                let running = self.at - trie.depth(automaton.node(self.state));
                if running > self.from {
                    return Next::Over(running);
                }
                stop = self.at + 1;
            }
            let bytes = &haystack[self.at..stop];
            let (state, taken, is_output) = automaton.run(trie, self.state, bytes);
            self.state = state;
            self.at += taken;
            if is_output && let Some(first) = self.take_outputs(multi) {
                return first;
            }
        }
    }
}

impl OverlappingIter<'_, '_> {
    fn give(&mut self, pattern: u32, end: usize) -> Match {
        self.last = (self.multi.twins[pattern as usize], end);
        Match {
            pattern: pattern as usize,
            start: self.start,
            end,
        }
    }

    /// One step down from the candidate; the walk is over if there is none.
    fn descend(&mut self, walk: Walk) {
        let child = self
            .haystack
            .get(self.start + walk.depth)
            .and_then(|byte| self.multi.trie.child(walk.node, self.multi.fold(*byte)));
        self.walk = child.map(|node| Walk {
            node,
            depth: walk.depth + 1,
            ..walk
        });
        if child.is_none() {
            work::add(walk.depth + 8);
            let in_vain = (walk.depth + 8).saturating_sub(8 * walk.given);
            self.cursor.spend(in_vain, self.start);
        }
    }

    /// On to the next candidate, or into the automaton. Whether there is anything; and a match, if nothing but one can start there.
    fn advance(&mut self) -> (bool, Option<Match>) {
        let multi = self.multi;
        let Some(start) = self.cursor.candidates.pop() else {
            if self.is_done {
                return (false, None);
            }
            let from = self.cursor.candidates.next;
            let dense = self.cursor.candidates.is_dense() && multi.is_worth_it(self.haystack, from);
            if let Some(until) = self.cursor.hard_until(from, multi.longest, dense) {
                self.hard = Some(Hard::new(multi, from, until));
                return (true, None);
            }
            multi.refill(self.haystack, from, &mut self.cursor.candidates);
            self.is_done = self.cursor.candidates.is_empty();
            return (true, None);
        };
        self.start = start;
        let (node, depth) = match &multi.filter {
            None => (ROOT, 0),
            Some(filter) => match filter.start(&self.haystack[start..]) {
                Ok(only) if only.pattern != NONE => {
                    let known = filter.prefix();
                    let (found, cost) = multi.only(only.pattern, self.haystack, start, known);
                    work::add(cost);
                    match found {
                        Some(found) => self.last = (multi.twins[found.pattern], found.end),
                        None => self.cursor.spend(cost, start),
                    }
                    return (true, found);
                }
                Ok(start) => (start.node, filter.prefix()),
                Err(cost) => {
                    work::add(cost);
                    self.cursor.spend(cost, start);
                    return (true, None);
                }
            },
        };
        self.walk = Some(Walk {
            node,
            depth,
            given: 0,
        });
        (true, None)
    }
}

impl Iterator for OverlappingIter<'_, '_> {
    type Item = Match;

    fn next(&mut self) -> Option<Match> {
        let multi = self.multi;
        loop {
            if self.last.0 != NONE {
                return Some(self.give(self.last.0, self.last.1));
            }
            if let Some(hard) = &mut self.hard {
                match hard.next(multi, self.haystack) {
                    Next::Match(start, end, pattern) => {
                        self.start = start;
                        return Some(self.give(pattern, end));
                    }
                    Next::Over(at) => {
                        self.hard = None;
                        self.cursor.resume(at);
                    }
                    Next::End => return None,
                }
                continue;
            }
            if let Some(walk) = self.walk {
                self.descend(walk);
            } else {
                match self.advance() {
                    (_, Some(found)) => return Some(found),
                    (true, None) => {}
                    (false, None) => return None,
                }
            }
            if let Some(walk) = &mut self.walk {
                let pattern = multi.trie.pattern(walk.node);
                if pattern != NONE {
                    walk.given += 1;
                    let end = self.start + walk.depth;
                    return Some(self.give(pattern, end));
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
