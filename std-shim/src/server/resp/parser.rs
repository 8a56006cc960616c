//! Requests: a state machine that is fed a growing buffer and never looks at a byte twice for the same question.
//!
//! The caller keeps the bytes from the start of the unfinished request and calls [`Parser::parse`] again when there
//! are more. Arguments are ranges of that buffer (an inline request with quotes is unescaped into a buffer of the
//! parser's own). The grammar and the error texts are those of Redis 7, its leniencies included: the two bytes after
//! a bulk are skipped unread, a line ends at `\r` plus any byte.
//!
//! # Invariants
//!
//! I1: every recorded argument lies within the bytes seen. I2: `cursor` is where the next header or bulk starts;
//! `searched` bytes after it hold no end of line.
//!
//! # Bounds
//!
//! A header line longer than [`Limits::line_bytes_max`] is an error, so is a request of more than
//! [`Limits::args_max`] arguments or with a bulk of more than [`Limits::bulk_bytes_max`] bytes.
#![forbid(unsafe_code)]

use super::inline;
use super::number::parse_i64;

/// What a request may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Arguments of a request. Redis before 7 has the same 1,048,576.
    pub args_max: usize,
    /// Bytes of one argument. Default 512 MiB, as `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
    /// Bytes of an inline request or a header line. Default 64 KiB.
    pub line_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args_max: 1024 * 1024,
            bulk_bytes_max: 512 * 1024 * 1024,
            line_bytes_max: 64 * 1024,
        }
    }
}

/// Where an argument lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
}

/// A request that breaks the protocol; the connection cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// `*` with something that is not a count in bounds.
    MultibulkLength,
    /// `$` with something that is not a length in bounds.
    BulkLength,
    /// Another byte where `$` has to be.
    ExpectedBulk(u8),
    /// An inline request without an end.
    InlineTooBig,
    /// A `*` line without an end.
    MultibulkLineTooBig,
    /// A `$` line without an end.
    BulkLineTooBig,
    /// An inline request whose quotes do not balance.
    UnbalancedQuotes,
    /// More arguments than a client may send before it signs in.
    UntrustedMultibulkLength,
    /// A longer argument than a client may send before it signs in.
    UntrustedBulkLength,
}

impl core::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Protocol error: ")?;
        match self {
            Self::MultibulkLength => f.write_str("invalid multibulk length"),
            Self::BulkLength => f.write_str("invalid bulk length"),
            // A byte of its own would end the error line early or be no text at all.
            Self::ExpectedBulk(b'\r' | b'\n') => f.write_str("expected '$', got ' '"),
            Self::ExpectedBulk(byte) => write!(f, "expected '$', got '{}'", char::from(*byte)),
            Self::InlineTooBig => f.write_str("too big inline request"),
            Self::MultibulkLineTooBig => f.write_str("too big mbulk count string"),
            Self::BulkLineTooBig => f.write_str("too big bulk count string"),
            Self::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            Self::UntrustedMultibulkLength => f.write_str("unauthenticated multibulk length"),
            Self::UntrustedBulkLength => f.write_str("unauthenticated bulk length"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// What [`Parser::parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The request is not whole yet.
    Incomplete,
    /// A request of so many bytes; its arguments are in [`Parser::args`]. There may be none: skip it then.
    Request {
        /// Bytes of the buffer that the request took.
        bytes: usize,
    },
}

/// The arguments of a request, the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    args: &'a [Arg],
}

impl<'a> Args<'a> {
    /// The arguments that `args` names in `bytes`.
    pub(crate) fn new(bytes: &'a [u8], args: &'a [Arg]) -> Self {
        Self { bytes, args }
    }

    /// How many, the command's name included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Argument `index`; empty if there is none, which arity checks rule out.
    #[must_use]
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.get(index).unwrap_or_default()
    }

    /// Argument `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let arg = self.args.get(index)?;
        self.bytes
            .get(arg.start..arg.start.saturating_add(arg.bytes))
    }

    /// The arguments from `index` on.
    pub fn iter_from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let copy = *self;
        (index.min(self.len())..self.len()).map(move |at| copy.at(at))
    }
}

impl core::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list()
            .entries(self.iter_from(0).map(<[u8]>::escape_ascii))
            .finish()
    }
}

/// What the parser waits for.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The first byte of a request.
    Start,
    /// The end of an inline request.
    Inline,
    /// The end of the `*` line.
    Count,
    /// The end of a `$` line.
    Length,
    /// So many bytes of a bulk, and two more.
    Bulk(usize),
}

/// Reads requests from a growing buffer that the caller keeps from the start of the unfinished one; see [`parse`](Self::parse).
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    state: State,
    cursor: usize,
    searched: usize,
    /// Bulks still to come.
    bulks_left: usize,
    args: Vec<Arg>,
    /// The words of an inline request, unescaped.
    words: Vec<u8>,
    is_inline: bool,
    /// The client has not signed in: its requests must be short.
    untrusted: bool,
}

/// Arguments, and bytes of one, before a client signs in.
const UNTRUSTED_ARGS_MAX: usize = 10;
const UNTRUSTED_BULK_BYTES_MAX: usize = 16 * 1024;

/// Ranges kept for the next request; a larger list is given back.
const ARGS_KEPT_MAX: usize = 256;

