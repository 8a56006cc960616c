//! Advisory locks out of mandatory ones: `LockFileEx` on one byte far past any data.
//!
//! A locked range refuses reads and writes through other handles, so it must lie where nobody reads
//! or writes. The lock belongs to the handle as the seam wants it, but a second one by the same
//! handle would conflict with the first; so each file remembers what it holds and a new kind
//! replaces the old one, as `flock` does.
//!
//! Executed under wine, which does not hold readers and writers off a locked range: that the byte
//! is out of their way was not seen at work.
#![allow(unsafe_code, reason = "system calls")]

use super::{Handle, overlapped_at};
use crate::error::{self, code};
use crate::handle::last_code;
use core::sync::atomic::{AtomicU8, Ordering};
use underpin_core::platform::LockKind;
use underpin_core::{Kind, Operation, Result};
use windows_sys::Win32::Storage::FileSystem::{
    LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
};
use windows_sys::Win32::System::Threading::SwitchToThread;

/// Where the locked byte is: 4 EiB, past the largest file of any file system of Windows, and
/// positive as a signed number.
const LOCK_OFFSET: u64 = 1 << 62;

const NONE: u8 = 0;
const SHARED: u8 = 1;
const EXCLUSIVE: u8 = 2;
/// A thread is about to change it. None of the calls in between waits for anything.
const CHANGING: u8 = 3;

/// Which lock a handle holds.
#[derive(Debug)]
pub(super) struct Held(AtomicU8);

impl Held {
    /// Nothing.
    pub(super) const fn nothing() -> Self {
        Self(AtomicU8::new(NONE))
    }

    /// Takes a lock of `kind` in place of the one that is held.
    pub(super) fn take(&self, handle: &Handle, kind: LockKind) -> Result<()> {
        let wanted = match kind {
            LockKind::Shared => SHARED,
            LockKind::Exclusive => EXCLUSIVE,
        };
        let held = self.begin();
        let outcome = if held == wanted {
            Ok(())
        } else {
            replace(handle, held, wanted)
        };
        // A replacement that failed gives the old lock back, unless another handle was faster.
        let now = match outcome {
            Ok(()) => wanted,
            Err(_) if held != NONE && acquire(handle, held).is_ok() => held,
            Err(_) => NONE,
        };
        self.end(now);
        outcome
    }

    /// Gives the lock back, if one is held.
    pub(super) fn release(&self, handle: &Handle) -> Result<()> {
        let held = self.begin();
        let outcome = if held == NONE {
            Ok(())
        } else {
            give_back(handle)
        };
        self.end(if outcome.is_ok() { NONE } else { held });
        outcome
    }

    /// What is held, with the right to change it.
    fn begin(&self) -> u8 {
        loop {
            match self.0.swap(CHANGING, Ordering::Acquire) {
                // SAFETY: takes nothing.
                CHANGING => unsafe {
                    SwitchToThread();
                },
                held => return held,
            }
        }
    }

    fn end(&self, held: u8) {
        self.0.store(held, Ordering::Release);
    }
}

fn replace(handle: &Handle, held: u8, wanted: u8) -> Result<()> {
    if held != NONE {
        give_back(handle)?;
    }
    acquire(handle, wanted)
}

fn acquire(handle: &Handle, wanted: u8) -> Result<()> {
    let flags = LOCKFILE_FAIL_IMMEDIATELY
        | if wanted == EXCLUSIVE {
            LOCKFILE_EXCLUSIVE_LOCK
        } else {
            0
        };
    let mut position = overlapped_at(LOCK_OFFSET);
    // SAFETY: the handle is open and synchronous, so the call is over when it returns.
    if unsafe { LockFileEx(handle.raw(), flags, 0, 1, 0, &raw mut position) } != 0 {
        return Ok(());
    }
    match last_code() {
        // Which of the two says "somebody has it" depends on how the handle was opened.
        raw @ (code::LOCK_VIOLATION | code::IO_PENDING) => {
            Err(error::with_kind(Operation::Lock, Kind::Busy, raw))
        }
        raw => Err(error::from_code(Operation::Lock, raw)),
    }
}

fn give_back(handle: &Handle) -> Result<()> {
    let mut position = overlapped_at(LOCK_OFFSET);
    // SAFETY: as in `acquire`.
    if unsafe { UnlockFileEx(handle.raw(), 0, 1, 0, &raw mut position) } != 0 {
        return Ok(());
    }
    match last_code() {
        code::NOT_LOCKED => Ok(()),
        raw => Err(error::from_code(Operation::Unlock, raw)),
    }
}
