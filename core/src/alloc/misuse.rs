//! What is said when a program misuses the allocator: one line, made without allocating.
#![forbid(unsafe_code)]

use core::fmt;

/// A wrong call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse {
    what: &'static str,
    address: usize,
    block_bytes: usize,
}

impl Misuse {
    pub(super) const fn new(what: &'static str, address: usize, block_bytes: usize) -> Self {
        Self {
            what,
            address,
            block_bytes,
        }
    }

    /// What is wrong, in a few words.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// The address in question.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#x}", self.what, self.address)?;
        if self.block_bytes > 0 {
            write!(f, " (blocks of {} bytes there)", self.block_bytes)?;
        }
        Ok(())
    }
}

/// A line of text in place, cut where it gets too long.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; 160],
    length: usize,
}

impl Line {
    /// The text that `value` displays as, after `prefix`.
    #[must_use]
    pub fn of(prefix: &str, value: impl fmt::Display) -> Self {
        let mut line = Self {
            bytes: [0; 160],
            length: 0,
        };
        let _ = fmt::Write::write_fmt(&mut line, format_args!("{prefix}{value}"));
        line
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.length;
        let mut count = text.len().min(room);
        while !text.is_char_boundary(count) {
            count -= 1;
        }
        self.bytes[self.length..self.length + count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}
