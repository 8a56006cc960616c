//! Searches of an input from its start to its end, by one thread.
//!
//! *In the head*: a regular file that is no larger than the head is read into memory and searched as one window, unless a
//! NUL or a byte order mark asks for more care. *Reading*: windows of 64 KiB, in each of which a NUL is looked for before
//! any line of it is. *Slicing*, for a regular file that was named: larger windows; a NUL counts only in the first 64 KiB
//! and in the lines that are handed over.

use super::super::kernel;
use super::super::matcher::Matcher;
use super::core::Core;
use super::encoding::{decoded, has_mark};
use super::line_buffer::LineBuffer;
use super::multi_line;
use super::{Binary, SearchOptions, Sink};
use std::fs::File;
use std::io::{self, Cursor, Read};

const READ_WINDOW_BYTES: usize = 64 << 10;
const SLICE_WINDOW_BYTES: usize = 128 << 10;

/// Larger ones cost more in cache misses than they save in calls of the system.
const HEAD_BYTES: usize = 128 << 10;

/// What is searched.
#[derive(Debug)]
pub(in super::super) enum Input<R> {
    /// What this yields, as it comes.
    Stream(R),
    /// A regular file that was named.
    Sliced(R),
    /// What [`Searcher::read_head`] read, which was all.
    InHead,
    /// What it read, and then this, the rest of a regular file.
    BehindHead(R),
}

/// Scratch memory for searches, one after the other.
#[derive(Debug)]
pub(in super::super) struct Searcher {
    buffer: LineBuffer,
    whole: Vec<u8>,
    head: Vec<u8>,
    head_end: usize,
}

impl Searcher {
    pub(in super::super) fn new() -> Self {
        Self {
            buffer: LineBuffer::new(),
            whole: Vec::new(),
            head: Vec::new(),
            head_end: 0,
        }
    }

    /// Reads the start of a regular file; true if that is all of it.
    pub(in super::super) fn read_head(&mut self, file: &File) -> io::Result<bool> {
        self.head.resize(HEAD_BYTES, 0);
        self.head_end = 0;
        while let Some(free) = self.head.get_mut(self.head_end..)
            && !free.is_empty()
        {
            let read = crate::sys::read(file, free)?;
            if read == 0 {
                return Ok(true);
            }
            self.head_end += read;
        }
        Ok(false)
    }

    /// What [`read_head`](Self::read_head) read.
    pub(in super::super) fn head(&self) -> &[u8] {
        self.head.get(..self.head_end).unwrap_or_default()
    }

    /// Searches `input`.
    pub(in super::super) fn search<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        input: Input<impl Read>,
        sink: &mut S,
    ) -> io::Result<()> {
        let memory = std::mem::take(&mut self.head);
        let head = memory.get(..self.head_end).unwrap_or_default();
        let result = match input {
            Input::Stream(input) => self.windows(matcher, options, binary, input, sink),
            Input::Sliced(input) => self.sliced(matcher, options, binary, input, sink),
            Input::InHead => self.in_head(matcher, options, binary, head, sink),
            Input::BehindHead(rest) if windows_are_free(matcher, options, binary, head) => {
                let mut memory = memory;
                let max = options.line_bytes_max;
                self.buffer.reset_behind(&mut memory, self.head_end, max);
                self.head = memory;
                return self.by_line(matcher, options, binary, false, rest, sink);
            }
            Input::BehindHead(rest) => {
                let input = Full(Cursor::new(head).chain(rest));
                self.windows(matcher, options, binary, input, sink)
            }
        };
        self.head = memory;
        result
    }

    /// Searches a whole input that is in memory.
    fn in_head<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        head: &[u8],
        sink: &mut S,
    ) -> io::Result<()> {
        let is_marked = options.sniff_bom && has_mark(head);
        if matcher.spans_lines() && !is_marked {
            if head.len() as u64 > options.whole_bytes_max {
                return Err(too_large(options));
            }
            return multi_line::search(matcher, options, binary, head, sink);
        }
        if is_marked
            || limits_context(options)
            || (binary != Binary::Text && kernel::find(0, head).is_some())
        {
            return self.windows(matcher, options, binary, Cursor::new(head), sink);
        }
        let mut core = Core::new(matcher, options, Binary::Text, sink);
        let searched = if core.search(head)? {
            head.len()
        } else {
            core.pos
        };
        sink.finish(searched as u64, None)
    }

    fn windows<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        let input = decoded(input, options.encoding, options.sniff_bom);
        if matcher.spans_lines() {
            return self.whole(matcher, options, binary, input, sink);
        }
        self.buffer.reset(READ_WINDOW_BYTES, options.line_bytes_max);
        self.by_line(matcher, options, binary, false, input, sink)
    }

    fn sliced<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        mut input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        self.buffer
            .reset(SLICE_WINDOW_BYTES, options.line_bytes_max);
        let head = self.buffer.start(&mut input)?;
        if options.sniff_bom && has_mark(head) {
            let input = Cursor::new(head.to_vec()).chain(input);
            return self.windows(matcher, options, binary, Full(input), sink);
        }
        if matcher.spans_lines() {
            let input = Cursor::new(head.to_vec()).chain(input);
            return self.whole(matcher, options, binary, input, sink);
        }
        self.by_line(matcher, options, binary, true, input, sink)
    }

    fn whole<S: Sink>(
        &mut self,
        matcher: &Matcher,
        options: &SearchOptions,
        binary: Binary,
        input: impl Read,
        sink: &mut S,
    ) -> io::Result<()> {
        self.whole.clear();
        self.whole.shrink_to(1 << 20);
        // The decoder cuts the last character off where there is no room for it.
        self.whole.reserve(READ_WINDOW_BYTES);
        let max = options.whole_bytes_max;
        let mut input = input.take(max.saturating_add(1));
        if input.read_to_end(&mut self.whole)? as u64 > max {
            self.whole = Vec::new();
            return Err(too_large(options));
        }
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
        core.sliced = sliced;
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
            let more = buffer.fill(&mut input, of_reads, options.line_terminator.byte())?;
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

/// Whether a line behind the limit is context or a match depends on the window it is in.
fn limits_context(options: &SearchOptions) -> bool {
    options.count_max.is_some() && (options.before > 0 || options.after > 0)
}

/// Whether it makes no difference where windows end: then the head is one, where it is.
fn windows_are_free(
    matcher: &Matcher,
    options: &SearchOptions,
    binary: Binary,
    head: &[u8],
) -> bool {
    let is_marked = options.sniff_bom && has_mark(head);
    binary == Binary::Text && !is_marked && !matcher.spans_lines() && !limits_context(options)
}

fn too_large(options: &SearchOptions) -> io::Error {
    io::Error::other(format!(
        "larger than the {} bytes that are held in memory where matches may span lines",
        options.whole_bytes_max
    ))
}

/// Reads until the buffer is full, as a read of a regular file does, over the seam between a head and the rest.
struct Full<R>(R);

impl<R: Read> Read for Full<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(free) = bytes.get_mut(done..)
            && !free.is_empty()
        {
            match self.0.read(free) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(error),
                // It comes again.
                Err(_) => break,
            }
        }
        Ok(done)
    }
}
