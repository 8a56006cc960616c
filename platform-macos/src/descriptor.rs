//! An open descriptor that closes itself.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::error::{last, retry};
use libc::c_int;
use underpin_core::error::{Operation, Result};

/// An owned descriptor.
#[derive(Debug)]
pub(crate) struct OwnedDescriptor(c_int);

impl OwnedDescriptor {
    /// Takes what a call that makes descriptors returned: -1 if it failed.
    ///
    /// # Errors
    /// The call's own.
    ///
    /// # Safety
    /// A valid `raw` is open, and nobody else closes it.
    pub(crate) unsafe fn from_raw(operation: Operation, raw: c_int) -> Result<Self> {
        if raw == -1 {
            Err(last(operation))
        } else {
            Ok(Self(raw))
        }
    }

    /// The number; valid while the value lives.
    pub(crate) const fn raw(&self) -> c_int {
        self.0
    }

    /// Not inherited by programs that this process starts from now on.
    pub(crate) fn close_on_exec(&self, operation: Operation) -> Result<()> {
        // SAFETY: an open descriptor; the command takes a number.
        retry(operation, || unsafe {
            libc::fcntl(self.0, libc::F_SETFD, libc::FD_CLOEXEC)
        })
        .map(drop)
    }
}

impl Drop for OwnedDescriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}
