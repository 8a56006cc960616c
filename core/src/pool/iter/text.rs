//! Characters and lines of a string; splits move to the next boundary.
#![allow(unsafe_code, reason = "a source is a promise, here an empty one")]

use super::source::Source;

/// The characters of a string.
#[derive(Clone, Debug)]
pub struct CharIter<'a>(pub &'a str);

// SAFETY: it is not exact.
unsafe impl<'a> Source for CharIter<'a> {
    type Item = char;
    type Seq = core::str::Chars<'a>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at(self.0.ceil_char_boundary(at));
        (Self(left), Self(right))
    }

    fn into_seq(self) -> Self::Seq {
        self.0.chars()
    }
}

/// The characters of a string, each with the place of its first byte.
#[derive(Clone, Debug)]
pub struct CharIndexIter<'a> {
    text: &'a str,
    first: usize,
}

impl<'a> CharIndexIter<'a> {
    /// The characters of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, first: 0 }
    }
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct CharIndexSeq<'a> {
    base: core::str::CharIndices<'a>,
    first: usize,
}

impl Iterator for CharIndexSeq<'_> {
    type Item = (usize, char);
    fn next(&mut self) -> Option<(usize, char)> {
        let (at, found) = self.base.next()?;
        Some((self.first + at, found))
    }
}

// SAFETY: it is not exact.
unsafe impl<'a> Source for CharIndexIter<'a> {
    type Item = (usize, char);
    type Seq = CharIndexSeq<'a>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.text.len()
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let middle = self.text.ceil_char_boundary(at);
        let (left, right) = self.text.split_at(middle);
        let first = self.first;
        (
            Self { text: left, first },
            Self {
                text: right,
                first: first + middle,
            },
        )
    }

    fn into_seq(self) -> CharIndexSeq<'a> {
        CharIndexSeq {
            base: self.text.char_indices(),
            first: self.first,
        }
    }
}

/// The lines of a string, without their ends.
#[derive(Clone, Debug)]
pub struct LineIter<'a>(pub &'a str);

// SAFETY: it is not exact.
unsafe impl<'a> Source for LineIter<'a> {
    type Item = &'a str;
    type Seq = core::str::Lines<'a>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        // A newline ends a line, so the rest begins after one.
        let at = at.min(self.0.len());
        let middle = if at == 0 {
            0
        } else {
            self.0.as_bytes()[at - 1..]
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(self.0.len(), |distance| at + distance)
        };
        let (left, right) = self.0.split_at(middle);
        (Self(left), Self(right))
    }

    fn into_seq(self) -> Self::Seq {
        self.0.lines()
    }
}
