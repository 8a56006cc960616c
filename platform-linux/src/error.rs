//! From `errno` to the seam's [`Error`]: one total table.
//!
//! A number that the table does not name becomes [`Kind::Other`] and keeps its raw code. Calls for which a number means
//! something special (`EINVAL` from `fsync`, `EWOULDBLOCK` from `flock`) say so where they are made.
#![forbid(unsafe_code)]

use rustix::io::Errno;
use underpin_core::{Domain, Error, Kind, Operation};

/// The seam's error for `errno` out of `operation`.
#[cold]
pub(crate) fn error(operation: Operation, errno: Errno) -> Error {
    error_as(operation, kind(errno), errno)
}

/// As [`error`], with a kind that the call knows better than the table.
#[cold]
pub(crate) fn error_as(operation: Operation, kind: Kind, errno: Errno) -> Error {
    Error::from_raw(operation, kind, Domain::Errno, errno.raw_os_error())
}

/// What an `errno` means where nothing more is known about the call.
pub(crate) fn kind(errno: Errno) -> Kind {
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::SRCH => Kind::NotFound,
        Errno::EXIST => Kind::AlreadyExists,
        Errno::PERM | Errno::ACCESS => Kind::PermissionDenied,
        Errno::AGAIN | Errno::INPROGRESS | Errno::ALREADY => Kind::WouldBlock,
        Errno::INTR => Kind::Interrupted,
        Errno::TIMEDOUT | Errno::TIME => Kind::TimedOut,
        Errno::CANCELED => Kind::Cancelled,
        Errno::BUSY | Errno::TXTBSY => Kind::Busy,
        Errno::NOMEM | Errno::NOBUFS => Kind::OutOfMemory,
        Errno::NOSPC | Errno::DQUOT => Kind::NoSpace,
        Errno::INVAL
        | Errno::BADF
        | Errno::FAULT
        | Errno::NAMETOOLONG
        | Errno::LOOP
        | Errno::NOTSOCK
        | Errno::DESTADDRREQ
        | Errno::ISCONN
        | Errno::SPIPE
        | Errno::NOTTY
        | Errno::DOM
        | Errno::RANGE
        | Errno::ILSEQ
        | Errno::TOOBIG
        | Errno::MSGSIZE
        | Errno::DEADLK => Kind::InvalidInput,
        Errno::NOSYS
        | Errno::OPNOTSUPP
        | Errno::AFNOSUPPORT
        | Errno::PFNOSUPPORT
        | Errno::PROTONOSUPPORT
        | Errno::PROTOTYPE
        | Errno::SOCKTNOSUPPORT
        | Errno::NOPROTOOPT => Kind::Unsupported,
        Errno::IO
        | Errno::UCLEAN
        | Errno::BADMSG
        | Errno::NOMEDIUM
        | Errno::MEDIUMTYPE
        | Errno::REMOTEIO
        | Errno::STALE
        | Errno::HWPOISON => Kind::Io,
        Errno::CONNREFUSED => Kind::ConnectionRefused,
        Errno::CONNRESET | Errno::NETRESET => Kind::ConnectionReset,
        Errno::CONNABORTED => Kind::ConnectionAborted,
        Errno::PIPE | Errno::SHUTDOWN => Kind::BrokenPipe,
        Errno::NOTCONN => Kind::NotConnected,
        Errno::ADDRINUSE => Kind::AddressInUse,
        Errno::ADDRNOTAVAIL => Kind::AddressNotAvailable,
        Errno::NETUNREACH
        | Errno::HOSTUNREACH
        | Errno::HOSTDOWN
        | Errno::NETDOWN
        | Errno::NONET => Kind::Unreachable,
        Errno::ISDIR => Kind::IsADirectory,
        Errno::NOTDIR => Kind::NotADirectory,
        Errno::NOTEMPTY => Kind::DirectoryNotEmpty,
        Errno::ROFS => Kind::ReadOnly,
        Errno::MFILE | Errno::NFILE => Kind::TooManyHandles,
        Errno::MLINK | Errno::NOLCK | Errno::USERS => Kind::Limit,
        Errno::FBIG | Errno::OVERFLOW => Kind::FileTooLarge,
        Errno::XDEV => Kind::CrossDevice,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_number_has_a_kind_and_keeps_its_code() {
        for raw in 1..4096 {
            let error = error(Operation::Open, Errno::from_raw_os_error(raw));
            assert_eq!(error.raw(), raw);
            assert_eq!(error.domain(), Domain::Errno);
        }
    }

    #[test]
    fn the_numbers_that_callers_match_on_have_their_kind() {
        // The numbers are Linux's own on every architecture; names would hide a mistake in the table.
        for (raw, expected) in [
            (1, Kind::PermissionDenied),
            (2, Kind::NotFound),
            (4, Kind::Interrupted),
            (5, Kind::Io),
            (11, Kind::WouldBlock),
            (12, Kind::OutOfMemory),
            (17, Kind::AlreadyExists),
            (18, Kind::CrossDevice),
            (20, Kind::NotADirectory),
            (21, Kind::IsADirectory),
            (22, Kind::InvalidInput),
            (24, Kind::TooManyHandles),
            (27, Kind::FileTooLarge),
            (28, Kind::NoSpace),
            (30, Kind::ReadOnly),
            (32, Kind::BrokenPipe),
        ] {
            assert_eq!(kind(Errno::from_raw_os_error(raw)), expected, "errno {raw}");
        }
        assert_eq!(
            error(Operation::Open, Errno::NOENT).to_string(),
            "open: not found (errno 2)"
        );
    }
}
