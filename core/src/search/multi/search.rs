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
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) candidates: Candidates,
    /// Bytes walked in vain since `anchor`.
    spent: usize,
    anchor: usize,
    /// Up to here the automaton searches.
    until: usize,
}

impl Cursor {
    pub(super) const fn new() -> Self {
        Self {
            candidates: Candidates::new(0),
            spent: 0,
            anchor: 0,
            until: 0,
        }
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
                        cursor.candidates.restart(found.start + 1);
                        return Some(found);
                    }
                    Outcome::Absent => return None,
                    Outcome::Stopped(next) => at = next,
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

    /// The match that counts among those that start at `at`, and how far was walked.
    #[inline]
    pub(super) fn match_at(&self, haystack: &[u8], at: usize) -> (Option<Match>, usize) {
        let rest = &haystack[at..];
        let (mut node, mut depth) = match &self.filter {
            Some(filter) => match filter.start(rest) {
                Some(start) if start.pattern != NONE => {
                    return self.only(start.pattern, haystack, at, filter.prefix());
                }
                Some(start) => (start.node, filter.prefix()),
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
            start: at,
            end: at + len,
        });
        (found, depth + 8)
    }

    /// Whether `pattern` is at `at`, the only one whose first `known` bytes are there.
    #[inline]
    fn only(
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
