//! Status codes, the last error of a thread, and the guard around every call.
#![allow(unsafe_code, reason = "exported names")]

use core::cell::RefCell;
use core::ffi::{CStr, c_char};
use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a call ended. The numbers are part of the interface and do not change.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum underpin_status {
    /// It did what was asked.
    UNDERPIN_OK = 0,
    /// There is no such key, or the range has no more keys.
    UNDERPIN_NOT_FOUND = 1,
    /// An argument is wrong: a null pointer, a key or value over its limit.
    UNDERPIN_INVALID = 2,
    /// The system refused or failed.
    UNDERPIN_IO = 3,
    /// A file is damaged. The damaged data is not returned.
    UNDERPIN_CORRUPT = 4,
    /// Another process, or another handle of this one, has the database open.
    UNDERPIN_BUSY = 5,
    /// A fault of the library itself.
    UNDERPIN_INTERNAL = 6,
}

pub(crate) use underpin_status::{
    UNDERPIN_BUSY, UNDERPIN_CORRUPT, UNDERPIN_INTERNAL, UNDERPIN_INVALID, UNDERPIN_IO,
    UNDERPIN_NOT_FOUND, UNDERPIN_OK,
};

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Why a call did not do what was asked.
pub(crate) struct Failure {
    status: underpin_status,
    message: String,
}

impl Failure {
    pub(crate) fn invalid(message: &str) -> Self {
        Self {
            status: UNDERPIN_INVALID,
            message: message.to_owned(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidData => UNDERPIN_CORRUPT,
            ErrorKind::InvalidInput => UNDERPIN_INVALID,
            ErrorKind::ResourceBusy => UNDERPIN_BUSY,
            _ => UNDERPIN_IO,
        };
        Self {
            status,
            message: error.to_string(),
        }
    }
}

/// Runs the body of an exported function: keeps the message of a failure for [`underpin_last_error`], and turns a panic
/// into `UNDERPIN_INTERNAL` (rule R1).
pub(crate) fn guard(body: impl FnOnce() -> Result<underpin_status, Failure>) -> underpin_status {
    // A panic leaves nothing half-done that a later call could see: the database's own locks and the caller's handles are
    // either untouched or refuse further writes.
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => return status,
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            status: UNDERPIN_INTERNAL,
            message: "a fault of the library itself".to_owned(),
        },
    };
    let message = CString::new(failure.message.replace('\0', " ")).unwrap_or_default();
    // A thread that is ending has no place for the message left; the status still tells.
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(message));
    failure.status
}

/// What the last failed call of this thread had to say, as one line; an empty string if none failed.
///
/// The text is valid until the next call of this thread fails.
#[unsafe(no_mangle)]
pub extern "C" fn underpin_last_error() -> *const c_char {
    const NONE: &CStr = c"";
    LAST.try_with(|last| {
        last.borrow()
            .as_ref()
            .map_or(NONE.as_ptr(), |text| text.as_ptr())
    })
    .unwrap_or(NONE.as_ptr())
}

/// The library's version, such as `0.1.0`.
#[unsafe(no_mangle)]
pub extern "C" fn underpin_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
