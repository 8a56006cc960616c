//! Searching one input: bytes in, lines out to a [`Sink`].
//!
//! [`reading`] has a small file in memory at once, and goes through others in windows of 64 KiB, or larger ones for a file
//! that was named; [`multi_line`] wants the whole of it. All hand lines over through [`core`], in the order of the input.
//! They differ in what a NUL does, which follows ripgrep: see [`Binary`].

pub(super) mod chunk;
mod core;
mod encoding;
mod line_buffer;
pub(super) mod lines;
mod multi_line;
mod reading;
mod terminator;

pub(super) use chunk::Reach;
pub use encoding::Encoding;
pub(super) use encoding::has_mark;
pub(super) use reading::{Input, Searcher};
pub use terminator::LineTerminator;

use std::io;
use std::ops::Range;

/// What a NUL says about a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// Nothing; it is text.
    Text,
    /// It ends the search.
    #[default]
    Quit,
    /// It ends a line, and lines that match are not shown.
    Convert,
}

/// How lines are chosen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchOptions {
    /// What ends a line.
    pub line_terminator: LineTerminator,
    /// Choose the lines that don't match.
    pub invert: bool,
    /// Count lines.
    pub line_numbers: bool,
    /// Lines of context before a match.
    pub before: usize,
    /// Lines of context after a match.
    pub after: usize,
    /// Every other line is context.
    pub passthru: bool,
    /// Stop after so many lines.
    pub count_max: Option<u64>,
    /// Stop at the first line that is not chosen behind one that is; not heeded where matches may span lines.
    pub stop_on_nonmatch: bool,
    /// Where matches may span lines, an input is in memory as a whole: a larger one, in bytes, is an error.
    pub whole_bytes_max: u64,
    /// One line, with the context before it, is in memory as a whole: a longer one, in bytes, is an error. Less than a window
    /// (128 KiB, in parts of large files 256 KiB) is no bound.
    pub line_bytes_max: u64,
    /// Look for a byte order mark.
    pub sniff_bom: bool,
    /// What an input without a mark is in; as it is, that is UTF-8 or like it, if `None`.
    pub encoding: Option<Encoding>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            line_terminator: LineTerminator::Lf,
            invert: false,
            line_numbers: false,
            before: 0,
            after: 0,
            passthru: false,
            count_max: None,
            stop_on_nonmatch: false,
            whole_bytes_max: 1 << 30,
            line_bytes_max: 1 << 30,
            sniff_bom: true,
            encoding: None,
        }
    }
}

/// Makes a buffer as long as `wanted`, if it is shorter and there is memory for it.
fn grow(buffer: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
    if let Some(more) = wanted.checked_sub(buffer.len()) {
        buffer
            .try_reserve_exact(more)
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        buffer.resize(wanted, 0);
    }
    Ok(())
}

/// A line that has no end within `max` bytes.
fn line_too_long(max: u64) -> io::Error {
    io::Error::other(format!(
        "a line is longer than the {max} bytes of it that are held in memory"
    ))
}

/// Lines of the input, in the buffer that holds them.
#[derive(Debug)]
pub(super) struct Lines<'b> {
    /// What surrounds them.
    pub(super) buffer: &'b [u8],
    /// Where they are in `buffer`.
    pub(super) range: Range<usize>,
    /// Where they begin in the input.
    pub(super) offset: u64,
    /// The number of the first, if lines are counted.
    pub(super) number: Option<u64>,
}

impl<'b> Lines<'b> {
    /// The lines with their terminators.
    pub(super) fn bytes(&self) -> &'b [u8] {
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }
}

/// Takes what a search finds. `false` ends the search.
pub(super) trait Sink {
    /// One line that is chosen; several with `multi_line`.
    fn matched(&mut self, lines: &Lines<'_>) -> io::Result<bool>;

    /// Lines that follow one another and are all chosen; `None` asks for them one by one.
    fn matched_run(&mut self, lines: &Lines<'_>) -> Option<io::Result<u64>> {
        let _ = lines;
        None
    }

    /// A line beside a chosen one.
    fn context(&mut self, lines: &Lines<'_>) -> io::Result<bool>;

    /// Lines were left out here.
    fn gap(&mut self) -> io::Result<()>;

    /// The first NUL is here.
    fn binary(&mut self, offset: u64);

    /// The end: how many bytes were searched, and where the first NUL is.
    fn finish(&mut self, bytes_searched: u64, binary: Option<u64>) -> io::Result<()>;
}
