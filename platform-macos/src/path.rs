//! Paths as C wants them: bytes on the stack with a NUL at the end.
//!
//! # Quirks
//! - Darwin's own limit is `PATH_MAX` = 1,024 bytes with the NUL (`sys/syslimits.h`); a longer path that passes
//!   here gets `ENAMETOOLONG` from the kernel, which is `InvalidInput` as well.
//! - APFS refuses names that are not UTF-8 with `EILSEQ`; it and HFS+ treat names that differ only in Unicode
//!   normalisation, and by default those that differ only in case, as one name (Apple File System Guide, "Frequently Asked
//!   Questions"). HFS+ also gives back names decomposed.
#![allow(unsafe_code, reason = "a buffer is filled before it is read")]

use core::ffi::CStr;
use core::mem::MaybeUninit;
use underpin_core::error::{Error, Kind, Operation, Result};
use underpin_core::limits::PATH_BYTES_MAX;

/// Calls `run` with `path` as a C string.
///
/// `InvalidInput` for a path that is empty, holds a NUL or is longer than [`PATH_BYTES_MAX`].
pub(crate) fn with_c_path<T>(
    operation: Operation,
    path: &[u8],
    run: impl FnOnce(&CStr) -> Result<T>,
) -> Result<T> {
    let refused = Error::new(operation, Kind::InvalidInput);
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Err(refused);
    }
    let mut buffer = [MaybeUninit::<u8>::uninit(); PATH_BYTES_MAX + 1];
    buffer[..path.len()].write_copy_of_slice(path);
    buffer[path.len()].write(0);
    // SAFETY: the two lines above initialised the first `path.len() + 1` bytes, which lie within the buffer because
    // `path.len() <= PATH_BYTES_MAX`.
    let bytes =
        unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), path.len() + 1) };
    run(CStr::from_bytes_with_nul(bytes).map_err(|_| refused)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn pass(path: &[u8]) -> Result<usize> {
        with_c_path(Operation::Open, path, |c| {
            assert_eq!(c.to_bytes(), path);
            Ok(c.to_bytes().len())
        })
    }

    #[test]
    fn paths_within_the_limit_pass_whole() {
        for bytes in [1, 2, 1023, PATH_BYTES_MAX] {
            assert_eq!(pass(&vec![b'a'; bytes]), Ok(bytes));
        }
        assert_eq!(pass(b"\xff\xfe"), Ok(2), "bytes need not be UTF-8 here");
    }

    #[test]
    fn empty_long_and_nul_paths_are_refused() {
        for path in [
            &b""[..],
            b"\0",
            b"a\0b",
            b"a\0",
            &vec![b'a'; PATH_BYTES_MAX + 1],
        ] {
            assert_eq!(pass(path).unwrap_err().kind(), Kind::InvalidInput);
        }
    }
}
