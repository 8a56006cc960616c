//! Per-thread pointers: pthread keys.
//!
//! # Quirks
//! - A process has 512 keys, some of them the system's own (`PTHREAD_KEYS_MAX`, `limits.h`).
//! - Hooks run at most four times a thread (`PTHREAD_DESTRUCTOR_ITERATIONS`), which is just what the contract wants. Rust's own
//!   thread-local values are dropped from such a hook too, in no particular order with ours.
//! - The main thread's hooks do not run when it returns from `main`, which exits the process.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::error::coded;
use core::ffi::c_void;
use core::mem;
use libc::pthread_key_t;
use underpin_core::error::{Domain, Error, Kind, Operation, Result};
use underpin_core::platform::{SlotHook, SlotKey, ThreadSlots};

const fn system_key(key: SlotKey) -> pthread_key_t {
    key.as_raw() as pthread_key_t
}

// SAFETY: what pthread keys promise (POSIX).
unsafe impl ThreadSlots for Macos {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        let mut key: pthread_key_t = 0;
        // SAFETY: the two types differ only in what the one pointer argument points to.
        let hook = hook.map(|hook| unsafe {
            mem::transmute::<SlotHook, unsafe extern "C" fn(*mut c_void)>(hook)
        });
        // SAFETY: stores the key; the caller allows the hook's calls.
        match unsafe { libc::pthread_key_create(&raw mut key, hook) } {
            0 => Ok(SlotKey::from_raw(key as usize)),
            code @ libc::EAGAIN => Err(Error::from_raw(
                Operation::Slot,
                Kind::Limit,
                Domain::Errno,
                code,
            )),
            code => Err(coded(Operation::Slot, code)),
        }
    }

    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        // SAFETY: the caller says that the key is live.
        unsafe { libc::pthread_getspecific(system_key(key)) }.cast()
    }

    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        // SAFETY: the caller says that the key is live and the value one for its hook.
        match unsafe { libc::pthread_setspecific(system_key(key), value.cast()) } {
            0 => Ok(()),
            code => Err(coded(Operation::Slot, code)),
        }
    }

    unsafe fn slot_delete(&self, key: SlotKey) {
        // SAFETY: the caller says that the key is live and not used again.
        unsafe { libc::pthread_key_delete(system_key(key)) };
    }
}
