//! Threads without a C library on architectures for which nobody has written them: there are none.
#![forbid(unsafe_code)]

use crate::thread::Start;
use underpin_core::{Error, Operation, Result};

/// Whether this architecture has them.
pub(crate) const SUPPORTED: bool = false;

/// A thread that cannot exist.
#[derive(Debug)]
pub(crate) enum RawThread {}

/// Refuses.
pub(crate) fn spawn(_: Start, _: usize) -> Result<RawThread> {
    Err(Error::unsupported(Operation::Spawn))
}

impl RawThread {
    pub(crate) fn join(&self) -> bool {
        match *self {}
    }

    pub(crate) fn detach(&mut self) {
        match *self {}
    }
}
