//! Per-thread pointers in TLS slots, and one FLS callback that runs the hooks when a thread ends.
//!
//! Windows has slots without hooks (TLS) and slots with them (FLS), but an FLS callback learns
//! neither its slot nor may it be kept from running when the slot is freed. So values live in TLS,
//! and a single FLS slot serves as a marker: a thread that set any value also set the marker, and
//! the marker's callback, which Windows runs on the ending thread before its handle is signalled,
//! walks the table of hooks.
//!
//! # Invariants
//! - I1: the table is read and written under [`Table`]'s lock alone; no hook runs under it.
//! - I2: a TLS index that stands in the table is allocated.
//!
//! # Bounds
//! [`HOOKS_MAX`] slots with a hook; slots without one as Windows has TLS indexes, 1,088. [`ROUNDS`]
//! rounds of hooks a thread.
//!
//! # Not here
//! While the process is exiting its other threads are gone, perhaps with locks held, so no hook
//! runs then. A program that deletes the fiber on which a thread set its values runs the deleting
//! thread's hooks early; that thread then reads null and may set its slots again.
#![allow(unsafe_code, reason = "slots hold raw pointers")]

use crate::Windows;
use crate::handle::last_error;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};
use underpin_core::platform::{SlotHook, SlotKey, ThreadSlots};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::System::Threading::{
    AcquireSRWLockExclusive, FLS_OUT_OF_INDEXES, FlsAlloc, FlsFree, FlsGetValue, FlsSetValue,
    ReleaseSRWLockExclusive, SRWLOCK, SRWLOCK_INIT, TLS_OUT_OF_INDEXES, TlsAlloc, TlsFree,
    TlsGetValue, TlsSetValue,
};

/// Slots with a hook in one process.
const HOOKS_MAX: usize = 128;

/// How often a thread's hooks may set slots again before the values are dropped; one round is one
/// call of each hook.
const ROUNDS: usize = 4;

/// A slot's TLS index and hook.
type Entry = (u32, SlotHook);

/// The hooks of all slots of the process.
struct Table {
    lock: UnsafeCell<SRWLOCK>,
    entries: UnsafeCell<[Option<Entry>; HOOKS_MAX]>,
}

// SAFETY: the lock is made to be shared; the entries are used under it (I1).
unsafe impl Sync for Table {}

static TABLE: Table = Table {
    lock: UnsafeCell::new(SRWLOCK_INIT),
    entries: UnsafeCell::new([None; HOOKS_MAX]),
};

/// The FLS index of the marker; `FLS_OUT_OF_INDEXES` before the first slot is made. Never freed:
/// threads hold it.
static MARKER: AtomicU32 = AtomicU32::new(FLS_OUT_OF_INDEXES);

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    /// Whether the process is exiting: only the calling thread is left.
    safe fn RtlDllShutdownInProgress() -> u8;
}

impl Table {
    /// Runs `change` on the entries, alone.
    fn with<R>(&self, change: impl FnOnce(&mut [Option<Entry>; HOOKS_MAX]) -> R) -> R {
        // SAFETY: the lock lives in a static, so it never moves, and is not held by this thread:
        // `change` is always a few lines of this file that do not come back here.
        unsafe { AcquireSRWLockExclusive(self.lock.get()) };
        // SAFETY: I1.
        let result = change(unsafe { &mut *self.entries.get() });
        // SAFETY: acquired above, by this thread.
        unsafe { ReleaseSRWLockExclusive(self.lock.get()) };
        result
    }
}

