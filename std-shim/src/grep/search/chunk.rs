//! A part of a large file that a thread searches while others search the parts beside it.
//!
//! The part of number `n` is the lines that *begin* in bytes `n * CHUNK_BYTES ..` of the file: it starts behind the first
//! line terminator at or after the byte before, and ends behind the first one at or after its last byte. So each line is in
//! one part, whatever its length.

use super::super::kernel;
use super::super::matcher::Matcher;
use super::core::Core;
use super::{Binary, SearchOptions, Sink};
use crate::sys::read_at;
use std::fs::File;
use std::io;

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

/// Reads part `index` of `file` into `buffer`.
pub(in super::super) fn read<'b>(
    file: &File,
    index: u32,
    terminator: u8,
    buffer: &'b mut Vec<u8>,
) -> io::Result<Chunk<'b>> {
    let first = u64::from(index) * CHUNK_BYTES as u64;
    let from = first.saturating_sub(1);
    // The byte before says whether a line begins with the part.
    let wanted = CHUNK_BYTES + usize::from(first > 0);
    if buffer.len() < wanted + TAIL_BYTES {
        buffer.resize(wanted + TAIL_BYTES, 0);
    }
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
            None => {
                return Ok(Chunk {
                    lines: &[],
                    offset: from,
                });
            }
        }
    };
    let mut end = have;
    if have == wanted && buffer.get(have - 1) != Some(&terminator) {
        loop {
            if buffer.len() < have + TAIL_BYTES {
                buffer.resize(have.saturating_mul(2), 0);
            }
            let room = have..(have + TAIL_BYTES).max(buffer.len() / 2).min(buffer.len());
            let more = read_at(
                file,
                buffer.get_mut(room).unwrap_or_default(),
                from + have as u64,
            )?;
            let fresh = buffer.get(have..have + more).unwrap_or_default();
            if let Some(at) = kernel::find(terminator, fresh) {
                end = have + at + 1;
                break;
            }
            have += more;
            if more == 0 {
                end = have;
                break;
            }
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
            let (mut joined, mut buffer) = (Vec::new(), Vec::new());
            for index in 0..(text.len().div_ceil(CHUNK_BYTES) as u32) {
                let chunk = read(&file, index, b'\n', &mut buffer).unwrap();
                if !chunk.lines.is_empty() {
                    assert_eq!(chunk.offset, joined.len() as u64);
                    joined.extend_from_slice(chunk.lines);
                    assert!(chunk.lines.ends_with(b"\n") || joined.len() == text.len());
                }
            }
            assert!(joined == text, "case {case}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
