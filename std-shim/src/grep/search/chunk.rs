//! A part of a large file that a thread searches while others search the parts beside it.
//!
//! The part of number `n` is the lines that *begin* in bytes `n * CHUNK_BYTES ..` of the file: it starts behind the first
//! line terminator at or after the byte before, and ends behind the first one at or after its last byte. So each line is in
//! one part, whatever its length.

use super::super::kernel;
use super::super::matcher::Matcher;
use super::super::sync::lock;
use super::core::Core;
use super::{Binary, SearchOptions, Sink, grow, line_too_long};
use crate::sys::read_at;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

/// Of one part, in bytes.
pub(in super::super) const CHUNK_BYTES: usize = 256 << 10;

/// How much more is read at once to find the end of the last line.
const TAIL_BYTES: usize = 4 << 10;

/// The lines of a part, and where in the file they begin.
#[derive(Debug)]
pub(in super::super) struct Chunk<'b> {
    pub(in super::super) lines: &'b [u8],
    pub(in super::super) offset: u64,
}

/// The last line that is known to go past the part in which it begins: the parts that it covers need not be read.
#[derive(Debug, Default)]
pub(in super::super) struct Reach(Mutex<Range<u64>>);

impl Reach {
    /// A line begins at `line.start`, and none other before `line.end`.
    fn extend(&self, line: Range<u64>) {
        let mut last = lock(&self.0);
        if line.end > last.end {
            *last = line;
        }
    }

    /// Whether no line begins in `bytes`.
    fn covers(&self, bytes: &Range<u64>) -> bool {
        let last = lock(&self.0);
        last.start < bytes.start && last.end >= bytes.end
    }
}

/// Reads part `index` of `file` into `buffer`.
///
/// # Errors
///
/// The system's; that a line has more than `line_bytes_max` bytes; that there is no memory for it.
pub(in super::super) fn read<'b>(
    file: &File,
    index: u32,
    options: &SearchOptions,
    reach: &Reach,
    buffer: &'b mut Vec<u8>,
) -> io::Result<Chunk<'b>> {
    let terminator = options.line_terminator.byte();
    let first = u64::from(index) * CHUNK_BYTES as u64;
    let from = first.saturating_sub(1);
    let none = Chunk {
        lines: &[],
        offset: from,
    };
    if reach.covers(&(first..first + CHUNK_BYTES as u64)) {
        return Ok(none);
    }
    // The byte before says whether a line begins with the part.
    let wanted = CHUNK_BYTES + usize::from(first > 0);
    grow(buffer, wanted + TAIL_BYTES)?;
    let head = buffer.get_mut(..wanted).unwrap_or_default();
    let mut have = read_at(file, head, from)?;
    let start = if first == 0 {
        0
    } else {
        let seen = buffer.get(..have).unwrap_or_default();
        // A line that begins behind this part's bytes is the next part's.
        match kernel::find(
            terminator,
            seen.get(..seen.len().min(CHUNK_BYTES)).unwrap_or_default(),
        ) {
            Some(at) => at + 1,
            None => return Ok(none),
        }
    };
    let mut end = have;
    if have == wanted && buffer.get(have - 1) != Some(&terminator) {
        let lines = buffer.get(start..have).unwrap_or_default();
        let last = start + kernel::rfind(terminator, lines).map_or(0, |at| at + 1);
        let mut step = TAIL_BYTES;
        loop {
            grow(buffer, have + step)?;
            let room = buffer.get_mut(have..have + step).unwrap_or_default();
            let more = read_at(file, room, from + have as u64)?;
            let fresh = buffer.get(have..have + more).unwrap_or_default();
            let ended = kernel::find(terminator, fresh);
            have += ended.map_or(more, |at| at + 1);
            end = have;
            let line_bytes = (have - last) as u64;
            if line_bytes > options.line_bytes_max {
                return Err(line_too_long(options.line_bytes_max));
            }
            if have > wanted + CHUNK_BYTES {
                reach.extend(from + last as u64..from + have as u64);
            }
            if ended.is_some() || more < step {
                break;
            }
            // As much again, so that a long line takes few calls; one byte more than it may have says that it is too long.
            let left = options.line_bytes_max - line_bytes;
            step = have.min(usize::try_from(left).unwrap_or(have).saturating_add(1));
        }
    }
    Ok(Chunk {
        lines: buffer.get(start..end).unwrap_or_default(),
        offset: from + start as u64,
    })
}

