//! From candidates to matches, and the automaton for haystacks in which candidates cost too much.
#![forbid(unsafe_code)]

use super::filter::Candidates;
use super::trie::{NONE, ROOT};
use super::{Kind, Match, Multi};

/// Bytes walked in vain that a byte of progress pays for; over it, and over a start's worth, the automaton takes over.
const CREDIT: usize = 4;
const OVERDRAFT: usize = 4096;
/// It searches this far at least.
const STRETCH: usize = 16 << 10;

/// What a search keeps between matches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub(super) candidates: Candidates,
    /// Bytes walked in vain since `anchor`.
    spent: usize,
    anchor: usize,
    /// Up to here the automaton searches.
    until: usize,
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
        let mut cursor = Cursor::default();
        self.next_match(haystack, from, &mut cursor)
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
            while cursor.candidates.mask != 0 {
                let start =
                    cursor.candidates.base + cursor.candidates.mask.trailing_zeros() as usize;
                cursor.candidates.mask &= cursor.candidates.mask - 1;
                if start < free {
                    continue;
                }
                let (found, walked) = self.match_at(haystack, start);
                if found.is_some() {
                    return found;
                }
                cursor.spent += walked;
            }
            let mut at = cursor.candidates.next.max(free);
            if cursor.spent > OVERDRAFT + CREDIT * at.saturating_sub(cursor.anchor) {
                cursor.until = at + STRETCH.max(8 * self.longest);
            }
            while at < cursor.until {
                (cursor.spent, cursor.anchor) = (0, at);
                match self.automaton(haystack, at, cursor.until) {
                    Outcome::Found(found) => {
                        cursor.candidates.next = found.start + 1;
                        return Some(found);
                    }
                    Outcome::Absent => return None,
                    Outcome::Stopped(next) => at = next,
                }
            }
            if at > haystack.len() {
                return None;
            }
            cursor.candidates = self.candidates(haystack, at);
            if cursor.candidates.mask == 0 {
                return None;
            }
        }
    }

    /// The match that counts among those that start at `start`, and how far was walked.
    #[inline]
    pub(super) fn match_at(&self, haystack: &[u8], start: usize) -> (Option<Match>, usize) {
        let rest = &haystack[start..];
        let (mut node, mut depth) = match &self.filter {
            Some(filter) => match filter.node(rest) {
                Some(node) => (node, filter.prefix()),
                None => return (None, 8),
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
            start,
            end: start + len,
        });
        (found, depth + 8)
    }

    /// The leftmost match that starts at `from` or later, byte by byte in the Aho-Corasick automaton; stops after `until` where no match is pending.
    ///
    /// At each end of a match the longest one starts first, so it alone can win. The winner is final when every pattern that may still be
    /// running starts behind it, or, at the same place, cannot beat it.
    fn automaton(&self, haystack: &[u8], from: usize, until: usize) -> Outcome {
        let mut node = ROOT;
        let mut best: Option<Match> = None;
        let mut at = from;
        loop {
            let output = self.trie.output(node);
            if output != NONE {
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
            if best.is_some() || at >= until {
                let running = at - self.trie.depth(node);
                match best {
                    Some(best) => {
                        let cannot_win = running == best.start
                            && self.options.kind == Kind::LeftmostFirst
                            && self.trie.lowest(node) as usize >= best.pattern;
                        if running > best.start || cannot_win {
                            return Outcome::Found(best);
                        }
                    }
                    // What runs from before has got at least this far, so there is progress.
                    None if running > from => return Outcome::Stopped(running),
                    None => {}
                }
            }
            let Some(&byte) = haystack.get(at) else {
                return best.map_or(Outcome::Absent, Outcome::Found);
            };
            node = self.trie.step(node, self.fold(byte));
            at += 1;
        }
    }
}
