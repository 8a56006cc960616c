//! Search over chunks, with matches across their boundaries found exactly, and validation of UTF-8 over chunks.
//!
//! A [`Stream`] keeps what may still become part of a match: less than the longest pattern, behind which new bytes are put, `PIECE` at a
//! time. A match is final when a longest pattern starting there would have been seen whole, for then nothing that follows can change it. So
//! the matches are those of the whole text, however it is cut.
#![forbid(unsafe_code)]

use super::multi::{Match, Multi};
use super::utf8::validate;
use super::{case, memmem};
use alloc::vec::Vec;

/// Bytes taken from a chunk at a time, or a longest pattern's worth if that is more: memory is bounded by four times that.
const PIECE: usize = 64 << 10;
/// From this length of the longest pattern on, a match may be told up to an eighth of it later: what is kept is then searched again only eight
/// times, however small the chunks are.
const LONG: usize = 4096;

/// What a [`Stream`] can run.
pub trait Searcher {
    /// Length of the longest match.
    fn longest(&self) -> usize;

    /// The first match that starts at `from` or later; none if `from` is behind the end.
    fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match>;

    /// Gives `take` match after match: the first one at `from` or later, then each time the first one at the place that it says or later.
    fn find_each(
        &self,
        haystack: &[u8],
        mut from: usize,
        take: &mut dyn FnMut(Match) -> Option<usize>,
    ) {
        while let Some(next) = self.find_at(haystack, from).and_then(&mut *take) {
            from = next;
        }
    }
}

impl<S: Searcher + ?Sized> Searcher for &S {
    fn longest(&self) -> usize {
        (**self).longest()
    }
    fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match> {
        (**self).find_at(haystack, from)
    }
    fn find_each(
        &self,
        haystack: &[u8],
        from: usize,
        take: &mut dyn FnMut(Match) -> Option<usize>,
    ) {
        (**self).find_each(haystack, from, take);
    }
}

impl Searcher for Multi {
    fn longest(&self) -> usize {
        Self::longest(self)
    }
    fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match> {
        Self::find_at(self, haystack, from)
    }
    fn find_each(
        &self,
        haystack: &[u8],
        from: usize,
        take: &mut dyn FnMut(Match) -> Option<usize>,
    ) {
        Self::find_each(self, haystack, from, take);
    }
}

fn single(start: usize, len: usize) -> Match {
    Match {
        pattern: 0,
        start,
        end: start + len,
    }
}

impl Searcher for memmem::Finder<'_> {
    fn longest(&self) -> usize {
        self.needle().len()
    }
    fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match> {
        let at = from + self.find(haystack.get(from..)?)?;
        Some(single(at, self.needle().len()))
    }
}

impl Searcher for case::Finder<'_> {
    fn longest(&self) -> usize {
        self.needle().len()
    }
    fn find_at(&self, haystack: &[u8], from: usize) -> Option<Match> {
        let at = Self::find_at(self, haystack, from)?;
        Some(single(at, self.needle().len()))
    }
}

