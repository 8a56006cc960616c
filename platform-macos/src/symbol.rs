//! Functions of libSystem that older systems lack, looked up by name when first needed.
//!
//! Asking for the name is the probe: no version number is compared, and a binary that never finds the function
//! still starts.
#![allow(unsafe_code, reason = "asks the dynamic loader")]

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

/// A function that may not be there.
pub(crate) struct Symbol {
    name: &'static CStr,
    /// Null before the first look-up; [`ABSENT`] if there is no such function; else its address.
    address: AtomicPtr<c_void>,
}

/// An address that no function has.
const ABSENT: *mut c_void = ptr::without_provenance_mut(1);

impl Symbol {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The function's address. Threads that ask first at the same time all look it up and find the same.
    pub(crate) fn get(&self) -> Option<NonNull<c_void>> {
        let mut address = self.address.load(Ordering::Relaxed);
        if address.is_null() {
            // SAFETY: `name` is a C string; RTLD_DEFAULT searches the images that are loaded already.
            address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
            if address.is_null() {
                address = ABSENT;
            }
            self.address.store(address, Ordering::Relaxed);
        }
        if address == ABSENT {
            None
        } else {
            NonNull::new(address)
        }
    }
}
