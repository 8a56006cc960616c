//! Many substrings at once: from one pattern to a hundred thousand.
//!
//! ```text
//! haystack --> filter: where may a pattern start? --> tree: which one does? --> match
//!                                                       | walked too far in vain
//!                                                       v
//!                                                     automaton, for a stretch
//! ```
//!
//! If each pattern has one of up to three bytes that are rare in the haystack, the filter looks only where those are.
//!
//! [`Multi`] finds leftmost matches: of those that start first, the pattern that was given first ([`Kind::LeftmostFirst`], as regular
//! expressions choose), or the longest ([`Kind::LeftmostLongest`]); or all matches, overlapping ones too. Time is linear in the haystack and in what
//! is found; leftmost matches also look ahead, each as far as a pattern that would be preferred to it may still come.
#![allow(
    unsafe_code,
    reason = "calls of kernels for the level that was asked for"
)]

mod automaton;
mod filter;
mod iter;
mod once;
mod overlapping;
mod rare;
mod replace;
mod search;
mod trie;

pub use iter::FindIter;
pub use overlapping::OverlappingIter;

use super::detect::{self, Level};
use super::memmem::Finder;
use alloc::vec::Vec;
use automaton::Automaton;
use core::fmt;
use filter::{Candidates, Filter, next_candidates};
use once::Once;
use rare::{Rare, WINDOW};
use trie::Trie;

/// Patterns that one [`Multi`] takes at most, and the sum of their lengths.
pub const PATTERNS_MAX: usize = 1 << 24;
/// Sum of the lengths of all patterns of one [`Multi`] at most.
pub const PATTERN_BYTES_MAX: usize = 1 << 30;

/// Which of several matches that start at the same place counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The pattern that was given first.
    #[default]
    LeftmostFirst,
    /// The longest.
    LeftmostLongest,
}

/// How to search.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which match counts.
    pub kind: Kind,
    /// Whether ASCII letters count without their case. Default: no.
    pub ignore_ascii_case: bool,
    /// The level to use instead of the best one, if this machine has it. For tests and for measuring.
    pub level: Option<Level>,
}

/// Where a pattern is in a haystack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// Number of the pattern, counted from 0 in the order given.
    pub pattern: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Match {
    /// Its bytes' range.
    #[must_use]
    pub const fn range(&self) -> core::ops::Range<usize> {
        self.start..self.end
    }
}

/// Why a set of patterns was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// More than [`PATTERNS_MAX`] patterns.
    TooManyPatterns,
    /// More than [`PATTERN_BYTES_MAX`] bytes in all.
    TooLong,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyPatterns => write!(f, "more than {PATTERNS_MAX} patterns"),
            Self::TooLong => write!(f, "patterns of more than {PATTERN_BYTES_MAX} bytes in all"),
        }
    }
}

impl core::error::Error for BuildError {}

/// A set of patterns, prepared.
///
/// ```
/// use underpin_core::search::multi::Multi;
/// let multi = Multi::new(["apple", "maple", "Snapple"])?;
/// let found = multi.find(b"Nobody likes maple in their apple flavored Snapple.").unwrap();
/// assert_eq!((found.pattern, found.range()), (1, 13..18));
/// # Ok::<(), underpin_core::search::multi::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Multi {
    options: Options,
    /// All patterns one after the other, in lower case if case is ignored; pattern `p` ends at `ends[p]`.
    bytes: Vec<u8>,
    ends: Vec<u32>,
    /// The next pattern that is equal to each, or [`trie::NONE`].
    twins: Vec<u32>,
    longest: usize,
    trie: Trie,
    /// None if a pattern is empty: then every position is a candidate.
    filter: Option<Filter>,
    /// What each pattern has and most texts have not.
    rare: Option<Rare>,
    /// For a single pattern.
    finder: Option<Finder<'static>>,
    /// For haystacks that are hard for the filter.
    automaton: Once<Automaton>,
    candidates: next_candidates::Kernel,
}

impl Multi {
    /// Prepares `patterns` for leftmost-first search.
    ///
    /// # Errors
    /// More patterns or bytes than the limits.
    pub fn new<P: AsRef<[u8]>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, BuildError> {
        Self::with_options(Options::default(), patterns)
    }

