//! Writes that are applied together or not at all.
//!
//! # Invariants
//!
//! I1. An `underpin_batch *` that is not null is a `Box<underpin_batch>` given out by [`underpin_batch_new`] and taken back, once, by
//! [`underpin_batch_free`].
#![allow(unsafe_code, reason = "pointers of a C caller")]

use crate::bytes::{place, slice};
use crate::status::{Failure, UNDERPIN_OK, guard, underpin_status};
use std::io;
use underpin::kv::Batch;

/// A list of writes. Used by one thread at a time.
#[derive(Debug)]
pub struct underpin_batch(pub(crate) Batch);

/// An empty batch, to be freed with `underpin_batch_free`.
#[unsafe(no_mangle)]
pub extern "C" fn underpin_batch_new() -> *mut underpin_batch {
    Box::into_raw(Box::new(underpin_batch(Batch::new())))
}

/// Frees the batch. Null is allowed.
///
/// # Safety
/// `batch` came from `underpin_batch_new`, and no other call uses it now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_batch_free(batch: *mut underpin_batch) {
    if !batch.is_null() {
        // SAFETY: I1; the caller gives the handle back.
        drop(unsafe { Box::from_raw(batch) });
    }
}

/// Adds: give the key the value. Later writes of a batch win over earlier ones.
///
/// # Safety
/// `batch` is one, used by no other thread meanwhile; `key` and `value` point to as many bytes as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_batch_put(
    batch: *mut underpin_batch,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let (batch, key, value) = unsafe {
            (
                place(batch, "batch")?,
                slice(key, key_len, "key")?,
                slice(value, value_len, "value")?,
            )
        };
        added(batch.0.put(key, value))
    })
}

/// Adds: remove the key.
///
/// # Safety
/// `batch` is one, used by no other thread meanwhile; `key` points to `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_batch_remove(
    batch: *mut underpin_batch,
    key: *const u8,
    key_len: usize,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let (batch, key) = unsafe { (place(batch, "batch")?, slice(key, key_len, "key")?) };
        added(batch.0.remove(key))
    })
}

/// Empties the batch and keeps its memory.
///
/// # Safety
/// `batch` is one, used by no other thread meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_batch_clear(batch: *mut underpin_batch) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        unsafe { place(batch, "batch")? }.0.clear();
        Ok(UNDERPIN_OK)
    })
}

fn added(result: io::Result<()>) -> Result<underpin_status, Failure> {
    result?;
    Ok(UNDERPIN_OK)
}
