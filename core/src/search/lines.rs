//! Lines: counted, iterated over, and the one around a place.
#![forbid(unsafe_code)]

use super::{Bytes, count, memchr, memchr_iter, memrchr};
use core::iter::FusedIterator;
use core::ops::Range;

/// How many lines `text` has: one for each line feed, and one more if something follows the last.
///
/// ```
/// use underpin_core::search::lines;
/// assert_eq!(lines::count_lines(b"one\ntwo\nthree"), 3);
/// assert_eq!(lines::iter(b"one\r\ntwo").map(|line| line.len()).collect::<Vec<_>>(), [4, 3]);
/// ```
#[inline]
#[must_use]
pub fn count_lines(text: &[u8]) -> usize {
    count(b'\n', text) + usize::from(text.last().is_some_and(|byte| *byte != b'\n'))
}

/// The line that byte `at` is in, without its line feed; a line feed belongs to the line that it ends.
#[inline]
#[must_use]
pub fn line_around(text: &[u8], at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = memrchr(b'\n', &text[..at]).map_or(0, |feed| feed + 1);
    let end = memchr(b'\n', &text[at..]).map_or(text.len(), |feed| at + feed);
    start..end
}

/// The lines of `text`, without their line feeds; a carriage return stays.
#[inline]
#[must_use]
pub fn iter(text: &[u8]) -> Lines<'_> {
    Lines {
        text,
        feeds: memchr_iter(b'\n', text),
        start: 0,
    }
}

/// Made by [`iter()`].
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    text: &'t [u8],
    feeds: Bytes<'t>,
    start: usize,
}

impl<'t> Iterator for Lines<'t> {
    type Item = &'t [u8];

    #[inline]
    fn next(&mut self) -> Option<&'t [u8]> {
        let end = match self.feeds.next() {
            Some(feed) => feed,
            None if self.start < self.text.len() => self.text.len(),
            None => return None,
        };
        let line = &self.text[self.start..end];
        self.start = end + 1;
        Some(line)
    }

    fn count(self) -> usize {
        count_lines(self.text.get(self.start..).unwrap_or_default())
    }
}

impl FusedIterator for Lines<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn lines_are_those_of_a_split() {
        for text in ["", "\n", "a", "a\n", "a\nb", "\n\n", "a\n\nb\n"] {
            let mut expected: Vec<&[u8]> = text.as_bytes().split(|b| *b == b'\n').collect();
            if expected.last().is_some_and(|line| line.is_empty()) {
                expected.pop();
            }
            assert_eq!(iter(text.as_bytes()).collect::<Vec<_>>(), expected);
            assert_eq!(count_lines(text.as_bytes()), expected.len());
            assert_eq!(iter(text.as_bytes()).count(), expected.len());
        }
    }

    #[test]
    fn the_line_around_a_place() {
        let text = b"one\ntwo\n\nthree";
        for (at, line) in [
            (0, 0..3),
            (3, 0..3),
            (4, 4..7),
            (7, 4..7),
            (8, 8..8),
            (9, 9..14),
            (14, 9..14),
            (99, 9..14),
        ] {
            assert_eq!(line_around(text, at), line);
        }
    }
}