// SAFETY: TLS slots are kept by thread; the hooks get what stood in them.
unsafe impl ThreadSlots for Windows {
    unsafe fn slot_create(&self, hook: Option<SlotHook>) -> Result<SlotKey> {
        ensure_marker()?;
        // SAFETY: takes nothing.
        let index = unsafe { TlsAlloc() };
        if index == TLS_OUT_OF_INDEXES {
            return Err(Error::new(Operation::Slot, Kind::Limit));
        }
        let recorded = hook.is_none_or(|hook| {
            TABLE.with(|entries| {
                let place = entries.iter_mut().find(|entry| entry.is_none());
                place.map(|entry| *entry = Some((index, hook))).is_some()
            })
        });
        if recorded {
            Ok(SlotKey::from_raw(index as usize))
        } else {
            // SAFETY: allocated above and known to nobody.
            unsafe { TlsFree(index) };
            Err(Error::new(Operation::Slot, Kind::Limit))
        }
    }

    #[inline]
    unsafe fn slot_get(&self, key: SlotKey) -> *mut u8 {
        // SAFETY: the caller's key is live, so its index is allocated.
        unsafe { TlsGetValue(key.as_raw() as u32) }.cast()
    }

    unsafe fn slot_set(&self, key: SlotKey, value: *mut u8) -> Result<()> {
        if !value.is_null() {
            mark_thread()?;
        }
        // SAFETY: the caller's key is live, so its index is allocated.
        if unsafe { TlsSetValue(key.as_raw() as u32, value.cast()) } == 0 {
            return Err(Error::new(Operation::Slot, Kind::OutOfMemory));
        }
        Ok(())
    }

    unsafe fn slot_delete(&self, key: SlotKey) {
        let index = key.as_raw() as u32;
        TABLE.with(|entries| {
            for entry in entries {
                if matches!(entry, Some((taken, _)) if *taken == index) {
                    *entry = None;
                }
            }
        });
        // SAFETY: the caller's key is live and not used again; I2 holds since the entry is gone.
        unsafe { TlsFree(index) };
    }
}

/// Makes the marker, once in the process.
fn ensure_marker() -> Result<()> {
    if MARKER.load(Ordering::Acquire) != FLS_OUT_OF_INDEXES {
        return Ok(());
    }
    // SAFETY: the callback lives as long as the code.
    let index = unsafe { FlsAlloc(Some(on_thread_end)) };
    if index == FLS_OUT_OF_INDEXES {
        return Err(Error::new(Operation::Slot, Kind::Limit));
    }
    let raced = MARKER.compare_exchange(
        FLS_OUT_OF_INDEXES,
        index,
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    if raced.is_err() {
        // SAFETY: allocated above, and no thread has set it, so no callback runs.
        unsafe { FlsFree(index) };
    }
    Ok(())
}

/// Sees to it that the callback runs when this thread ends.
fn mark_thread() -> Result<()> {
    let marker = MARKER.load(Ordering::Acquire);
    // SAFETY: a live key means that the marker was made, and it is never freed. The value is an
    // address that tells set from unset and is never read through.
    unsafe {
        if FlsGetValue(marker).is_null() && FlsSetValue(marker, (&raw const TABLE).cast()) == 0 {
            return Err(last_error(Operation::Slot));
        }
    }
    Ok(())
}

/// Runs the hooks of the values that the calling thread, which is ending, has set.
unsafe extern "system" fn on_thread_end(_marker: *const c_void) {
    if RtlDllShutdownInProgress() != 0 {
        return;
    }
    for _ in 0..ROUNDS {
        let mut ran = false;
        for position in 0..HOOKS_MAX {
            // One at a time, for hooks make and delete slots.
            let Some((index, hook)) = TABLE.with(|entries| entries[position]) else {
                continue;
            };
            // SAFETY: I2. Were the slot deleted at this very moment, its index would read as null
            // here, since freeing an index clears it on every thread, and this thread sets nothing
            // meanwhile.
            let value = unsafe { TlsGetValue(index) };
            if !value.is_null() {
                // SAFETY: as above.
                unsafe { TlsSetValue(index, core::ptr::null()) };
                ran = true;
                // SAFETY: the hook's slot may be given any value that a thread set.
                unsafe { hook(value.cast()) };
            }
        }
        if !ran {
            break;
        }
    }
}
