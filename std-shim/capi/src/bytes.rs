//! Memory that goes to the caller, and slices that come from it.
//!
//! # Invariants
//!
//! I1. A non-empty [`underpin_bytes`] is a `Box<[u8]>` that its holder owns; an empty one has a null pointer.
#![allow(unsafe_code, reason = "pointers of a C caller")]

use crate::status::Failure;
use core::ptr;
use core::slice;

/// Bytes that the caller owns and gives back with [`underpin_bytes_free`]. Without bytes, `data` is null.
#[repr(C)]
#[derive(Debug)]
pub struct underpin_bytes {
    /// The first byte.
    pub data: *mut u8,
    /// How many there are.
    pub len: usize,
}

impl underpin_bytes {
    pub(crate) const EMPTY: Self = Self {
        data: ptr::null_mut(),
        len: 0,
    };

    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let len = bytes.len();
        let data = Box::into_raw(bytes.into_boxed_slice()).cast();
        Self { data, len }
    }
}

/// Frees `bytes`, which came from this library and was not freed before.
///
/// # Safety
/// `bytes` is as the library gave it out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_bytes_free(bytes: underpin_bytes) {
    if !bytes.data.is_null() {
        // SAFETY: I1; the caller gives up ownership.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes.data, bytes.len)) });
    }
}

/// The slice that the caller means. Null is allowed without bytes.
///
/// # Safety
/// `data` points to `len` bytes that nobody writes while the slice lives, or is null.
pub(crate) unsafe fn slice<'a>(
    data: *const u8,
    len: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::invalid(&format!("{what}: a null pointer")));
    }
    if isize::try_from(len).is_err() {
        return Err(Failure::invalid(&format!(
            "{what}: {len} bytes are more than memory holds"
        )));
    }
    // SAFETY: not null, no longer than memory, and by this function's contract readable and unchanging.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// The place where a result goes.
///
/// # Safety
/// `place` is null, or valid for writes and aligned while the reference lives, and initialised.
pub(crate) unsafe fn place<'a, T>(place: *mut T, what: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: this function's contract.
    unsafe { place.as_mut() }.ok_or_else(|| Failure::invalid(&format!("{what}: a null pointer")))
}

/// The object that a handle stands for.
///
/// # Safety
/// `handle` is null or came from this library, and is not freed while the reference lives.
pub(crate) unsafe fn handle<'a, T>(handle: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: this function's contract.
    unsafe { handle.as_ref() }.ok_or_else(|| Failure::invalid(&format!("{what}: a null pointer")))
}