/// Where a part begins.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Place {
    pub(in super::super) offset: u64,
    pub(in super::super) line: u64,
}

/// Searches the lines of a part; where the first NUL in a line that was found is.
pub(in super::super) fn search<S: Sink>(
    matcher: &Matcher,
    options: &SearchOptions,
    binary: Binary,
    lines: &[u8],
    place: Place,
    sink: &mut S,
) -> io::Result<Option<u64>> {
    let mut core = Core::new(matcher, options, binary, sink);
    core.base = place.offset;
    core.number = options.line_numbers.then_some(place.line);
    core.search(lines)?;
    let binary_at = core.binary_at;
    sink.finish(lines.len() as u64, binary_at)?;
    Ok(binary_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole_file_and_no_line_is_cut() {
        let path = std::env::temp_dir().join(format!("underpin-chunk-{}", std::process::id()));
        let longest = [
            0,
            1,
            80,
            5000,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            CHUNK_BYTES * 2 + 7,
        ];
        for (case, longest) in longest.into_iter().enumerate() {
            let mut text = Vec::new();
            let mut length = 0;
            while text.len() < CHUNK_BYTES * 4 + 3 + case {
                text.resize(text.len() + length % (longest + 1), b'x');
                text.push(b'\n');
                length = if longest > CHUNK_BYTES / 2 {
                    longest
                } else {
                    length + 7
                };
            }
            if case % 2 == 0 {
                text.pop();
            }
            std::fs::write(&path, &text).unwrap();
            let file = File::open(&path).unwrap();
            let options = SearchOptions::default();
            let parts = 0..(text.len().div_ceil(CHUNK_BYTES) as u32);
            // Others may know of a later line by the time that a part is read, and of an earlier one.
            for backwards in [false, true] {
                let (reach, mut buffer, mut pieces) = (Reach::default(), Vec::new(), Vec::new());
                for step in parts.clone() {
                    let index = if backwards {
                        parts.end - 1 - step
                    } else {
                        step
                    };
                    let chunk = read(&file, index, &options, &reach, &mut buffer).unwrap();
                    if !chunk.lines.is_empty() {
                        pieces.push((chunk.offset, chunk.lines.to_vec()));
                    }
                }
                pieces.sort_unstable();
                let mut joined = Vec::new();
                for (offset, lines) in pieces {
                    assert_eq!(offset, joined.len() as u64);
                    joined.extend_from_slice(&lines);
                    assert!(lines.ends_with(b"\n") || joined.len() == text.len());
                }
                assert!(joined == text, "case {case}, backwards {backwards}");
            }
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_part_within_a_line_that_was_read_is_not_read() {
        let path = std::env::temp_dir().join(format!("underpin-reach-{}", std::process::id()));
        std::fs::write(&path, vec![b'x'; CHUNK_BYTES * 4]).unwrap();
        let file = File::open(&path).unwrap();
        let (reach, mut buffer) = (Reach::default(), Vec::new());
        let mut options = SearchOptions::default();
        let line = read(&file, 0, &options, &reach, &mut buffer).unwrap().lines;
        assert_eq!(line.len(), CHUNK_BYTES * 4);
        // Were it read, this would be found.
        std::fs::write(&path, vec![b'\n'; CHUNK_BYTES * 4]).unwrap();
        let part = read(&file, 2, &options, &reach, &mut buffer).unwrap();
        assert!(part.lines.is_empty());
        std::fs::write(&path, vec![b'x'; CHUNK_BYTES * 4]).unwrap();
        options.line_bytes_max = CHUNK_BYTES as u64 * 4 - 1;
        assert!(read(&file, 0, &options, &Reach::default(), &mut buffer).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
