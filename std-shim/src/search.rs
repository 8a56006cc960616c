//! Search in bytes: everything of the core's `search`, and the same over [`Read`].
//!
//! ```
//! use underpin::search::{memmem::Finder, find_in};
//! let text = &b"a needle in a haystack"[..];
//! let mut starts = Vec::new();
//! find_in(text, Finder::new("a "), |found| starts.push(found.start))?;
//! assert_eq!(starts, [0, 12]);
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};
use underpin_core::search::multi::Multi;
use underpin_core::search::stream::{Piece, Searcher, Stream, StreamMatch};
pub use underpin_core::search::*;

/// Bytes read at a time: where reads of a cached file are fastest, within the second-level cache.
const READ_BYTES: usize = 128 << 10;

/// Gives each match in all that `reader` has; matches across reads are found. Memory: the longest match and 192 KiB.
///
/// # Errors
/// What the reader says; a read that was interrupted is tried again.
pub fn find_in<R: Read, S: Searcher>(
    mut reader: R,
    searcher: S,
    each: impl FnMut(StreamMatch),
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    stream::find_in(|to| read(&mut reader, to), &mut buffer, searcher, each)
}

/// Copies `reader` to `writer` with every match of pattern `p` replaced by `replacements[p]`, and says how many there were.
///
/// # Errors
/// What the reader or the writer says.
///
/// # Panics
/// If there are not as many replacements as patterns.
pub fn replace_in<R: Read, W: Write, B: AsRef<[u8]>>(
    reader: R,
    mut writer: W,
    multi: &Multi,
    replacements: &[B],
) -> io::Result<u64> {
    assert_eq!(
        replacements.len(),
        multi.len(),
        "one replacement for each pattern"
    );
    let mut stream = Stream::new(multi);
    let (mut count, mut failed) = (0, None);
    let mut write = |piece: Piece<'_>, failed: &mut Option<io::Error>| {
        let bytes = match piece {
            Piece::Between(bytes) => bytes,
            Piece::Match(found, _) => {
                count += 1;
                replacements[found.pattern].as_ref()
            }
        };
        if failed.is_none() {
            *failed = writer.write_all(bytes).err();
        }
    };
    for_each_chunk(reader, |chunk| {
        stream.feed_pieces(chunk, |piece| write(piece, &mut failed));
        failed.take().map_or(Ok(()), Err)
    })?;
    stream.finish_pieces(|piece| write(piece, &mut failed));
    match failed {
        Some(error) => Err(error),
        None => Ok(count),
    }
}

fn for_each_chunk<R: Read>(
    mut reader: R,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match read(&mut reader, &mut buffer)? {
            0 => return Ok(()),
            len => each(&buffer[..len])?,
        }
    }
}

/// Reads, again if it was interrupted.
fn read(reader: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, with interruptions.
    struct Slow<'b>(&'b [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(ErrorKind::Interrupted.into());
            }
            let len = self.0.len().min(1 + self.1 % 5);
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn matches_across_reads_are_found_and_replaced() {
        let text = "one two three ".repeat(50);
        let multi = Multi::new(["three", "o", "one t"]).unwrap();
        let mut found = Vec::new();
        find_in(Slow(text.as_bytes(), 0), &multi, |m| {
            found.push((m.pattern, m.start as usize))
        })
        .unwrap();
        let expected: Vec<_> = multi
            .find_iter(text.as_bytes())
            .map(|m| (m.pattern, m.start))
            .collect();
        assert_eq!(found, expected);
        let replacements = ["3", "0", "12"];
        let mut out = Vec::new();
        let count = replace_in(Slow(text.as_bytes(), 0), &mut out, &multi, &replacements).unwrap();
        assert_eq!(out, multi.replace_all(text.as_bytes(), &replacements));
        assert_eq!(count as usize, expected.len());
    }

    #[test]
    fn a_writer_that_fails_is_heard() {
        let multi = Multi::new(["a"]).unwrap();
        let mut small = [0; 4];
        let error = replace_in(&b"bananas"[..], &mut small[..], &multi, &["xyz"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    }
}
