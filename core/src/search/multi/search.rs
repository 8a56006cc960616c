//! From candidates to matches, and the automaton for haystacks in which candidates cost too much.
#![forbid(unsafe_code)]

use super::automaton::State;
use super::filter::Candidates;
use super::trie::{NONE, ROOT};
use super::{Kind, Match, Multi};
use crate::search::work;

/// Bytes walked in vain that a byte of progress pays for; over it, and over a start's worth, the automaton takes over.
const CREDIT: usize = 4;
const OVERDRAFT: usize = if cfg!(any(test, fuzzing)) { 32 } else { 4096 };
/// It searches this far at least; twice as far each time that what follows turns out to be no better, up to the latter. (In tests, short texts are to
/// go to it and come back.)
const STRETCH: usize = if cfg!(any(test, fuzzing)) {
    64
} else {
    16 << 10
};
const STRETCH_MAX: usize = 1 << 20;

/// Bytes of haystack for which the automaton is built where it is no must, for each of its states.
const WORTH: usize = if cfg!(any(test, fuzzing)) { 1 } else { 16 };

/// What a search keeps between matches.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) candidates: Candidates,
    /// Bytes walked in vain since `anchor`.
    spent: usize,
    anchor: usize,
    /// How far the automaton went, or goes.
    stretch: usize,
    /// Up to here it searches.
    until: usize,
}

impl Cursor {
    pub(super) const fn new() -> Self {
        Self {
            candidates: Candidates::new(0),
            spent: 0,
            anchor: 0,
            stretch: STRETCH,
            until: 0,
        }
    }

    /// So much was walked from `start`, in vain. If that is too much, candidates behind it are forgotten, for the automaton to start there.
    #[inline]
    pub(super) fn spend(&mut self, walked: usize, start: usize) {
        self.spent += walked;
        if self.is_overdrawn(start) {
            self.candidates.restart(start + 1);
        }
    }

    #[inline(always)]
    const fn is_overdrawn(&self, at: usize) -> bool {
        let credit = at.saturating_sub(self.anchor).saturating_mul(CREDIT);
        self.spent > credit.saturating_add(OVERDRAFT)
    }

    /// The automaton has come to its end, and candidates are looked for from `at` on, even if that is before it.
    pub(super) fn resume(&mut self, at: usize) {
        self.candidates.restart(at);
        (self.spent, self.anchor, self.until) = (0, at, at);
    }

    /// Up to where the automaton is to search, if that is behind `at`, to which the candidates led; patterns have `longest` bytes at most.
    /// It is to search where too much was walked in vain, and where candidates are `dense`: a step for each byte is less then.
    #[inline]
    pub(super) fn hard_until(&mut self, at: usize, longest: usize, dense: bool) -> Option<usize> {
        if dense || self.is_overdrawn(at) {
            let is_like_before = self.until > 0 && at.saturating_sub(self.until) < STRETCH;
            self.stretch = if is_like_before {
                STRETCH_MAX.min(2 * self.stretch)
            } else {
                STRETCH
            };
            let stretch = self.stretch.max(longest.saturating_mul(8));
            self.until = at.saturating_add(stretch);
        }
        if at >= self.until {
            return None;
        }
        (self.spent, self.anchor) = (0, at);
        Some(self.until)
    }
}

/// How a stretch of the automaton ended.
enum Outcome {
    Found(Match),
    Absent,
    Stopped(usize),
}

impl Multi {
    /// The first match.
    #[must_use]
    pub fn find(&self, haystack: &[u8]) -> Option<Match> {
        self.find_at(haystack, 0)
    }