impl Parser {
    /// A parser at the start of a request.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Start,
            cursor: 0,
            searched: 0,
            bulks_left: 0,
            args: Vec::new(),
            words: Vec::new(),
            is_inline: false,
            untrusted: false,
        }
    }

    /// How long the requests that follow may be, and whether they must be short, as those of a client that has not signed in.
    pub fn set_limits(&mut self, limits: Limits, untrusted: bool) {
        self.limits = limits;
        self.untrusted = untrusted;
    }

    /// Goes on with the request at the start of `input`, whose first bytes are those of the last call that said
    /// [`Parsed::Incomplete`]. After a [`Parsed::Request`] the next call starts a new request: cut its bytes off.
    ///
    /// # Errors
    /// [`ProtocolError`]; the parser is of no use after it.
    pub fn parse(&mut self, input: &[u8]) -> Result<Parsed, ProtocolError> {
        loop {
            match self.state {
                State::Start => {
                    self.reset();
                    self.state = match input.first() {
                        None => return Ok(Parsed::Incomplete),
                        Some(b'*') => State::Count,
                        Some(_) => State::Inline,
                    };
                }
                State::Inline => return self.inline(input),
                State::Count => {
                    let Some(line) = self.line(input, ProtocolError::MultibulkLineTooBig)? else {
                        return Ok(Parsed::Incomplete);
                    };
                    let count = line.get(1..).and_then(parse_i64);
                    let count = count.ok_or(ProtocolError::MultibulkLength)?;
                    if count <= 0 {
                        return Ok(self.finish());
                    }
                    self.bulks_left = usize::try_from(count)
                        .ok()
                        .filter(|count| *count <= self.limits.args_max)
                        .ok_or(ProtocolError::MultibulkLength)?;
                    if self.untrusted && self.bulks_left > UNTRUSTED_ARGS_MAX {
                        return Err(ProtocolError::UntrustedMultibulkLength);
                    }
                    self.state = State::Length;
                }
                State::Length => {
                    // The wrong first byte is an error before its line is whole, but Redis looks at whole lines.
                    let Some(line) = self.line(input, ProtocolError::BulkLineTooBig)? else {
                        return Ok(Parsed::Incomplete);
                    };
                    let Some((b'$', digits)) = line.split_first() else {
                        let got = line.first().copied().unwrap_or(b'\r');
                        return Err(ProtocolError::ExpectedBulk(got));
                    };
                    let bytes = parse_i64(digits)
                        .and_then(|bytes| usize::try_from(bytes).ok())
                        .filter(|bytes| *bytes <= self.limits.bulk_bytes_max)
                        .ok_or(ProtocolError::BulkLength)?;
                    if self.untrusted && bytes > UNTRUSTED_BULK_BYTES_MAX {
                        return Err(ProtocolError::UntrustedBulkLength);
                    }
                    self.state = State::Bulk(bytes);
                }
                State::Bulk(bytes) => {
                    let end = self.cursor.saturating_add(bytes).saturating_add(2);
                    if input.len() < end {
                        return Ok(Parsed::Incomplete);
                    }
                    self.args.push(Arg {
                        start: self.cursor,
                        bytes,
                    });
                    self.cursor = end;
                    self.bulks_left = self.bulks_left.saturating_sub(1);
                    if self.bulks_left == 0 {
                        return Ok(self.finish());
                    }
                    self.state = State::Length;
                }
            }
        }
    }

    /// The arguments of the request that `parse` just found in `input`.
    #[must_use]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        let bytes = if self.is_inline { &self.words } else { input };
        Args::new(bytes, &self.args)
    }

    /// Whether a request has begun and is not whole.
    #[must_use]
    pub fn is_mid_request(&self) -> bool {
        !matches!(self.state, State::Start)
    }

    /// Bytes of memory that the parser holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let args = self.args.capacity().saturating_mul(size_of::<Arg>());
        args.saturating_add(self.words.capacity())
    }

    /// Gives memory back; only between requests.
    pub fn shrink(&mut self) {
        if !self.is_mid_request() {
            self.args = Vec::new();
            self.words = Vec::new();
        }
    }

    fn reset(&mut self) {
        self.cursor = 0;
        self.searched = 0;
        self.bulks_left = 0;
        self.is_inline = false;
        self.args.clear();
        self.args.shrink_to(ARGS_KEPT_MAX);
        self.words.clear();
        self.words.shrink_to(ARGS_KEPT_MAX);
    }

    fn finish(&mut self) -> Parsed {
        self.state = State::Start;
        Parsed::Request { bytes: self.cursor }
    }

    /// The line at the cursor without its end, and steps over it; `None` if it is not whole.
    fn line<'a>(
        &mut self,
        input: &'a [u8],
        too_big: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = input.get(self.cursor..).unwrap_or_default();
        let fresh = rest.get(self.searched..).unwrap_or_default();
        let Some(offset) = fresh.iter().position(|byte| *byte == b'\r') else {
            self.searched = rest.len();
            return if rest.len() > self.limits.line_bytes_max {
                Err(too_big)
            } else {
                Ok(None)
            };
        };
        let end = self.searched.saturating_add(offset);
        let after = end.saturating_add(2);
        if rest.len() < after {
            self.searched = end;
            return Ok(None);
        }
        self.searched = 0;
        self.cursor = self.cursor.saturating_add(after);
        Ok(rest.get(..end))
    }

    fn inline(&mut self, input: &[u8]) -> Result<Parsed, ProtocolError> {
        let fresh = input.get(self.searched..).unwrap_or_default();
        let Some(offset) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = input.len();
            return if input.len() > self.limits.line_bytes_max {
                Err(ProtocolError::InlineTooBig)
            } else {
                Ok(Parsed::Incomplete)
            };
        };
        let end = self.searched.saturating_add(offset);
        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        inline::split(line, &mut self.words, &mut self.args)
            .ok_or(ProtocolError::UnbalancedQuotes)?;
        self.is_inline = true;
        self.cursor = end.saturating_add(1);
        Ok(self.finish())
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
