//! A pointer per thread: the C library's keys if the process has one.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use crate::Linux;
use crate::error::error_as;
use crate::pthread;
use rustix::io::Errno;
use underpin_core::platform::{SlotHook, SlotKey, ThreadSlots};
use underpin_core::{Error, Kind, Operation, Result};

/// Whether slots work.
pub(crate) fn available() -> bool {
    pthread::key_calls().is_some()
}

const OP: Operation = Operation::Slot;

/// The C library's number in a key; `slot_create` made it from one.
fn number(key: SlotKey) -> u32 {
    key.as_raw() as u32
}

impl ThreadSlots for Linux {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        let calls = pthread::key_calls().ok_or(Error::unsupported(OP))?;
        let mut key = 0;
        // SAFETY: the caller vouches for the hook.
        match unsafe { (calls.create)(&raw mut key, hook) } {
            0 => Ok(SlotKey::from_raw(key as usize)),
            code => {
                let errno = Errno::from_raw_os_error(code);
                let kind = if errno == Errno::AGAIN {
                    Kind::Limit
                } else {
                    Kind::OutOfMemory
                };
                Err(error_as(OP, kind, errno))
            }
        }
    }

    #[inline]
    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        match pthread::key_calls() {
            // SAFETY: the caller vouches for the key.
            Some(calls) => unsafe { (calls.get)(number(key)) },
            None => core::ptr::null_mut(),
        }
    }

    #[inline]
    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        let calls = pthread::key_calls().ok_or(Error::unsupported(OP))?;
        // SAFETY: the caller vouches for key and value.
        match unsafe { (calls.set)(number(key), value) } {
            0 => Ok(()),
            code => Err(error_as(
                OP,
                Kind::OutOfMemory,
                Errno::from_raw_os_error(code),
            )),
        }
    }

    unsafe fn slot_delete(&self, key: SlotKey) {
        if let Some(calls) = pthread::key_calls() {
            // SAFETY: the caller vouches for the key and uses it no more.
            unsafe { (calls.delete)(number(key)) };
        }
    }
}
