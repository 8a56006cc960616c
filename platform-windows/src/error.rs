//! What a Win32 error code means, in the seam's terms.
//!
//! [`kind_of`] is total: a code that is not in the table is `Other`, and the raw code stays in the
//! error either way. The table is compiled and tested on every host; the names are those of
//! `winerror.h`.
#![forbid(unsafe_code)]

use underpin_core::{Domain, Error, Kind, Operation};

/// The codes that the rest of the crate asks about.
pub(crate) mod code {
    pub(crate) const INVALID_FUNCTION: u32 = 1;
    pub(crate) const ACCESS_DENIED: u32 = 5;
    pub(crate) const NO_MORE_FILES: u32 = 18;
    pub(crate) const LOCK_VIOLATION: u32 = 33;
    pub(crate) const HANDLE_EOF: u32 = 38;
    pub(crate) const NOT_SUPPORTED: u32 = 50;
    pub(crate) const INVALID_PARAMETER: u32 = 87;
    pub(crate) const CALL_NOT_IMPLEMENTED: u32 = 120;
    pub(crate) const INVALID_LEVEL: u32 = 124;
    pub(crate) const NOT_LOCKED: u32 = 158;
    pub(crate) const ALREADY_EXISTS: u32 = 183;
    pub(crate) const IO_PENDING: u32 = 997;
}

/// What `raw`, a value of `GetLastError`, means.
pub(crate) const fn kind_of(raw: u32) -> Kind {
    match raw {
        // FILE_NOT_FOUND, PATH_NOT_FOUND, INVALID_DRIVE, BAD_NETPATH, DEV_NOT_EXIST, BAD_NET_NAME,
        // DELETE_PENDING (the name is on its way out)
        2 | 3 | 15 | 53 | 55 | 67 | 303 => Kind::NotFound,
        // FILE_EXISTS, ALREADY_EXISTS
        80 | 183 => Kind::AlreadyExists,
        // ACCESS_DENIED, INVALID_ACCESS, NETWORK_ACCESS_DENIED, CANNOT_MAKE, PRIVILEGE_NOT_HELD,
        // LOGON_FAILURE, ACCOUNT_RESTRICTION, CANT_ACCESS_FILE
        5 | 12 | 65 | 82 | 1314 | 1326 | 1327 | 1920 => Kind::PermissionDenied,
        // SEM_TIMEOUT, WAIT_TIMEOUT, TIMEOUT
        121 | 258 | 1460 => Kind::TimedOut,
        // OPERATION_ABORTED, CANCELLED
        995 | 1223 => Kind::Cancelled,
        // SHARING_VIOLATION, LOCK_VIOLATION, DRIVE_LOCKED, LOCK_FAILED, BUSY, PIPE_BUSY,
        // USER_MAPPED_FILE, POSSIBLE_DEADLOCK
        32 | 33 | 108 | 167 | 170 | 231 | 1224 | 1131 => Kind::Busy,
        // NOT_ENOUGH_MEMORY, OUTOFMEMORY, NO_SYSTEM_RESOURCES, NONPAGED_SYSTEM_RESOURCES,
        // PAGED_SYSTEM_RESOURCES, WORKING_SET_QUOTA, PAGEFILE_QUOTA, COMMITMENT_LIMIT,
        // NOT_ENOUGH_QUOTA
        8 | 14 | 1450 | 1451 | 1452 | 1453 | 1454 | 1455 | 1816 => Kind::OutOfMemory,
        // HANDLE_DISK_FULL, DISK_FULL, DISK_QUOTA_EXCEEDED
        39 | 112 | 1295 => Kind::NoSpace,
        // INVALID_HANDLE, INVALID_DATA, BAD_LENGTH, INVALID_PARAMETER, INVALID_NAME, NEGATIVE_SEEK,
        // BAD_PATHNAME, FILENAME_EXCED_RANGE, BAD_ARGUMENTS, INVALID_ADDRESS, MAPPED_ALIGNMENT,
        // FILE_INVALID, NOACCESS, INVALID_FLAGS, NO_UNICODE_TRANSLATION
        6 | 13 | 24 | 87 | 123 | 131 | 160 | 161 | 206 | 487 | 1132 | 1006 | 998 | 1004 | 1113 => {
            Kind::InvalidInput
        }
        // INVALID_FUNCTION, NOT_SUPPORTED, CALL_NOT_IMPLEMENTED, INVALID_LEVEL, PROC_NOT_FOUND,
        // VOLUME_NOT_SUPPORT_EFS
        1 | 50 | 120 | 124 | 127 | 6014 => Kind::Unsupported,
        // CRC, SEEK, SECTOR_NOT_FOUND, WRITE_FAULT, READ_FAULT, GEN_FAILURE, NOT_READY,
        // NET_WRITE_FAULT, IO_DEVICE, FILE_CORRUPT, DISK_CORRUPT, DISK_OPERATION_FAILED,
        // DISK_RESET_FAILED, DEVICE_NOT_CONNECTED, UNEXP_NET_ERR, DATA_CHECKSUM_ERROR
        23 | 25 | 27 | 29 | 30 | 31 | 21 | 88 | 1117 | 1392 | 1393 | 1127 | 1128 | 1167 | 59
        | 323 => Kind::Io,
        // BROKEN_PIPE, NO_DATA ("the pipe is being closed"), PIPE_NOT_CONNECTED
        109 | 232 | 233 => Kind::BrokenPipe,
        // CONNECTION_REFUSED; NETNAME_DELETED, CONNECTION_ABORTED
        1225 => Kind::ConnectionRefused,
        64 => Kind::ConnectionReset,
        1236 => Kind::ConnectionAborted,
        // NETWORK_UNREACHABLE, HOST_UNREACHABLE, PORT_UNREACHABLE
        1231 | 1232 | 1234 => Kind::Unreachable,
        // DIRECTORY_NOT_SUPPORTED
        336 => Kind::IsADirectory,
        // DIRECTORY ("the directory name is invalid")
        267 => Kind::NotADirectory,
        // DIR_NOT_EMPTY
        145 => Kind::DirectoryNotEmpty,
        // WRITE_PROTECT, FILE_READ_ONLY
        19 | 6009 => Kind::ReadOnly,
        // TOO_MANY_OPEN_FILES
        4 => Kind::TooManyHandles,
        // TOO_MANY_LINKS, MAX_THRDS_REACHED, TOO_MANY_TCBS
        1142 | 164 | 155 => Kind::Limit,
        // FILE_TOO_LARGE, FILE_SYSTEM_LIMITATION
        223 | 665 => Kind::FileTooLarge,
        // NOT_SAME_DEVICE
        17 => Kind::CrossDevice,
        _ => Kind::Other,
    }
}

