//! A pointer per thread: the C library's keys if the process has one, else a table of our own.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use crate::Linux;
use crate::error::error_as;
use crate::pthread::{self, KeyCalls};
use crate::{raw_thread, slot_table};
use rustix::io::Errno;
use underpin_core::platform::{SlotHook, SlotKey, ThreadSlots};
use underpin_core::{Error, Kind, Operation, Result};

const OP: Operation = Operation::Slot;

/// Who keeps the pointers. The same for the whole life of the process.
enum Keeper {
    Pthread(KeyCalls),
    Table,
    /// A C library that lacks the functions, in a statically linked program: its threads' ends cannot be seen.
    Nobody,
}

#[inline]
fn keeper() -> Keeper {
    match pthread::key_calls() {
        Some(calls) => Keeper::Pthread(calls),
        None if !pthread::owns_threads() && raw_thread::SUPPORTED => Keeper::Table,
        None => Keeper::Nobody,
    }
}

/// Whether slots work.
pub(crate) fn available() -> bool {
    !matches!(keeper(), Keeper::Nobody)
}

/// The number in a key, which `slot_create` made from 32 bits.
fn number(key: SlotKey) -> u32 {
    key.as_raw() as u32
}

// SAFETY: the C library's keys promise this (POSIX), and the table's cells are kept by thread and slot (its I1 and I3).
unsafe impl ThreadSlots for Linux {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        let key = match keeper() {
            Keeper::Pthread(calls) => {
                let mut key = 0;
                // SAFETY: the caller vouches for the hook.
                let code = unsafe { (calls.create)(&raw mut key, hook) };
                if code != 0 {
                    let errno = Errno::from_raw_os_error(code);
                    let kind = if errno == Errno::AGAIN {
                        Kind::Limit
                    } else {
                        Kind::OutOfMemory
                    };
                    return Err(error_as(OP, kind, errno));
                }
                key
            }
            Keeper::Table => slot_table::create(hook).ok_or(Error::new(OP, Kind::Limit))?,
            Keeper::Nobody => return Err(Error::unsupported(OP)),
        };
        Ok(SlotKey::from_raw(key as usize))
    }

    #[inline]
    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        // A live key was made by one keeper or the other, so the presence of the function tells which.
        match pthread::key_get() {
            // SAFETY: the caller vouches for the key.
            Some(get) => unsafe { get(number(key)) },
            None => slot_table::get(number(key)),
        }
    }

    #[inline]
    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        match keeper() {
            Keeper::Pthread(calls) => {
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
            Keeper::Table if slot_table::set(number(key), value) => Ok(()),
            Keeper::Table => Err(Error::new(OP, Kind::OutOfMemory)),
            Keeper::Nobody => Err(Error::unsupported(OP)),
        }
    }

    unsafe fn slot_delete(&self, key: SlotKey) {
        match keeper() {
            Keeper::Pthread(calls) => {
                // SAFETY: the caller vouches for the key and uses it no more.
                unsafe { (calls.delete)(number(key)) };
            }
            Keeper::Table => slot_table::delete(number(key)),
            Keeper::Nobody => {}
        }
    }
}
