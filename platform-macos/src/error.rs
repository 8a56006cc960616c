//! From `errno` to the seam's error: a total table, and the two ways a C function reports.
//!
//! Darwin's numbers are written out here so that the table is tested on every host; on macOS they are checked against
//! `libc`'s at compile time, and `xtask/rigs/macos-audit.c` checks them against Apple's headers.
#![cfg_attr(
    target_os = "macos",
    allow(unsafe_code, reason = "errno is a location in C")
)]
#![cfg_attr(not(target_os = "macos"), forbid(unsafe_code))]

use underpin_core::Kind;

macro_rules! errno_table {
    ($($name:ident = $number:literal => $kind:ident,)*) => {
        /// What `errno` means. Numbers that are not in the table are [`Kind::Other`]; the raw code is kept beside.
        pub(crate) const fn kind(errno: i32) -> Kind {
            match errno {
                $($number => Kind::$kind,)*
                _ => Kind::Other,
            }
        }

        #[cfg(target_os = "macos")]
        const _: () = { $(assert!(libc::$name == $number, stringify!($name));)* };

        /// The rows.
        #[cfg(test)]
        pub(crate) const TABLE: &[(&str, i32, Kind)] = &[$((stringify!($name), $number, Kind::$kind),)*];
    };
}

errno_table! {
    EPERM = 1 => PermissionDenied,
    ENOENT = 2 => NotFound,
    ESRCH = 3 => NotFound,
    EINTR = 4 => Interrupted,
    EIO = 5 => Io,
    ENXIO = 6 => NotFound,
    E2BIG = 7 => InvalidInput,
    EBADF = 9 => InvalidInput,
    EDEADLK = 11 => InvalidInput,
    ENOMEM = 12 => OutOfMemory,
    EACCES = 13 => PermissionDenied,
    EFAULT = 14 => InvalidInput,
    EBUSY = 16 => Busy,
    EEXIST = 17 => AlreadyExists,
    EXDEV = 18 => CrossDevice,
    ENODEV = 19 => Unsupported,
    ENOTDIR = 20 => NotADirectory,
    EISDIR = 21 => IsADirectory,
    EINVAL = 22 => InvalidInput,
    ENFILE = 23 => TooManyHandles,
    EMFILE = 24 => TooManyHandles,
    ENOTTY = 25 => Unsupported,
    ETXTBSY = 26 => Busy,
    EFBIG = 27 => FileTooLarge,
    ENOSPC = 28 => NoSpace,
    ESPIPE = 29 => InvalidInput,
    EROFS = 30 => ReadOnly,
    EMLINK = 31 => Limit,
    EPIPE = 32 => BrokenPipe,
    EDOM = 33 => InvalidInput,
    ERANGE = 34 => InvalidInput,
    EAGAIN = 35 => WouldBlock,
    EINPROGRESS = 36 => WouldBlock,
    EALREADY = 37 => WouldBlock,
    ENOTSOCK = 38 => InvalidInput,
    EDESTADDRREQ = 39 => InvalidInput,
    EMSGSIZE = 40 => InvalidInput,
    ENOPROTOOPT = 42 => Unsupported,
    EPROTONOSUPPORT = 43 => Unsupported,
    ESOCKTNOSUPPORT = 44 => Unsupported,
    ENOTSUP = 45 => Unsupported,
    EPFNOSUPPORT = 46 => Unsupported,
    EAFNOSUPPORT = 47 => Unsupported,
    EADDRINUSE = 48 => AddressInUse,
    EADDRNOTAVAIL = 49 => AddressNotAvailable,
    ENETDOWN = 50 => Unreachable,
    ENETUNREACH = 51 => Unreachable,
    ENETRESET = 52 => ConnectionReset,
    ECONNABORTED = 53 => ConnectionAborted,
    ECONNRESET = 54 => ConnectionReset,
    ENOBUFS = 55 => OutOfMemory,
    EISCONN = 56 => InvalidInput,
    ENOTCONN = 57 => NotConnected,
    ESHUTDOWN = 58 => BrokenPipe,
    ETIMEDOUT = 60 => TimedOut,
    ECONNREFUSED = 61 => ConnectionRefused,
    ELOOP = 62 => InvalidInput,
    ENAMETOOLONG = 63 => InvalidInput,
    EHOSTDOWN = 64 => Unreachable,
    EHOSTUNREACH = 65 => Unreachable,
    ENOTEMPTY = 66 => DirectoryNotEmpty,
    EUSERS = 68 => Limit,
    EDQUOT = 69 => NoSpace,
    ESTALE = 70 => Io,
    ENOLCK = 77 => Limit,
    ENOSYS = 78 => Unsupported,
    EPWROFF = 82 => Io,
    EDEVERR = 83 => Io,
    EOVERFLOW = 84 => FileTooLarge,
    ECANCELED = 89 => Cancelled,
    EILSEQ = 92 => InvalidInput,
    EBADMSG = 94 => Io,
    EOPNOTSUPP = 102 => Unsupported,
}

