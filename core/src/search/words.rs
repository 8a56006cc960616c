//! Words and their boundaries.
//!
//! A character belongs to a word if Unicode calls it alphabetic or numeric, or if it is `_`; combining marks that are not alphabetic do not. What is
//! not UTF-8 belongs to none.
#![forbid(unsafe_code)]

use super::ByteSet;
use super::utf8::{first_char, last_char};
use core::iter::FusedIterator;
use core::ops::Range;

const ASCII_WORD: ByteSet = ByteSet::from_range(b'0', b'9')
    .union(&ByteSet::from_range(b'A', b'Z'))
    .union(&ByteSet::from_range(b'a', b'z'))
    .with(b'_');
/// What a word may start with.
const STARTS: ByteSet = ASCII_WORD.union(&ByteSet::from_range(0x80, 0xff));
/// What ends a run of ASCII letters: a space, or a character that has to be looked at.
const STOPS: ByteSet = ASCII_WORD.complement();

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// Whether exactly one of the characters before and after `at` belongs to a word. Behind the end there is no boundary.
///
/// ```
/// use underpin_core::search::words;
/// let text = "naïve, ok".as_bytes();
/// assert!(words::is_boundary(text, 0) && words::is_boundary(text, 6));
/// assert!(!words::is_boundary(text, 2) && !words::is_boundary(text, 3));
/// ```
#[must_use]
pub fn is_boundary(text: &[u8], at: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else {
        return false;
    };
    // Within a character there is none.
    if after.first().is_some_and(|byte| byte & 0xc0 == 0x80) && first_char(after).is_none() {
        let start = super::utf8::floor_boundary(text, at);
        if first_char(&text[start..]).is_some_and(|(_, len)| start + len > at) {
            return false;
        }
    }
    let is_before = last_char(before).is_some_and(|(char, _)| is_word(char));
    let is_after = first_char(after).is_some_and(|(char, _)| is_word(char));
    is_before != is_after
}

/// Whether no word goes on beyond either end of `range`: its match is one of whole words, or has no word at that end.
///
/// # Panics
/// If `range` is not one of `text`.
#[must_use]
pub fn is_whole(text: &[u8], range: Range<usize>) -> bool {
    let (before, inside, after) = (
        &text[..range.start],
        &text[range.start..range.end],
        &text[range.end..],
    );
    let starts = |bytes| first_char(bytes).is_some_and(|(char, _)| is_word(char));
    let ends = |bytes| last_char(bytes).is_some_and(|(char, _)| is_word(char));
    let goes_on = (ends(before) && starts(inside)) || (ends(inside) && starts(after));
    !goes_on
}

/// The words of `text`: longest runs of characters that belong to one.
///
/// ```
/// use underpin_core::search::words;
/// let found: Vec<_> = words::iter("Ça va, x_1?".as_bytes()).map(|word| word.len()).collect();
/// assert_eq!(found, [3, 2, 3]);
/// ```
#[must_use]
pub const fn iter(text: &[u8]) -> Words<'_> {
    Words { text, next: 0 }
}

/// Made by [`iter()`].
#[derive(Clone, Debug)]
pub struct Words<'t> {
    text: &'t [u8],
    next: usize,
}

impl<'t> Iterator for Words<'t> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let text = self.text;
        let mut start = self.next;
        loop {
            start += STARTS.find(&text[start..])?;
            match first_char(&text[start..]) {
                Some((char, _)) if is_word(char) => break,
                Some((_, len)) => start += len,
                None => start += 1,
            }
        }
        let mut end = start;
        loop {
            end += STOPS.find(&text[end..]).unwrap_or(text.len() - end);
            match first_char(&text[end..]) {
                Some((char, len)) if is_word(char) => end += len,
                _ => break,
            }
        }
        self.next = end;
        Some(start..end)
    }
}

impl FusedIterator for Words<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn words_are_those_of_a_split_of_characters() {
        let text = "  über-groß 12_b,\u{301}x\u{301} мир! 日本語 — a𐐀b\tend";
        let expected: Vec<&str> = text
            .split(|char: char| !is_word(char))
            .filter(|word| !word.is_empty())
            .collect();
        let found: Vec<&str> = iter(text.as_bytes()).map(|range| &text[range]).collect();
        assert_eq!(found, expected);
        for at in 0..=text.len() + 2 {
            let is_end = iter(text.as_bytes()).any(|word| word.start == at || word.end == at);
            assert_eq!(is_boundary(text.as_bytes(), at), is_end, "{at}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_between_words() {
        let text = b"ab\xff\xffcd\xc3";
        assert_eq!(iter(text).collect::<Vec<_>>(), [0..2, 4..6]);
        assert!(is_boundary(text, 2) && !is_boundary(text, 3) && is_boundary(text, 6));
        assert_eq!(iter(b"").next(), None);
        assert!(is_whole(b"a cat.", 2..5) && !is_whole(b"a cats", 2..5));
        assert!(is_whole(b"x == y", 2..4) && is_whole("a_Б".as_bytes(), 0..4));
        assert!(!is_whole("ёж".as_bytes(), 2..4));
    }
}
