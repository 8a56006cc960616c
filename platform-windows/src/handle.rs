//! A handle of the system that closes itself, and the calling thread's last error.
#![allow(unsafe_code, reason = "handles are raw pointers to the system")]

use crate::error;
use core::mem::ManuallyDrop;
use underpin_core::{Error, Operation, Result};
use windows_sys::Win32::Foundation::{
    CloseHandle, DUPLICATE_SAME_ACCESS, DuplicateHandle, GetLastError, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// The code of the calling thread's last failed call. Ask at once: the next call overwrites it.
pub(crate) fn last_code() -> u32 {
    // SAFETY: reads a thread-local number.
    unsafe { GetLastError() }
}

/// The error of `operation` from [`last_code`].
pub(crate) fn last_error(operation: Operation) -> Error {
    error::from_code(operation, last_code())
}

/// `Ok` if `succeeded`, the `BOOL` of a Win32 call, is not zero, else its last error.
pub(crate) fn check(operation: Operation, succeeded: i32) -> Result<()> {
    if succeeded != 0 {
        Ok(())
    } else {
        Err(last_error(operation))
    }
}

/// An owned handle: neither null nor `INVALID_HANDLE_VALUE`.
#[derive(Debug)]
pub(crate) struct Handle(HANDLE);

// SAFETY: a handle is a number in the process's table; any thread may use it, several at once too.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// Takes what a call that makes handles returned; both null and `INVALID_HANDLE_VALUE` mean
    /// that it failed.
    ///
    /// # Safety
    /// A valid `raw` is open, and nobody else closes it.
    pub(crate) unsafe fn from_raw(operation: Operation, raw: HANDLE) -> Result<Self> {
        if raw.is_null() || raw == INVALID_HANDLE_VALUE {
            Err(last_error(operation))
        } else {
            Ok(Self(raw))
        }
    }

    /// The number for system calls; valid while `self` lives.
    pub(crate) const fn raw(&self) -> HANDLE {
        self.0
    }

    /// Closes and says how that went.
    pub(crate) fn close(self, operation: Operation) -> Result<()> {
        let handle = ManuallyDrop::new(self);
        // SAFETY: the handle is open and owned; `ManuallyDrop` keeps `drop` from closing it again.
        check(operation, unsafe { CloseHandle(handle.0) })
    }

    /// A second handle to the same open object.
    pub(crate) fn duplicate(&self, operation: Operation) -> Result<Self> {
        let mut copy = core::ptr::null_mut();
        // SAFETY: the handle is open; `copy` is a valid place for the new one, which is not
        // inherited.
        let succeeded = unsafe {
            let process = GetCurrentProcess();
            DuplicateHandle(
                process,
                self.0,
                process,
                &raw mut copy,
                0,
                0,
                DUPLICATE_SAME_ACCESS,
            )
        };
        check(operation, succeeded)?;
        // SAFETY: the call made it for us alone.
        unsafe { Self::from_raw(operation, copy) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and owned.
        unsafe { CloseHandle(self.0) };
    }
}