/// A match in a stream: offsets count from the stream's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamMatch {
    /// Number of the pattern.
    pub pattern: usize,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// The next bytes of a stream, when it is known what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// Part of no match. May be cut anywhere.
    Between(&'b [u8]),
    /// A match and its bytes.
    Match(StreamMatch, &'b [u8]),
}

/// A search in progress.
///
/// ```
/// use underpin_core::search::{memmem::Finder, stream::Stream};
/// let mut stream = Stream::new(Finder::new("needle"));
/// let mut starts = Vec::new();
/// stream.feed(b"hay nee", |found| starts.push(found.start));
/// stream.feed(b"dle hay", |found| starts.push(found.start));
/// stream.finish(|found| starts.push(found.start));
/// assert_eq!(starts, [4]);
/// ```
#[derive(Clone, Debug)]
pub struct Stream<S> {
    searcher: S,
    /// Bytes not yet decided on, behind `done` that are.
    buffer: Vec<u8>,
    done: usize,
    /// Where those not decided on start in the stream.
    offset: u64,
    /// The next match starts here or later, counted from there.
    free: usize,
    /// Where the last match ended, if that was in what the buffer still reaches.
    last_end: Option<u64>,
}

impl<S: Searcher> Stream<S> {
    /// At the start of a text.
    pub const fn new(searcher: S) -> Self {
        Self {
            searcher,
            buffer: Vec::new(),
            done: 0,
            offset: 0,
            free: 0,
            last_end: None,
        }
    }

    /// Takes the next chunk, and gives each match that became certain. Time is that of a search in the chunk and in as many bytes as the longest
    /// pattern has; with longest patterns from 4 KiB on, of which it need not do the latter each time, matches may be told at a later
    /// call, an eighth of such a pattern on at most.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(StreamMatch)) {
        self.feed_pieces(chunk, |piece| {
            if let Piece::Match(found, _) = piece {
                each(found);
            }
        });
    }

    /// The text is over: gives the matches that were not certain until now. The stream is then at the start of another text.
    pub fn finish(&mut self, mut each: impl FnMut(StreamMatch)) {
        self.finish_pieces(|piece| {
            if let Piece::Match(found, _) = piece {
                each(found);
            }
        });
    }

    /// As [`feed`](Self::feed), and gives the bytes between the matches too: all pieces together are the text.
    pub fn feed_pieces(&mut self, chunk: &[u8], mut each: impl FnMut(Piece<'_>)) {
        let longest = self.searcher.longest();
        // What is needed to decide on anything, or on enough.
        let wanted = if longest < LONG {
            0
        } else {
            longest + longest / 8
        };
        for piece in chunk.chunks(longest.max(PIECE)) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() - self.done < wanted {
                continue;
            }
            let decided = self.run(false, &mut each);
            self.done += decided;
            self.offset += decided as u64;
            self.free -= decided.min(self.free);
            // What is decided is let go of when that moves less than it frees.
            if self.done >= self.buffer.len() / 2 {
                self.buffer.drain(..self.done);
                self.done = 0;
            }
        }
    }

    /// As [`finish`](Self::finish), and gives the bytes between the matches too.
    pub fn finish_pieces(&mut self, mut each: impl FnMut(Piece<'_>)) {
        self.run(true, &mut each);
        self.buffer.clear();
        (self.done, self.offset, self.free, self.last_end) = (0, 0, 0, None);
    }

    /// Searches the buffer and says how much of it is decided.
    fn run(&mut self, is_last: bool, each: &mut impl FnMut(Piece<'_>)) -> usize {
        let bytes = &self.buffer[self.done..];
        let len = bytes.len();
        // Starts from here on may be of patterns that are not seen whole yet.
        let open = if is_last {
            len + 1
        } else {
            (len + 1).saturating_sub(self.searcher.longest())
        };
        let mut done = 0;
        let from = self.free;
        let take = &mut |found: Match| {
            if found.start >= open {
                return None;
            }
            self.free = found.end;
            let end = self.offset + found.end as u64;
            if found.start == found.end {
                // An empty match does not touch the one before.
                self.free += 1;
                if self.last_end == Some(end) {
                    return Some(self.free);
                }
            }
            self.last_end = Some(end);
            if done < found.start {
                each(Piece::Between(&bytes[done..found.start]));
            }
            done = found.end;
            let found_in_stream = StreamMatch {
                pattern: found.pattern,
                start: self.offset + found.start as u64,
                end,
            };
            each(Piece::Match(found_in_stream, &bytes[found.range()]));
            Some(self.free)
        };
        self.searcher.find_each(bytes, from, take);
        let keep = open.max(self.free).min(len);
        if done < keep {
            each(Piece::Between(&bytes[done..keep]));
        }
        keep
    }
}

/// Gives each match in all that `read` brings, which puts bytes at the front of `buffer` and says how many, until it is none. So it runs over any
/// reader: of `std`, of `embedded-io`, a driver's own. Memory: that of a [`Stream`].
///
/// ```
/// use underpin_core::search::{memmem::Finder, stream::find_in};
/// # struct Uart(&'static [u8]);
/// # impl Uart {
/// #     fn read(&mut self, to: &mut [u8]) -> Result<usize, core::convert::Infallible> {
/// #         let len = self.0.len().min(to.len());
/// #         let (now, later) = self.0.split_at(len);
/// #         to[..len].copy_from_slice(now);
/// #         self.0 = later;
/// #         Ok(len)
/// #     }
/// # }
/// # let mut uart = Uart(b"+OK\r\n+READY\r\n");
/// // `uart` has the `read` of `embedded_io::Read`.
/// let mut ready = None;
/// find_in(|to| uart.read(to), &mut [0; 4], Finder::new("+READY"), |found| ready = Some(found.start))?;
/// assert_eq!(ready, Some(5));
/// # Ok::<(), core::convert::Infallible>(())
/// ```
///
/// # Errors
/// What `read` says; the matches before it were given, but for those that the bytes after it might have changed.
///
/// # Panics
/// If `buffer` is empty, or `read` says that it brought more than fits.
pub fn find_in<S: Searcher, E>(
    mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
    buffer: &mut [u8],
    searcher: S,
    mut each: impl FnMut(StreamMatch),
) -> Result<(), E> {
    assert!(!buffer.is_empty(), "a buffer to read into");
    let mut stream = Stream::new(searcher);
    loop {
        match read(buffer)? {
            0 => break,
            len => stream.feed(&buffer[..len], &mut each),
        }
    }
    stream.finish(each);
    Ok(())
}

/// Where a stream stops being UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf8StreamError {
    /// How many bytes from the stream's start are valid.
    pub valid_up_to: u64,
}

/// Validation of a text that comes in chunks; characters may be cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Stream {
    /// The start of a character that the last chunk cut.
    carried: [u8; 4],
    carried_len: usize,
    valid: u64,
}

