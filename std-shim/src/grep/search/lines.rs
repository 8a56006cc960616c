//! Where lines begin and end.
#![forbid(unsafe_code)]

use super::super::kernel;
use std::ops::Range;

/// The whole lines that `range` touches.
#[inline]
pub(in super::super) fn around(buffer: &[u8], terminator: u8, range: Range<usize>) -> Range<usize> {
    let head = buffer.get(..range.start).unwrap_or_default();
    let start = kernel::rfind(terminator, head).map_or(0, |at| at + 1);
    let ended = range.end > start && buffer.get(range.end - 1) == Some(&terminator);
    let end = if ended {
        range.end
    } else {
        let tail = buffer.get(range.end..).unwrap_or_default();
        kernel::find(terminator, tail).map_or(buffer.len(), |at| range.end + at + 1)
    };
    start..end
}

/// The end of the line that begins at `start`, its terminator included.
#[inline]
pub(in super::super) fn end(buffer: &[u8], terminator: u8, start: usize) -> usize {
    let tail = buffer.get(start..).unwrap_or_default();
    kernel::find(terminator, tail).map_or(buffer.len(), |at| start + at + 1)
}

/// The start of the line that is `count` lines before the last one.
pub(in super::super) fn preceding(buffer: &[u8], terminator: u8, mut count: usize) -> usize {
    let mut end = buffer.strip_suffix(&[terminator]).unwrap_or(buffer).len();
    loop {
        match kernel::rfind(terminator, buffer.get(..end).unwrap_or_default()) {
            None => return 0,
            Some(at) if count == 0 => return at + 1,
            Some(0) => return 0,
            Some(at) => {
                count -= 1;
                end = at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_around_a_place() {
        let text = b"ab\ncd\n\nef";
        assert_eq!(around(text, b'\n', 0..0), 0..3);
        assert_eq!(around(text, b'\n', 2..2), 0..3);
        assert_eq!(around(text, b'\n', 3..3), 3..6);
        assert_eq!(around(text, b'\n', 6..6), 6..7);
        assert_eq!(around(text, b'\n', 8..8), 7..9);
        assert_eq!(around(text, b'\n', 1..4), 0..6);
        assert_eq!(around(text, b'\n', 1..3), 0..3);
        assert_eq!(around(text, b'\n', 9..9), 7..9);
        assert_eq!(around(b"a\n", b'\n', 2..2), 2..2);
    }

    #[test]
    fn lines_before_the_last() {
        let text = b"a\nb\nc\n";
        assert_eq!(preceding(text, b'\n', 0), 4);
        assert_eq!(preceding(text, b'\n', 1), 2);
        assert_eq!(preceding(text, b'\n', 2), 0);
        assert_eq!(preceding(text, b'\n', 9), 0);
        assert_eq!(preceding(b"", b'\n', 0), 0);
        assert_eq!(preceding(b"\n\n", b'\n', 1), 0);
    }
}
