//! Parts of strings.

use super::ParallelIterator;
use core::array;
use core::iter::Take;
use underpin_core::pool::iter::{
    Adapted, CharIndexIter, CharIter, Cloned, Copied, Cut, Filter, FilterMap, FlatMapIter,
    LineIter, Pieces, SliceIter, Where,
};

/// The parts of a string between characters that a function accepts.
type Parts<'a, F> = Pieces<&'a str, Where<F>>;

/// Which characters are meant: one, several, or those that a function accepts.
pub trait Pattern: Send + Sync {
    /// Whether `found` is one of them.
    fn accepts(&self, found: char) -> bool;
}

impl Pattern for char {
    fn accepts(&self, found: char) -> bool {
        *self == found
    }
}

impl Pattern for &[char] {
    fn accepts(&self, found: char) -> bool {
        self.contains(&found)
    }
}

impl<const N: usize> Pattern for [char; N] {
    fn accepts(&self, found: char) -> bool {
        self.contains(&found)
    }
}

impl<const N: usize> Pattern for &[char; N] {
    fn accepts(&self, found: char) -> bool {
        self.contains(&found)
    }
}

impl<F: Fn(char) -> bool + Send + Sync> Pattern for F {
    fn accepts(&self, found: char) -> bool {
        self(found)
    }
}

fn pieces<P: Pattern>(
    text: &str,
    pattern: P,
    cut: Cut,
) -> Parts<'_, impl Fn(char) -> bool + Send + Sync> {
    Pieces::new(text, Where(move |found| pattern.accepts(found)), cut)
}

/// Parallel methods of strings.
pub trait ParallelString {
    /// The string.
    fn as_parallel_string(&self) -> &str;

    /// The characters.
    fn par_chars(&self) -> CharIter<'_> {
        CharIter(self.as_parallel_string())
    }

    /// The characters, each with the place of its first byte.
    fn par_char_indices(&self) -> CharIndexIter<'_> {
        CharIndexIter::new(self.as_parallel_string())
    }

    /// The bytes.
    fn par_bytes(&self) -> Cloned<SliceIter<'_, u8>> {
        Adapted::new(SliceIter(self.as_parallel_string().as_bytes()), Copied)
    }

    /// The string in UTF-16.
    fn par_encode_utf16(
        &self,
    ) -> FlatMapIter<CharIter<'_>, impl Fn(char) -> Take<array::IntoIter<u16, 2>> + Send + Sync>
    {
        self.par_chars().flat_map_iter(|found| {
            let mut units = [0; 2];
            let count = found.encode_utf16(&mut units).len();
            units.into_iter().take(count)
        })
    }

    /// The lines, without their ends.
    fn par_lines(&self) -> LineIter<'_> {
        LineIter(self.as_parallel_string())
    }

    /// The parts between the characters of `pattern`.
    fn par_split<P: Pattern>(&self, pattern: P) -> Parts<'_, impl Fn(char) -> bool + Send + Sync> {
        pieces(self.as_parallel_string(), pattern, Cut::Between)
    }

    /// The parts that end with a character of `pattern`.
    fn par_split_inclusive<P: Pattern>(
        &self,
        pattern: P,
    ) -> Parts<'_, impl Fn(char) -> bool + Send + Sync> {
        pieces(self.as_parallel_string(), pattern, Cut::Inclusive)
    }

    /// The parts before the characters of `pattern`, and what comes after the last one unless that is empty.
    fn par_split_terminator<P: Pattern>(
        &self,
        pattern: P,
    ) -> Parts<'_, impl Fn(char) -> bool + Send + Sync> {
        pieces(self.as_parallel_string(), pattern, Cut::Terminator)
    }

    /// The words between white space.
    fn par_split_whitespace<'a>(
        &'a self,
    ) -> Filter<
        Parts<'a, impl Fn(char) -> bool + Send + Sync>,
        impl Fn(&&'a str) -> bool + Send + Sync,
    > {
        self.par_split(char::is_whitespace)
            .filter(|word| !word.is_empty())
    }

    /// The words between ASCII white space.
    fn par_split_ascii_whitespace<'a>(
        &'a self,
    ) -> Filter<
        Parts<'a, impl Fn(char) -> bool + Send + Sync>,
        impl Fn(&&'a str) -> bool + Send + Sync,
    > {
        self.par_split(|found: char| found.is_ascii_whitespace())
            .filter(|word| !word.is_empty())
    }

    /// The characters of `pattern` where they occur, each with its place.
    fn par_match_indices<'a, P: Pattern>(
        &'a self,
        pattern: P,
    ) -> FilterMap<
        CharIndexIter<'a>,
        impl Fn((usize, char)) -> Option<(usize, &'a str)> + Send + Sync,
    > {
        let text = self.as_parallel_string();
        self.par_char_indices().filter_map(move |(at, found)| {
            pattern
                .accepts(found)
                .then(|| (at, &text[at..at + found.len_utf8()]))
        })
    }

    /// The characters of `pattern` where they occur.
    fn par_matches<'a, P: Pattern>(
        &'a self,
        pattern: P,
    ) -> FilterMap<CharIndexIter<'a>, impl Fn((usize, char)) -> Option<&'a str> + Send + Sync> {
        let text = self.as_parallel_string();
        self.par_char_indices().filter_map(move |(at, found)| {
            pattern
                .accepts(found)
                .then(|| &text[at..at + found.len_utf8()])
        })
    }
}

impl ParallelString for str {
    fn as_parallel_string(&self) -> &str {
        self
    }
}
