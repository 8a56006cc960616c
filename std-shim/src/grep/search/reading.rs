//! Searches of an input from its start to its end, by one thread.
//!
//! *Reading*: windows of 64 KiB, in each of which a NUL is looked for before any line of it is. *Slicing*, for a regular
//! file that was named: larger windows; a NUL counts only in the first 64 KiB and in the lines that are handed over.

use super::super::matcher::Matcher;
use super::core::Core;
use super::decode::{Mark, Utf16};
use super::line_buffer::LineBuffer;
use super::multi_line;
use super::{Binary, SearchOptions, Sink};
use std::io::{self, Cursor, Read};

const READ_WINDOW_BYTES: usize = 64 << 10;
const SLICE_WINDOW_BYTES: usize = 128 << 10;

/// Scratch memory for searches, one after the other.
#[derive(Debug)]
pub(in super::super) struct Searcher {
    buffer: LineBuffer,
    whole: Vec<u8>,
}

impl Searcher {
    pub(in super::super) fn new() -> Self {
        Self {
            buffer: LineBuffer::new(),
            whole: Vec::new(),
        }
    }

    /// Searches what `input` yields. `sliced`: it is a regular file that was named.
    pub(in super::super) fn search<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        sliced: bool,
        mut input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        let window = if sliced {
            SLICE_WINDOW_BYTES
        } else {
            READ_WINDOW_BYTES
        };
        self.buffer.reset(window);
        let head = self.buffer.start(&mut input)?;
        let mark = if options.sniff_bom {
            Mark::of(head)
        } else {
            None
        };
        match mark {
            None if matcher.spans_lines() => {
                let head = head.to_vec();
                self.whole(
                    matcher,
                    options,
                    binary,
                    Cursor::new(head).chain(input),
                    sink,
                )
            }
            None => self.by_line(matcher, options, binary, sliced, input, sink),
            Some(mark) => {
                let rest = head.get(mark.len()..).unwrap_or_default().to_vec();
                let rest = Cursor::new(rest).chain(input);
                match mark {
                    Mark::Utf8 => self.unmarked(matcher, options, binary, rest, sink),
                    Mark::Utf16Little | Mark::Utf16Big => {
                        let text = Utf16::new(rest, mark == Mark::Utf16Big);
                        self.unmarked(matcher, options, binary, text, sink)
                    }
                }
            }
        }
    }

    fn unmarked<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        if matcher.spans_lines() {
            return self.whole(matcher, options, binary, input, sink);
        }
        self.buffer.reset(READ_WINDOW_BYTES);
        self.by_line(matcher, options, binary, false, input, sink)
    }

    fn whole<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        mut input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        self.whole.clear();
        self.whole.shrink_to(1 << 20);
        input.read_to_end(&mut self.whole)?;
        multi_line::search(matcher, options, binary, &self.whole, sink)
    }

    fn by_line<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        sliced: bool,
        mut input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        let buffer = &mut self.buffer;
        let (of_lines, of_reads) = if sliced {
            (binary, Binary::Text)
        } else {
            (Binary::Text, binary)
        };
        let mut core = Core::new(matcher, options, of_lines, sink);
        if sliced {
            let head = buffer.start(&mut input)?;
            let checked = 0..head.len().min(multi_line::BINARY_HEAD_BYTES);
            if core.is_binary(head, &checked) {
                let at = core.binary_at;
                return sink.finish(0, at);
            }
        }
        loop {
            let was_binary = buffer.binary_at.is_some();
            let old_len = buffer.lines().len();
            let consumed = core.roll(buffer.lines());
            buffer.consume(consumed);
            let more = buffer.fill(&mut input, of_reads, options.line_terminator)?;
            if let (false, Some(at)) = (was_binary, buffer.binary_at) {
                core.sink.binary(at);
            }
            let quits = of_reads == Binary::Quit && buffer.binary_at.is_some();
            if !more || quits {
                break;
            }
            if consumed == 0 && old_len == buffer.lines().len() {
                // Only context is left, and nothing that it could be the context of.
                buffer.consume(old_len);
                break;
            }
            if !core.search(buffer.lines())? {
                buffer.consume(core.pos);
                break;
            }
        }
        let binary_at = core.binary_at.or(buffer.binary_at);
        let searched = match core.binary_at {
            Some(at) => at.min(buffer.offset),
            None => buffer.offset,
        };
        sink.finish(searched, binary_at)
    }
}