/// The error of `operation` that Windows reported as `raw`.
pub(crate) const fn from_code(operation: Operation, raw: u32) -> Error {
    with_kind(operation, kind_of(raw), raw)
}

/// As [`from_code`], where the call tells more than the code alone.
pub(crate) const fn with_kind(operation: Operation, kind: Kind, raw: u32) -> Error {
    Error::from_raw(operation, kind, Domain::Win32, raw.cast_signed())
}

/// Whether `raw` says that the system or this file system does not know the call, so that an older
/// one may do.
pub(crate) const fn is_missing_call(raw: u32) -> bool {
    matches!(
        raw,
        code::INVALID_FUNCTION
            | code::NOT_SUPPORTED
            | code::INVALID_PARAMETER
            | code::CALL_NOT_IMPLEMENTED
            | code::INVALID_LEVEL
    )
}

/// The Win32 code inside an `HRESULT` that says failure; the whole value where it holds none.
pub(crate) const fn code_of_hresult(result: i32) -> u32 {
    let raw = result.cast_unsigned();
    // SEVERITY_ERROR and FACILITY_WIN32.
    if raw & 0xFFFF_0000 == 0x8007_0000 {
        raw & 0xFFFF
    } else {
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_kind_and_keeps_its_number() {
        for raw in 0..16_000 {
            let error = from_code(Operation::Open, raw);
            assert_eq!(error.raw(), i32::try_from(raw).unwrap());
            assert_eq!(error.domain(), Domain::Win32);
            assert_eq!(error.kind(), kind_of(raw));
        }
        assert_eq!(kind_of(u32::MAX), Kind::Other);
    }

    #[test]
    fn the_codes_that_programs_match_on() {
        let table = [
            (2, Kind::NotFound),
            (3, Kind::NotFound),
            (5, Kind::PermissionDenied),
            (8, Kind::OutOfMemory),
            (17, Kind::CrossDevice),
            (32, Kind::Busy),
            (33, Kind::Busy),
            (80, Kind::AlreadyExists),
            (112, Kind::NoSpace),
            (123, Kind::InvalidInput),
            (145, Kind::DirectoryNotEmpty),
            (183, Kind::AlreadyExists),
            (267, Kind::NotADirectory),
            (1117, Kind::Io),
        ];
        for (raw, kind) in table {
            assert_eq!(kind_of(raw), kind, "{raw}");
        }
        for raw in [
            code::NO_MORE_FILES,
            code::HANDLE_EOF,
            code::IO_PENDING,
            code::NOT_LOCKED,
        ] {
            assert_eq!(
                kind_of(raw),
                Kind::Other,
                "{raw} is handled where it arises"
            );
        }
        assert!(is_missing_call(50) && !is_missing_call(code::ACCESS_DENIED));
        assert!(!is_missing_call(code::ALREADY_EXISTS) && !is_missing_call(code::LOCK_VIOLATION));
    }

    #[test]
    fn hresults_give_up_their_code() {
        assert_eq!(code_of_hresult(0x8007_0057_u32.cast_signed()), 87);
        assert_eq!(code_of_hresult(0x8000_4001_u32.cast_signed()), 0x8000_4001);
    }

    #[cfg(windows)]
    #[test]
    fn the_numbers_are_those_of_the_headers() {
        use windows_sys::Win32::Foundation as f;
        let pairs = [
            (code::INVALID_FUNCTION, f::ERROR_INVALID_FUNCTION),
            (code::ACCESS_DENIED, f::ERROR_ACCESS_DENIED),
            (code::NO_MORE_FILES, f::ERROR_NO_MORE_FILES),
            (code::LOCK_VIOLATION, f::ERROR_LOCK_VIOLATION),
            (code::HANDLE_EOF, f::ERROR_HANDLE_EOF),
            (code::NOT_SUPPORTED, f::ERROR_NOT_SUPPORTED),
            (code::INVALID_PARAMETER, f::ERROR_INVALID_PARAMETER),
            (code::CALL_NOT_IMPLEMENTED, f::ERROR_CALL_NOT_IMPLEMENTED),
            (code::INVALID_LEVEL, f::ERROR_INVALID_LEVEL),
            (code::NOT_LOCKED, f::ERROR_NOT_LOCKED),
            (code::ALREADY_EXISTS, f::ERROR_ALREADY_EXISTS),
            (code::IO_PENDING, f::ERROR_IO_PENDING),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(ours, theirs);
        }
        let kinds = [
            (f::ERROR_DELETE_PENDING, Kind::NotFound),
            (f::ERROR_PRIVILEGE_NOT_HELD, Kind::PermissionDenied),
            (f::ERROR_CANT_ACCESS_FILE, Kind::PermissionDenied),
            (f::ERROR_OPERATION_ABORTED, Kind::Cancelled),
            (f::ERROR_USER_MAPPED_FILE, Kind::Busy),
            (f::ERROR_COMMITMENT_LIMIT, Kind::OutOfMemory),
            (f::ERROR_NOT_ENOUGH_QUOTA, Kind::OutOfMemory),
            (f::ERROR_DISK_QUOTA_EXCEEDED, Kind::NoSpace),
            (f::ERROR_MAPPED_ALIGNMENT, Kind::InvalidInput),
            (f::ERROR_FILE_INVALID, Kind::InvalidInput),
            (f::ERROR_INVALID_ADDRESS, Kind::InvalidInput),
            (f::ERROR_FILE_CORRUPT, Kind::Io),
            (f::ERROR_DISK_CORRUPT, Kind::Io),
            (f::ERROR_DEVICE_NOT_CONNECTED, Kind::Io),
            (f::ERROR_DATA_CHECKSUM_ERROR, Kind::Io),
            (f::ERROR_CONNECTION_REFUSED, Kind::ConnectionRefused),
            (f::ERROR_NETNAME_DELETED, Kind::ConnectionReset),
            (f::ERROR_CONNECTION_ABORTED, Kind::ConnectionAborted),
            (f::ERROR_HOST_UNREACHABLE, Kind::Unreachable),
            (f::ERROR_DIRECTORY_NOT_SUPPORTED, Kind::IsADirectory),
            (f::ERROR_DIRECTORY, Kind::NotADirectory),
            (f::ERROR_FILE_READ_ONLY, Kind::ReadOnly),
            (f::ERROR_TOO_MANY_OPEN_FILES, Kind::TooManyHandles),
            (f::ERROR_TOO_MANY_LINKS, Kind::Limit),
            (f::ERROR_FILE_TOO_LARGE, Kind::FileTooLarge),
            (f::ERROR_FILE_SYSTEM_LIMITATION, Kind::FileTooLarge),
            (f::ERROR_FILENAME_EXCED_RANGE, Kind::InvalidInput),
        ];
        for (raw, kind) in kinds {
            assert_eq!(kind_of(raw), kind, "{raw}");
        }
    }
}
