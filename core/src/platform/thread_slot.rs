//! One pointer per thread, and a hook that runs when a thread that set it ends.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use super::Platform;
use crate::error::Result;

/// Names a slot; made by [`ThreadSlots::slot_create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotKey(usize);

impl SlotKey {
    /// For implementors: a key with the system's number.
    #[must_use]
    pub const fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    /// For implementors: the system's number.
    #[must_use]
    pub const fn as_raw(self) -> usize {
        self.0
    }
}

/// Runs on a thread that ends, with the slot's last value.
pub type SlotHook = unsafe extern "C" fn(value: *mut u8);

/// Per-thread pointers.
///
/// # Safety
/// Implementors promise that a live slot reads, on each thread, null or what that thread set last, and that hooks get
/// nothing else.
pub unsafe trait ThreadSlots: Platform {
    /// Makes a slot that is null on every thread.
    ///
    /// When a thread ends whose value is not null, the value is set to null and `hook` runs with the old one,
    /// on that thread. If the hook sets the slot again, the hook runs again, at least 4 times in all; then
    /// the value is dropped. Hooks of several slots run in no particular order. The thread that ends
    /// the process may skip them.
    ///
    /// # Errors
    /// `Limit` when the system has no slot left.
    ///
    /// # Safety
    /// `hook` may be called with any non-null value that any thread set, until the slot is deleted and the
    /// threads that set it have ended; it must not unwind.
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey>;

    /// The calling thread's value; null if it set none.
    ///
    /// # Safety
    /// `key` is a live slot of this platform.
    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8;

    /// Sets the calling thread's value.
    ///
    /// # Errors
    /// `OutOfMemory`; the value is then as before.
    ///
    /// # Safety
    /// `key` is a live slot of this platform; `value` is null or one that the slot's hook may be given.
    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()>;

    /// Deletes the slot. Hooks do not run for values that threads still hold.
    ///
    /// # Safety
    /// `key` is a live slot and is not used again.
    unsafe fn slot_delete(&self, key: SlotKey);
}