    /// Prepares `patterns`. Takes time and memory linear in the sum of their lengths (and the time to sort them).
    ///
    /// # Errors
    /// More patterns or bytes than the limits.
    pub fn with_options<P: AsRef<[u8]>>(
        options: Options,
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Self, BuildError> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for pattern in patterns {
            bytes.extend_from_slice(pattern.as_ref());
            if ends.len() == PATTERNS_MAX {
                return Err(BuildError::TooManyPatterns);
            }
            if bytes.len() > PATTERN_BYTES_MAX {
                return Err(BuildError::TooLong);
            }
            ends.push(bytes.len() as u32);
        }
        if options.ignore_ascii_case {
            bytes.make_ascii_lowercase();
        }
        let pattern = |p: u32| slice(&bytes, &ends, p as usize);
        let mut sorted: Vec<u32> = (0..ends.len() as u32).collect();
        sorted.sort_unstable_by(|a, b| pattern(*a).cmp(pattern(*b)).then(a.cmp(b)));
        let mut twins = alloc::vec![trie::NONE; ends.len()];
        for pair in sorted.windows(2) {
            if pattern(pair[0]) == pattern(pair[1]) {
                twins[pair[0] as usize] = pair[1];
            }
        }
        let lengths = || sorted.iter().map(|p| pattern(*p).len());
        let (shortest, longest) = (lengths().min(), lengths().max().unwrap_or(0));
        let trie = Trie::new(&sorted, pattern);
        let level = match options.level {
            Some(level) if level.is_available() => level,
            _ => detect::level(),
        };
        let filter = match shortest {
            Some(0) => None,
            _ => Some(Filter::new(
                &trie,
                &sorted,
                pattern,
                options.ignore_ascii_case,
                level == Level::Avx512,
            )),
        };
        let finder = match (ends.len(), options.ignore_ascii_case) {
            (1, false) => Finder::for_level(level, &bytes).map(Finder::into_owned),
            _ => None,
        };
        let all = || (0..ends.len() as u32).map(pattern);
        Ok(Self {
            rare: Rare::new(all(), options.ignore_ascii_case),
            options,
            twins,
            longest,
            trie,
            filter,
            finder,
            automaton: Once::new(),
            candidates: next_candidates::select(level),
            bytes,
            ends,
        })
    }

    /// How many patterns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none, so that nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Length of the longest pattern.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Bytes of memory that it holds, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let filter = self.filter.as_ref().map_or(0, Filter::memory_bytes);
        let automaton = self.automaton.get().map_or(0, Automaton::memory_bytes);
        self.bytes.len() + self.ends.len() * 8 + self.trie.memory_bytes() + filter + automaton
    }

    fn automaton(&self) -> &Automaton {
        let fold = self.options.ignore_ascii_case;
        self.automaton
            .get_or_make(|| Automaton::new(&self.trie, self.len(), fold))
    }

    fn pattern_len(&self, pattern: u32) -> usize {
        slice(&self.bytes, &self.ends, pattern as usize).len()
    }

    #[inline(always)]
    fn fold(&self, byte: u8) -> u8 {
        if self.options.ignore_ascii_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    }

    /// Replaces `candidates` by those at or after `from`; none are left if there are none.
    #[inline]
    fn refill(&self, haystack: &[u8], from: usize, candidates: &mut Candidates) {
        match (&self.filter, &self.rare) {
            (Some(filter), Some(rare)) if candidates.trial.pays() => {
                self.refill_near(filter, *rare, haystack, from, candidates);
            }
            // SAFETY: the level was available, and the filter is for it.
            (Some(filter), _) => unsafe { (self.candidates)(filter, haystack, from, candidates) },
            (None, _) if from <= haystack.len() => candidates.set(from),
            (None, _) => candidates.restart(from),
        }
    }

    /// [`refill`](Self::refill) where rare bytes are.
    fn refill_near(
        &self,
        filter: &Filter,
        rare: Rare,
        haystack: &[u8],
        mut from: usize,
        candidates: &mut Candidates,
    ) {
        loop {
            let Some((start, byte)) = rare.next(haystack, from) else {
                candidates.restart(haystack.len());
                return;
            };
            candidates.trial.note(byte - from);
            let stop = haystack.len().min(start + WINDOW + filter::HASHED);
            // SAFETY: the level was available, and the filter is for it.
            unsafe { (self.candidates)(filter, &haystack[..stop], start, candidates) };
            if candidates.next == stop && stop < haystack.len() {
                // Starts that the end has cut short were not looked at.
                candidates.next = stop + 1 - filter.prefix();
            }
            if !candidates.is_empty() || stop == haystack.len() {
                return;
            }
            from = candidates.next;
        }
    }
}

impl fmt::Debug for Multi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multi")
            .field("patterns", &self.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn slice<'b>(bytes: &'b [u8], ends: &[u32], pattern: usize) -> &'b [u8] {
    let start = if pattern == 0 {
        0
    } else {
        ends[pattern - 1] as usize
    };
    &bytes[start..ends[pattern] as usize]
}

#[cfg(test)]
mod tests;
