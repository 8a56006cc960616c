//! The C library's functions, which have no crate.
#![allow(unsafe_code, reason = "a C library's functions")]

use std::ffi::{CStr, c_void};

pub(super) fn version() -> String {
    // SAFETY: it gives a C string that is never freed.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    version.to_string_lossy().into_owned()
}

fn position(text: &[u8], found: *mut c_void) -> Option<usize> {
    (!found.is_null()).then(|| found.addr() - text.as_ptr().addr())
}

pub(super) fn memchr(byte: u8, text: &[u8]) -> Option<usize> {
    // SAFETY: `len` readable bytes.
    let found = unsafe { libc::memchr(text.as_ptr().cast(), byte.into(), text.len()) };
    position(text, found)
}

pub(super) fn memrchr(byte: u8, text: &[u8]) -> Option<usize> {
    // SAFETY: `len` readable bytes.
    let found = unsafe { libc::memrchr(text.as_ptr().cast(), byte.into(), text.len()) };
    position(text, found)
}

pub(super) fn memmem(text: &[u8], needle: &[u8]) -> Option<usize> {
    let (h, n) = (text.as_ptr().cast(), needle.as_ptr().cast());
    // SAFETY: as many readable bytes as are said.
    let found = unsafe { libc::memmem(h, text.len(), n, needle.len()) };
    position(text, found)
}