    /// Whether there is a match.
    #[must_use]
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.find(haystack).is_some()
    }

    /// The first match that starts at `from` or later.
    #[must_use]
    pub fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match> {
        let mut cursor = Cursor::new();
        self.next_match(haystack, from, &mut cursor)
    }

    /// Gives `take` match after match, each the first one at the place that it says or later.
    pub(crate) fn find_each(
        &self,
        haystack: &[u8],
        mut from: usize,
        take: &mut dyn FnMut(Match) -> Option<usize>,
    ) {
        let mut cursor = Cursor::new();
        while let Some(next) = self
            .next_match(haystack, from, &mut cursor)
            .and_then(&mut *take)
        {
            from = next;
        }
    }

    /// The first match that starts at `free` or later; `cursor` is of this haystack and has passed no start from `free` on.
    #[inline]
    pub(super) fn next_match(
        &self,
        haystack: &[u8],
        free: usize,
        cursor: &mut Cursor,
    ) -> Option<Match> {
        if let Some(finder) = &self.finder {
            let start = free + finder.find(haystack.get(free..)?)?;
            let end = start + finder.needle().len();
            return Some(Match {
                pattern: 0,
                start,
                end,
            });
        }
        loop {
            while let Some(start) = cursor.candidates.pop() {
                if start < free {
                    continue;
                }
                let (found, walked) = self.match_at(haystack, start);
                work::add(walked);
                if found.is_some() {
                    return found;
                }
                cursor.spend(walked, start);
            }
            let mut at = cursor.candidates.next.max(free);
            let dense = cursor.candidates.is_dense() && self.is_worth_it(haystack, at);
            if let Some(until) = cursor.hard_until(at, self.longest, dense) {
                match self.by_automaton(haystack, at, until) {
                    Outcome::Found(found) => {
                        cursor.candidates.restart(found.start + 1);
                        return Some(found);
                    }
                    Outcome::Absent => return None,
                    Outcome::Stopped(next) => {
                        cursor.resume(next);
                        at = next;
                    }
                }
            }
            if at > haystack.len() {
                return None;
            }
            self.refill(haystack, at, &mut cursor.candidates);
            if cursor.candidates.is_empty() {
                return None;
            }
        }
    }

    /// Whether what is left of the haystack is worth an automaton, or there is one already.
    #[cold]
    pub(super) fn is_worth_it(&self, haystack: &[u8], at: usize) -> bool {
        let left = haystack.len().saturating_sub(at);
        self.automaton.get().is_some() || left / WORTH >= self.trie.len()
    }

    /// The match that counts among those that start at `at`, and how far was walked.
    #[inline]
    pub(super) fn match_at(&self, haystack: &[u8], at: usize) -> (Option<Match>, usize) {
        let rest = &haystack[at..];
        let (mut node, mut depth) = match &self.filter {
            Some(filter) => match filter.start(rest) {
                Ok(start) if start.pattern != NONE => {
                    return self.only(start.pattern, haystack, at, filter.prefix());
                }
                Ok(start) => (start.node, filter.prefix()),
                Err(cost) => return (None, cost),
            },
            None => (ROOT, 0),
        };
        let mut best = None;
        loop {
            let pattern = self.trie.pattern(node);
            if pattern != NONE {
                let is_better = self.options.kind == Kind::LeftmostLongest
                    || best.is_none_or(|(p, _)| pattern < p);
                if is_better {
                    best = Some((pattern, depth));
                }
            }
            let Some(&byte) = rest.get(depth) else { break };
            let Some(child) = self.trie.child(node, self.fold(byte)) else {
                break;
            };
            if let (Kind::LeftmostFirst, Some((pattern, _))) = (self.options.kind, best)
                && self.trie.lowest(child) > pattern
            {
                break;
            }
            node = child;
            depth += 1;
        }
        let found = best.map(|(pattern, len)| Match {
            pattern: pattern as usize,
            start: at,
            end: at + len,
        });
        (found, depth + 8)
    }

    /// Whether `pattern` is at `at`, the only one whose first `known` bytes are there.
    #[inline]
    pub(super) fn only(
        &self,
        pattern: u32,
        haystack: &[u8],
        at: usize,
        known: usize,
    ) -> (Option<Match>, usize) {
        let bytes = super::slice(&self.bytes, &self.ends, pattern as usize);
        let end = at + bytes.len();
        let Some(text) = haystack.get(at + known..end) else {
            return (None, 8);
        };
        let is_match = if self.options.ignore_ascii_case {
            text.eq_ignore_ascii_case(&bytes[known..])
        } else {
            text == &bytes[known..]
        };
        let found = is_match.then_some(Match {
            pattern: pattern as usize,
            start: at,
            end,
        });
        (found, text.len() + 8)
    }

    /// The leftmost match that starts at `from` or later, in the automaton; stops after `until` where no match is pending.
    ///
    /// At each end of a match the longest one starts first, so it alone can win. The winner is final when every pattern that may still be
    /// running starts behind it, or, at the same place, cannot beat it.
    fn by_automaton(&self, haystack: &[u8], from: usize, until: usize) -> Outcome {
        let (trie, automaton) = (&self.trie, self.automaton());
        let (mut state, mut at) = (State::ROOT, from);
        let mut is_output = trie.output(ROOT) != NONE;
        let mut best: Option<Match> = None;
        loop {
            if is_output {
                let output = trie.output(automaton.node(state));
                let start = at - self.pattern_len(output);
                let pattern = output as usize;
                let is_better = best.is_none_or(|best| {
                    start < best.start
                        || start == best.start
                            && (self.options.kind == Kind::LeftmostLongest
                                || pattern < best.pattern)
                });
                if is_better {
                    best = Some(Match {
                        pattern,
                        start,
                        end: at,
                    });
                }
            }
            // Where no more is to be taken at once than the next byte, something may be final.
            let mut stop = at + 1;
            if let Some(best) = best {
                let is_over = automaton.is_shallower(trie, state, at - best.start);
                let cannot_win = || {
                    self.options.kind == Kind::LeftmostFirst
                        && automaton.is_shallower(trie, state, at - best.start + 1)
                        && trie.lowest(automaton.node(state)) as usize >= best.pattern
                };
                if is_over || cannot_win() {
                    return Outcome::Found(best);
                }
            } else if at >= until {
                // What runs from before has got at least this far, so there is progress.
                let running = at - trie.depth(automaton.node(state));
                if running > from {
                    return Outcome::Stopped(running);
                }
            } else {
                stop = until.min(haystack.len()).max(stop);
            }
            let Some(bytes) = haystack.get(at..stop) else {
                return best.map_or(Outcome::Absent, Outcome::Found);
            };
            let taken;
            (state, taken, is_output) = automaton.run(trie, state, bytes);
            at += taken;
        }
    }
}