impl Utf8Stream {
    /// Takes the next chunk.
    ///
    /// # Errors
    /// Where the first wrong byte is. What is fed after an error means nothing.
    pub fn feed(&mut self, mut chunk: &[u8]) -> Result<(), Utf8StreamError> {
        while self.carried_len > 0 {
            let Some((&byte, rest)) = chunk.split_first() else {
                return Ok(());
            };
            self.carried[self.carried_len] = byte;
            self.carried_len += 1;
            chunk = rest;
            match validate(&self.carried[..self.carried_len]) {
                Ok(_) => {
                    self.valid += self.carried_len as u64;
                    self.carried_len = 0;
                }
                Err(error) if error.error_len().is_some() => {
                    self.carried_len = 0;
                    return Err(self.error());
                }
                Err(_) => {}
            }
        }
        match validate(chunk) {
            Ok(_) => self.valid += chunk.len() as u64,
            Err(error) => {
                self.valid += error.valid_up_to() as u64;
                if error.error_len().is_some() {
                    return Err(self.error());
                }
                let cut = &chunk[error.valid_up_to()..];
                self.carried[..cut.len()].copy_from_slice(cut);
                self.carried_len = cut.len();
            }
        }
        Ok(())
    }

    /// The text is over.
    ///
    /// # Errors
    /// It ended within a character.
    pub const fn finish(self) -> Result<(), Utf8StreamError> {
        if self.carried_len == 0 {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    const fn error(&self) -> Utf8StreamError {
        Utf8StreamError {
            valid_up_to: self.valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::multi::{Kind, Options};
    use alloc::vec;

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// Cut at random; gives the matches and the text put together again.
    fn streamed(
        searcher: impl Searcher,
        text: &[u8],
        random: &mut Random,
    ) -> (Vec<Match>, Vec<u8>) {
        let (mut found, mut again) = (Vec::new(), Vec::new());
        let mut stream = Stream::new(searcher);
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Between(bytes) => again.extend_from_slice(bytes),
            Piece::Match(at, bytes) => {
                again.extend_from_slice(bytes);
                found.push(Match {
                    pattern: at.pattern,
                    start: at.start as usize,
                    end: at.end as usize,
                });
            }
        };
        let mut rest = text;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((1 + random.below(9)).min(rest.len()));
            stream.feed_pieces(chunk, &mut take);
            rest = after;
        }
        stream.finish_pieces(&mut take);
        (found, again)
    }

    #[test]
    fn a_reader_is_read_to_its_end_or_its_error() {
        let text = b"ab abc abcabc";
        for size in 1..8 {
            for fails in [false, true] {
                let mut rest = &text[..];
                let read = |to: &mut [u8]| {
                    if rest.is_empty() && fails {
                        return Err("torn off");
                    }
                    let len = rest.len().min(to.len());
                    to[..len].copy_from_slice(&rest[..len]);
                    rest = &rest[len..];
                    Ok(len)
                };
                let mut found = Vec::new();
                let finder = memmem::Finder::new("abc");
                let result = find_in(read, &mut vec![0; size], finder, |m| found.push(m.start));
                assert_eq!(result.is_err(), fails);
                assert_eq!(found, [3, 7, 10]);
            }
        }
    }

    #[test]
    fn every_cut_gives_the_matches_of_the_whole() {
        let mut random = Random(4);
        for round in 0..400 {
            let letters = 1 + round % 3;
            let mut word = |len: usize| -> Vec<u8> {
                (0..len)
                    .map(|_| b'a' + random.below(letters) as u8)
                    .collect()
            };
            let text = word(round % 90);
            let patterns: Vec<Vec<u8>> = (0..1 + round % 5)
                .map(|i| word((i * 7 + round) % 6 + usize::from(round % 10 > 0)))
                .collect();
            let kind = [Kind::LeftmostFirst, Kind::LeftmostLongest][round % 2];
            let options = Options {
                kind,
                ..Options::default()
            };
            let multi = Multi::with_options(options, &patterns).unwrap();
            let expected: Vec<Match> = multi.find_iter(&text).collect();
            assert_eq!(
                streamed(&multi, &text, &mut random),
                (expected, text.clone()),
                "{patterns:?}"
            );
            if !patterns[0].is_empty() {
                let finder = memmem::Finder::new(&patterns[0]);
                let expected: Vec<Match> = finder
                    .find_iter(&text)
                    .map(|at| single(at, patterns[0].len()))
                    .collect();
                assert_eq!(
                    streamed(&finder, &text, &mut random),
                    (expected.clone(), text.clone())
                );
                let upper = patterns[0].to_ascii_uppercase();
                assert_eq!(
                    streamed(case::Finder::new(&upper), &text, &mut random).0,
                    expected
                );
            }
        }
    }

    #[test]
    fn a_long_chunk_is_taken_in_pieces() {
        let mut text = vec![b'.'; 200_000];
        for at in [0, 65_533, 131_071, 199_994] {
            text[at..at + 6].copy_from_slice(b"needle");
        }
        let mut starts = Vec::new();
        let mut stream = Stream::new(memmem::Finder::new("needle"));
        stream.feed(&text, |found| starts.push(found.start));
        stream.finish(|found| starts.push(found.start));
        assert_eq!(starts, [0, 65_533, 131_071, 199_994]);
    }

    #[test]
    fn characters_may_be_cut() {
        let text = "aЖ漢😀".as_bytes();
        for fault in [None, Some(1), Some(4), Some(9)] {
            let mut bytes = text.to_vec();
            if let Some(at) = fault {
                bytes[at] = 0xff;
            }
            let expected = core::str::from_utf8(&bytes)
                .map_err(|e| e.valid_up_to() as u64)
                .err();
            for cut in 0..bytes.len() {
                for second in cut..bytes.len() {
                    let mut stream = Utf8Stream::default();
                    let pieces = [&bytes[..cut], &bytes[cut..second], &bytes[second..]];
                    let fed = pieces.iter().try_for_each(|piece| stream.feed(piece));
                    let result = fed.and_then(|()| stream.finish());
                    assert_eq!(result.err().map(|e| e.valid_up_to), expected);
                }
            }
        }
        // Fed on after an error, which means nothing, but does no harm.
        let mut stream = Utf8Stream::default();
        assert!(stream.feed(&[0xe2]).is_ok());
        for _ in 0..9 {
            let _ = stream.feed(b"(");
            let _ = stream.feed(&[0xf0]);
        }
        let mut stream = Utf8Stream::default();
        assert!(stream.feed(&text[..4]).is_ok() && stream.finish().is_err());
    }
}
