//! From the seam's errors to `std::io::Error`.
//!
//! Neither type is this crate's, so it cannot be a `From`: [`io_error`] is the function, [`ResultExt::into_io`] the method.
#![forbid(unsafe_code)]

use std::io;
use underpin_core::{Domain, Error, Kind};

/// The same error for code that speaks `std::io`.
///
/// An error with a code of this program's own system becomes an error with that code, so that `raw_os_error` gives it
/// back; every other one keeps the seam's error as its source and message, under the `ErrorKind` nearest to its kind.
#[must_use]
pub fn io_error(error: Error) -> io::Error {
    if has_native_code(error.domain()) {
        io::Error::from_raw_os_error(error.raw())
    } else {
        io::Error::new(io_kind(error.kind()), error)
    }
}

/// Turns results of the seam into results of `std::io`.
pub trait ResultExt<T> {
    /// The same result with [`io_error`] applied.
    ///
    /// # Errors
    /// As the result itself.
    fn into_io(self) -> io::Result<T>;
}

impl<T> ResultExt<T> for underpin_core::Result<T> {
    fn into_io(self) -> io::Result<T> {
        self.map_err(io_error)
    }
}

/// Whether codes of `domain` are the ones that `std` uses on this system.
fn has_native_code(domain: Domain) -> bool {
    match domain {
        Domain::Errno => cfg!(unix),
        Domain::Win32 | Domain::Wsa => cfg!(windows),
        _ => false,
    }
}

fn io_kind(kind: Kind) -> io::ErrorKind {
    use io::ErrorKind as Io;
    match kind {
        Kind::NotFound => Io::NotFound,
        Kind::AlreadyExists => Io::AlreadyExists,
        Kind::PermissionDenied => Io::PermissionDenied,
        Kind::WouldBlock => Io::WouldBlock,
        Kind::Interrupted | Kind::Cancelled => Io::Interrupted,
        Kind::TimedOut => Io::TimedOut,
        Kind::Busy => Io::ResourceBusy,
        Kind::OutOfMemory => Io::OutOfMemory,
        Kind::NoSpace => Io::StorageFull,
        Kind::InvalidInput => Io::InvalidInput,
        Kind::Unsupported => Io::Unsupported,
        Kind::ConnectionRefused => Io::ConnectionRefused,
        Kind::ConnectionReset => Io::ConnectionReset,
        Kind::ConnectionAborted => Io::ConnectionAborted,
        Kind::BrokenPipe => Io::BrokenPipe,
        Kind::NotConnected => Io::NotConnected,
        Kind::AddressInUse => Io::AddrInUse,
        Kind::AddressNotAvailable => Io::AddrNotAvailable,
        Kind::Unreachable => Io::HostUnreachable,
        Kind::IsADirectory => Io::IsADirectory,
        Kind::NotADirectory => Io::NotADirectory,
        Kind::DirectoryNotEmpty => Io::DirectoryNotEmpty,
        Kind::ReadOnly => Io::ReadOnlyFilesystem,
        Kind::FileTooLarge => Io::FileTooLarge,
        Kind::CrossDevice => Io::CrossesDevices,
        Kind::UnexpectedEnd => Io::UnexpectedEof,
        _ => Io::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use underpin_core::Operation;

    #[test]
    fn the_systems_code_comes_back_out() {
        let domain = if cfg!(windows) {
            Domain::Win32
        } else {
            Domain::Errno
        };
        let error = io_error(Error::from_raw(Operation::Open, Kind::NotFound, domain, 2));
        assert_eq!(error.raw_os_error(), Some(2));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn errors_without_a_code_keep_the_seams_error() {
        for (error, kind) in [
            (
                Error::new(Operation::ReadAt, Kind::UnexpectedEnd),
                io::ErrorKind::UnexpectedEof,
            ),
            (
                Error::from_raw(Operation::Sync, Kind::Io, Domain::Injected, 7),
                io::ErrorKind::Other,
            ),
        ] {
            let io = io_error(error);
            assert_eq!(io.kind(), kind);
            assert_eq!(io.to_string(), error.to_string());
            let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            assert_eq!(inner, Some(&error));
        }
    }
}
