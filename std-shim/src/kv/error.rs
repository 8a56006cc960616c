//! From the database's errors to `std::io::Error`.
#![forbid(unsafe_code)]

use crate::sys;
use std::io::{self, ErrorKind};
use underpin_core::db::Error;

/// The same error for code that speaks `std::io`. The database's error is its source, so that
/// `error.get_ref()` can be downcast to it; the kind is the nearest one.
#[must_use]
pub fn io_error(error: Error) -> io::Error {
    let kind = match &error {
        Error::Corrupt(_) | Error::Format { .. } => ErrorKind::InvalidData,
        Error::Io { error, .. } => sys::io_error(*error).kind(),
        Error::Locked => ErrorKind::ResourceBusy,
        Error::Limit { .. } | Error::Invalid(_) => ErrorKind::InvalidInput,
        Error::NotADatabase | Error::NoKeyspace => ErrorKind::NotFound,
        Error::Conflict => ErrorKind::WouldBlock,
        Error::ReadOnly => ErrorKind::ReadOnlyFilesystem,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
