//! What goes to stdout and stderr.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Why a command gave up.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads the output any more: success.
    BrokenPipe,
    /// For stderr.
    Message(String),
}

impl Failure {
    pub(super) fn new(message: impl Display) -> Self {
        Self::Message(message.to_string())
    }
}

/// Of a write to stdout; whatever else fails must say what it was about.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::new(format_args!("stdout: {error}")),
        }
    }
}

/// Says one line and makes sure that it is out.
pub(super) fn say(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// A buffered stdout; flush it at the end.
pub(super) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Says what went wrong. A stderr that is closed can't be told so.
pub(super) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "underpin: {message}");
}
