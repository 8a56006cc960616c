//! Open, close, get, put, remove, sync, verify.
//!
//! # Invariants
//!
//! I1. An `underpin_db *` that is not null is a `Box<underpin_db>` given out by [`underpin_db_open`] and taken back, once, by
//! [`underpin_db_close`].
#![allow(unsafe_code, reason = "pointers of a C caller")]

use crate::batch::underpin_batch;
use crate::bytes::{handle, place, slice, underpin_bytes};
use crate::status::{Failure, UNDERPIN_NOT_FOUND, UNDERPIN_OK, guard, underpin_status};
use core::ffi::{CStr, c_char};
use core::ptr;
use std::io;
use underpin::kv::{Db, OpenOptions, WriteLevel};
use underpin::sys::path_from_bytes;

/// An open database. May be used by any number of threads at once.
#[derive(Debug)]
pub struct underpin_db(pub(crate) Db);

/// How safe a write is when the call returns.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum underpin_level {
    /// It is in this process only, and lost with it.
    UNDERPIN_LEVEL_BUFFERED = 0,
    /// The operating system has it: survives the end of the process, not a loss of power.
    UNDERPIN_LEVEL_OS = 1,
    /// The device was told to keep it: survives a loss of power.
    UNDERPIN_LEVEL_DATA = 2,
    /// Survives a loss of power also where the device's cache lies (on macOS dearer than the level before).
    UNDERPIN_LEVEL_FULL = 3,
}

fn level_of(number: u32) -> Result<WriteLevel, Failure> {
    match number {
        0 => Ok(WriteLevel::Buffered),
        1 => Ok(WriteLevel::Os),
        2 => Ok(WriteLevel::Data),
        3 => Ok(WriteLevel::Full),
        _ => Err(Failure::invalid(&format!(
            "level: there is no level {number}"
        ))),
    }
}

/// Opens the database in `directory`, a NUL-terminated path (UTF-8 on Windows), making it if there is none, and stores
/// the handle in `*db`. `level` (an `underpin_level`) says how safe each later write is when it returns.
///
/// # Safety
/// `directory` is a NUL-terminated string or null; `db` is writable or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_open(
    directory: *const c_char,
    level: u32,
    db: *mut *mut underpin_db,
) -> underpin_status {
    guard(|| {
        if directory.is_null() {
            return Err(Failure::invalid("directory: a null pointer"));
        }
        if db.is_null() {
            return Err(Failure::invalid("db: a null pointer"));
        }
        // SAFETY: `db` is writable by this function's contract; a plain write reads nothing of what was there.
        unsafe { db.write(ptr::null_mut()) };
        // SAFETY: a NUL-terminated string by this function's contract.
        let directory = path_from_bytes(unsafe { CStr::from_ptr(directory) }.to_bytes())
            .ok_or_else(|| Failure::invalid("directory: not UTF-8"))?;
        let opened = OpenOptions::new().level(level_of(level)?).open(directory)?;
        // SAFETY: as above.
        unsafe { db.write(Box::into_raw(Box::new(underpin_db(opened)))) };
        Ok(UNDERPIN_OK)
    })
}

/// Makes everything durable, closes the database and frees the handle, also when it says that the first failed. Null is
/// allowed.
///
/// # Safety
/// `db` came from `underpin_db_open`, and no other call uses it now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_close(db: *mut underpin_db) -> underpin_status {
    guard(|| {
        if !db.is_null() {
            // SAFETY: I1; the caller gives the handle back.
            let db = unsafe { Box::from_raw(db) };
            db.0.close()?;
        }
        Ok(UNDERPIN_OK)
    })
}

/// Copies the value of the key into `*value`, to be freed with `underpin_bytes_free`; `UNDERPIN_NOT_FOUND` if there is none.
///
/// # Safety
/// `db` is open; `key` points to `key_len` bytes; `value` is writable or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_get(
    db: *const underpin_db,
    key: *const u8,
    key_len: usize,
    value: *mut underpin_bytes,
) -> underpin_status {
    guard(|| {
        if value.is_null() {
            return Err(Failure::invalid("value: a null pointer"));
        }
        // SAFETY: writable by this function's contract; a plain write reads nothing of what was there.
        unsafe { value.write(underpin_bytes::EMPTY) };
        // SAFETY: this function's contract.
        let (db, key) = unsafe { (handle(db, "db")?, slice(key, key_len, "key")?) };
        let Some(found) = db.0.get(key)? else {
            return Ok(UNDERPIN_NOT_FOUND);
        };
        // SAFETY: as above.
        unsafe { value.write(underpin_bytes::new(found)) };
        Ok(UNDERPIN_OK)
    })
}

/// Gives the key the value.
///
/// # Safety
/// `db` is open; `key` and `value` point to as many bytes as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_put(
    db: *const underpin_db,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let (db, key, value) = unsafe {
            (
                handle(db, "db")?,
                slice(key, key_len, "key")?,
                slice(value, value_len, "value")?,
            )
        };
        done(db.0.put(key, value))
    })
}

/// Removes the key, if it is there.
///
/// # Safety
/// `db` is open; `key` points to `key_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_remove(
    db: *const underpin_db,
    key: *const u8,
    key_len: usize,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let (db, key) = unsafe { (handle(db, "db")?, slice(key, key_len, "key")?) };
        done(db.0.remove(key))
    })
}

/// Applies all writes of the batch, or none. The batch can be applied again or cleared.
///
/// # Safety
/// `db` is open; no other thread changes `batch` meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_write(
    db: *const underpin_db,
    batch: *const underpin_batch,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let (db, batch) = unsafe { (handle(db, "db")?, handle(batch, "batch")?) };
        done(db.0.write(&batch.0))
    })
}

/// Everything written before is at least as safe as `level` (an `underpin_level`) says once this returns.
///
/// # Safety
/// `db` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_sync(db: *const underpin_db, level: u32) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let db = unsafe { handle(db, "db")? };
        done(db.0.sync(level_of(level)?))
    })
}

/// Reads every file and checks every byte; `UNDERPIN_CORRUPT` names the first damage. `*entries`, unless null, is how many
/// entries of tables and writes in logs were checked.
///
/// # Safety
/// `db` is open; `entries` is writable or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn underpin_db_verify(
    db: *const underpin_db,
    entries: *mut u64,
) -> underpin_status {
    guard(|| {
        // SAFETY: this function's contract.
        let db = unsafe { handle(db, "db")? };
        let report = db.0.verify()?;
        if !entries.is_null() {
            // SAFETY: this function's contract.
            *unsafe { place(entries, "entries")? } = report.entries;
        }
        Ok(UNDERPIN_OK)
    })
}

fn done(result: io::Result<()>) -> Result<underpin_status, Failure> {
    result?;
    Ok(UNDERPIN_OK)
}