#[cfg(target_os = "macos")]
pub(crate) use darwin::{check, coded, last, last_errno, retry};

/// What needs a real `errno`.
#[cfg(target_os = "macos")]
mod darwin {
    use super::kind;
    use underpin_core::error::{Domain, Error, Kind, Operation, Result};

    /// The calling thread's `errno`.
    pub(crate) fn last_errno() -> i32 {
        // SAFETY: `__error` returns the address of the calling thread's errno, which lives as long as the thread.
        unsafe { *libc::__error() }
    }

    /// The error of a call that failed with code `errno`, as pthread functions return it.
    pub(crate) const fn coded(operation: Operation, errno: i32) -> Error {
        Error::from_raw(operation, kind(errno), Domain::Errno, errno)
    }

    /// The error of the call that just failed and left its code in `errno`.
    pub(crate) fn last(operation: Operation) -> Error {
        coded(operation, last_errno())
    }

    /// A C result that is -1 for failure, with the code in `errno`.
    pub(crate) trait CResult: Copy {
        /// Whether it is -1.
        fn failed(self) -> bool;
    }

    impl CResult for libc::c_int {
        fn failed(self) -> bool {
            self == -1
        }
    }

    impl CResult for libc::ssize_t {
        fn failed(self) -> bool {
            self == -1
        }
    }

    /// The result of one call.
    pub(crate) fn check<T: CResult>(operation: Operation, result: T) -> Result<T> {
        if result.failed() {
            Err(last(operation))
        } else {
            Ok(result)
        }
    }

    /// Calls until the result is not "interrupted by a signal".
    pub(crate) fn retry<T: CResult>(
        operation: Operation,
        mut call: impl FnMut() -> T,
    ) -> Result<T> {
        loop {
            match check(operation, call()) {
                Err(error) if error.kind() == Kind::Interrupted => {}
                result => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_table_has_its_kind_and_stands_once() {
        for (index, &(name, number, wanted)) in TABLE.iter().enumerate() {
            assert_eq!(kind(number), wanted, "{name}");
            assert!(
                TABLE[..index].iter().all(|row| row.1 < number),
                "{name}: rows rise by number, so none stands twice"
            );
        }
    }

    #[test]
    fn numbers_outside_the_table_are_other() {
        for number in [i32::MIN, -1, 0, 8, 41, 107, 999, i32::MAX] {
            assert_eq!(kind(number), Kind::Other, "{number}");
        }
    }

    #[test]
    fn numbers_that_differ_from_linux_are_darwins() {
        // On Linux 35 is EDEADLK, 66 is EREMOTE and 45 is EL2NSYNC.
        assert_eq!(kind(35), Kind::WouldBlock);
        assert_eq!(kind(66), Kind::DirectoryNotEmpty);
        assert_eq!(kind(45), Kind::Unsupported);
    }
}
