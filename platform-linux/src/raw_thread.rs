//! Threads of the kernel alone, for processes without a C library.
#![forbid(unsafe_code)]

use crate::thread::Start;
use underpin_core::{Error, Operation, Result};

/// Whether this architecture has them.
pub(crate) const SUPPORTED: bool = false;

/// A started thread.
#[derive(Debug)]
pub(crate) enum RawThread {}

/// Starts a thread.
pub(crate) fn spawn(_: Start, _: usize) -> Result<RawThread> {
    Err(Error::unsupported(Operation::Spawn))
}

impl RawThread {
    /// Waits for the thread's end and frees its stack; false if the thread is the caller.
    pub(crate) fn join(&self) -> bool {
        match *self {}
    }

    /// Lets the thread free its own stack when it ends.
    pub(crate) fn detach(&mut self) {
        match *self {}
    }
}
