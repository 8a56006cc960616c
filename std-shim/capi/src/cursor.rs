//! Walking a range of keys.
//!
//! # Invariants
//!
//! I1. An `underpin_cursor *` that is not null is a `Box<underpin_cursor>` given out by [`underpin_cursor_open`] and taken back,
//! once, by [`underpin_cursor_close`].
//! I2. The bytes that a step gives out belong to the cursor and live until its next step or its end.
#![allow(unsafe_code, reason = "pointers of a C caller")]

use crate::bytes::{handle, place, slice};
use crate::db::underpin_db;
use crate::status::{Failure, UNDERPIN_NOT_FOUND, UNDERPIN_OK, guard, underpin_status};
use core::ops::Bound;
use core::ptr;
use underpin::kv::Scan;

/// A walk through a range, in the order of the keys, over the database as it was when the walk began. Used by one thread
/// at a time; closed before its database.
#[derive(Debug)]
pub struct underpin_cursor {
    scan: Scan,
    pair: (Vec<u8>, Vec<u8>),
}

/// Bytes that belong to a cursor, valid until its next step or its end.
#[repr(C)]
#[derive(Debug)]
pub struct underpin_view {
    /// The first byte; null without bytes.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl underpin_view {
    const EMPTY: Self = Self {
        data: ptr::null(),
        len: 0,
    };

    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        Self {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// Starts a walk of the keys from `start` (included) to `end` (excluded); a null pointer leaves that side open. Stores the
/// handle in `*cursor`, to be closed with `underpin_cursor_close`.
///
/// # Safety
/// `db` is open and stays so; `start` and `end` point to as many bytes as is said, or are null; `cursor` is writable or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_cursor_open(
    db: *const underpin_db,
    start: *const u8,
    start_len: usize,
    end: *const u8,
    end_len: usize,
    cursor: *mut *mut underpin_cursor,
) -> underpin_status {
    guard(|| {
        if cursor.is_null() {
            return Err(Failure::invalid("cursor: a null pointer"));
        }
        // SAFETY: writable by this function's contract; a plain write reads nothing of what was there.
        unsafe { cursor.write(ptr::null_mut()) };
        // SAFETY: this function's contract.
        let db = unsafe { handle(db, "db")? };
        let start = match start.is_null() {
            true => Bound::Unbounded,
            // SAFETY: this function's contract.
            false => Bound::Included(unsafe { slice(start, start_len, "start")? }),
        };
        let end = match end.is_null() {
            true => Bound::Unbounded,
            // SAFETY: this function's contract.
            false => Bound::Excluded(unsafe { slice(end, end_len, "end")? }),
        };
        let opened = Box::new(underpin_cursor {
            scan: db.0.scan((start, end))?,
            pair: (Vec::new(), Vec::new()),
        });
        // SAFETY: as above.
        unsafe { cursor.write(Box::into_raw(opened)) };
        Ok(UNDERPIN_OK)
    })
}

/// Steps to the next key; `UNDERPIN_NOT_FOUND` at the end of the range. `*key` and `*value` belong to the cursor until
/// its next step.
///
/// # Safety
/// `cursor` is open and used by no other thread meanwhile; `key` and `value` are writable or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_cursor_next(
    cursor: *mut underpin_cursor,
    key: *mut underpin_view,
    value: *mut underpin_view,
) -> underpin_status {
    guard(|| {
        if key.is_null() || value.is_null() {
            return Err(Failure::invalid("key or value: a null pointer"));
        }
        // SAFETY: writable by this function's contract; a plain write reads nothing of what was there.
        unsafe {
            key.write(underpin_view::EMPTY);
            value.write(underpin_view::EMPTY);
        }
        // SAFETY: this function's contract.
        let cursor = unsafe { place(cursor, "cursor")? };
        let Some(pair) = cursor.scan.next() else {
            return Ok(UNDERPIN_NOT_FOUND);
        };
        cursor.pair = pair?;
        // SAFETY: as above; I2 holds as the cursor keeps the pair.
        unsafe {
            key.write(underpin_view::of(&cursor.pair.0));
            value.write(underpin_view::of(&cursor.pair.1));
        }
        Ok(UNDERPIN_OK)
    })
}

/// Ends the walk. Null is allowed.
///
/// # Safety
/// `cursor` came from `underpin_cursor_open`, and no other call uses it now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_cursor_close(cursor: *mut underpin_cursor) {
    if !cursor.is_null() {
        // SAFETY: I1; the caller gives the handle back.
        drop(unsafe { Box::from_raw(cursor) });
    }
}
