//! A window over an input that holds whole lines.
//!
//! Each fill moves what was not consumed to the front and reads once into the rest; if there is no line terminator in it,
//! the buffer grows twofold and more is read. A NUL is looked for in what was read, and dealt with on the spot.
//!
//! Bounds: the window, or the longest line with what follows it in twice its length, up to what a line may take; one that
//! is longer is an error.

use super::super::kernel;
use super::{Binary, grow, line_too_long};
use std::io::{self, Read};

/// A reusable window.
#[derive(Debug)]
pub(in super::super) struct LineBuffer {
    bytes: Vec<u8>,
    window: usize,
    line_bytes_max: u64,
    pos: usize,
    lines_end: usize,
    /// What was looked at for NUL and line terminators.
    end: usize,
    /// What was read; more than `end` only before the first fill is over.
    read_end: usize,
    pub(super) offset: u64,
    pub(super) binary_at: Option<u64>,
}

/// The first bytes, in which a byte order mark may be.
const PEEKED_BYTES: usize = 3;

/// Memory that is kept from one input to the next.
const KEPT_BYTES_MAX: usize = 1 << 20;

impl LineBuffer {
    pub(in super::super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            window: 0,
            line_bytes_max: 0,
            pos: 0,
            lines_end: 0,
            end: 0,
            read_end: 0,
            offset: 0,
            binary_at: None,
        }
    }

    /// Starts a new input with windows of `window` bytes, which a longer line makes larger.
    pub(super) fn reset(&mut self, window: usize, line_bytes_max: u64) {
        if self.bytes.len() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        if self.bytes.len() < window {
            self.bytes.resize(window, 0);
        }
        self.window = window;
        self.line_bytes_max = line_bytes_max;
        (self.pos, self.lines_end, self.end, self.read_end) = (0, 0, 0, 0);
        (self.offset, self.binary_at) = (0, None);
    }

    /// Starts a new input, of which the first `have` bytes of `head` were read; the memory is exchanged.
    pub(super) fn reset_behind(&mut self, head: &mut Vec<u8>, have: usize, line_bytes_max: u64) {
        self.reset(head.len(), line_bytes_max);
        std::mem::swap(&mut self.bytes, head);
        self.read_end = have;
    }

    /// The whole lines that were read and not consumed.
    pub(super) fn lines(&self) -> &[u8] {
        self.bytes.get(self.pos..self.lines_end).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.pos = (self.pos + bytes).min(self.lines_end);
        self.offset += bytes as u64;
    }

    /// Reads more; false at the end of the input with nothing left.
    pub(super) fn fill(
        &mut self,
        input: &mut impl Read,
        binary: Binary,
        terminator: u8,
    ) -> io::Result<bool> {
        if binary == Binary::Quit && self.binary_at.is_some() {
            return Ok(self.pos < self.lines_end);
        }
        self.bytes.copy_within(self.pos..self.read_end, 0);
        self.end -= self.pos;
        self.read_end -= self.pos;
        self.pos = 0;
        self.lines_end = self.end;
        loop {
            if self.end == self.read_end && !self.read(input)? {
                self.lines_end = self.end;
                return Ok(self.end > 0);
            }
            let old_end = self.end;
            self.end = self.read_end;
            let fresh = self.bytes.get_mut(old_end..self.end).unwrap_or_default();
            match binary {
                Binary::Text => {}
                Binary::Quit => {
                    if let Some(at) = kernel::find(0, fresh) {
                        self.end = old_end + at;
                        self.read_end = self.end;
                        self.lines_end = self.end;
                        self.binary_at = Some(self.offset + self.end as u64);
                        return Ok(self.end > 0);
                    }
                }
                Binary::Convert => {
                    if let Some(at) = convert(fresh, terminator) {
                        let at = self.offset + (old_end + at) as u64;
                        self.binary_at.get_or_insert(at);
                    }
                }
            }
            if let Some(at) = kernel::rfind(terminator, fresh) {
                self.lines_end = old_end + at + 1;
                return Ok(true);
            }
        }
    }
}

impl LineBuffer {
    /// Reads once into what is free, growing if nothing is; false at the end of the input.
    fn read(&mut self, input: &mut impl Read) -> io::Result<bool> {
        if self.read_end >= self.window {
            // One byte more says whether the line ends in time.
            let max = usize::try_from(self.line_bytes_max).unwrap_or(usize::MAX);
            let window = self.window.saturating_mul(2).min(max.saturating_add(1));
            if window <= self.window {
                return Err(line_too_long(self.line_bytes_max));
            }
            grow(&mut self.bytes, window)?;
            self.window = window;
        }
        let free = self
            .bytes
            .get_mut(self.read_end..self.window)
            .unwrap_or_default();
        loop {
            match input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.read_end += read;
                    return Ok(read > 0);
                }
            }
        }
    }

    /// Reads the start of an input, three bytes at least if it has so many, and shows it.
    pub(super) fn start(&mut self, input: &mut impl Read) -> io::Result<&[u8]> {
        while self.read_end < PEEKED_BYTES && self.read(input)? {}
        Ok(self.bytes.get(..self.read_end).unwrap_or_default())
    }
}

/// Makes every NUL a line terminator; where the first was.
fn convert(bytes: &mut [u8], terminator: u8) -> Option<usize> {
    let first = kernel::find(0, bytes)?;
    for byte in bytes.iter_mut().skip(first) {
        if *byte == 0 {
            *byte = terminator;
        }
    }
    Some(first)
}
