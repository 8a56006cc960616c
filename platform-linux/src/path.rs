//! From the seam's bytes to the kernel's NUL-terminated string, on the stack.
#![allow(unsafe_code, reason = "the string is built in uninitialised memory")]

use core::ffi::CStr;
use core::mem::MaybeUninit;
use underpin_core::limits::PATH_BYTES_MAX;
use underpin_core::{Error, Kind, Operation, Result};

/// Calls `call` with `path` as the kernel wants it; `InvalidInput` for a path that is empty, too long or holds a NUL.
#[inline]
pub(crate) fn with_path<T>(
    operation: Operation,
    path: &[u8],
    call: impl FnOnce(&CStr) -> Result<T>,
) -> Result<T> {
    let invalid = Error::new(operation, Kind::InvalidInput);
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return Err(invalid);
    }
    let mut bytes = [MaybeUninit::<u8>::uninit(); PATH_BYTES_MAX + 1];
    bytes[..path.len()].write_copy_of_slice(path);
    bytes[path.len()].write(0);
    // SAFETY: the two lines above initialised the first `path.len() + 1` bytes.
    let bytes = unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), path.len() + 1) };
    call(CStr::from_bytes_with_nul(bytes).map_err(|_| invalid)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn length(path: &[u8]) -> Result<usize> {
        with_path(Operation::Open, path, |path| Ok(path.to_bytes().len()))
    }

    #[test]
    fn paths_are_checked_before_the_kernel_sees_them() {
        assert_eq!(length(b"a/b"), Ok(3));
        assert_eq!(length(&vec![b'x'; PATH_BYTES_MAX]), Ok(PATH_BYTES_MAX));
        for bad in [&b""[..], b"a\0b", b"\0", &vec![b'x'; PATH_BYTES_MAX + 1]] {
            assert_eq!(length(bad).unwrap_err().kind(), Kind::InvalidInput);
        }
    }
}
