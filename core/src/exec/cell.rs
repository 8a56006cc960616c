//! Cells that one thread owns, or loom's, which notice when two threads use one at once.
#![forbid(unsafe_code)]

#[cfg(not(loom))]
pub(super) use core::cell::Cell;
#[cfg(loom)]
pub(super) use loom::cell::Cell;
