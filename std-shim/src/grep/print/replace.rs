//! Replacing matches: `$1`, `${name}`, `$$`.

use super::super::matcher::Matcher;
use super::super::search::LineTerminator;
use super::haystack;
use std::ops::Range;

/// The lines at `range` with every match replaced, and where the replacements are in them.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    pub(super) bytes: Vec<u8>,
    pub(super) matches: Vec<Range<usize>>,
}

impl Replaced {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.matches.clear();
    }

    /// Replaces anew; without a match it stays empty of matches.
    pub(super) fn fill(
        &mut self,
        buffer: &[u8],
        range: &Range<usize>,
        matcher: &Matcher,
        terminator: LineTerminator,
        replacement: &[u8],
    ) {
        self.clear();
        let (hay, ending) = haystack(buffer, range, matcher, terminator);
        let mut done = range.start;
        let part = |from: usize, to: usize| hay.get(from..to).unwrap_or_default();
        matcher.each_captures(hay, range.start, |groups, found| {
            if found.start >= range.end {
                return false;
            }
            self.bytes.extend_from_slice(part(done, found.start));
            done = found.end;
            let start = self.bytes.len();
            regex_automata::util::interpolate::bytes(
                replacement,
                |group, into| {
                    if let Some(span) = groups(group) {
                        into.extend_from_slice(part(span.start, span.end));
                    }
                },
                |name| matcher.group_index(name),
                &mut self.bytes,
            );
            self.matches.push(start..self.bytes.len());
            true
        });
        let end = if done > range.end {
            hay.len()
        } else {
            range.end.min(hay.len())
        };
        self.bytes.extend_from_slice(part(done, end));
        self.bytes.extend_from_slice(ending);
    }
}
