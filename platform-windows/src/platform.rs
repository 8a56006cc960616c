//! The platform as a whole: its name, what it can do, and how it stops.
#![allow(unsafe_code, reason = "system calls")]

use crate::Windows;
use underpin_core::platform::{Caps, Platform};
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::RaiseFailFastException;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

/// `STATUS_STACK_BUFFER_OVERRUN`, the exit code that Windows itself gives to a fast failure.
const FAIL_FAST_EXIT: u32 = 0xC000_0409;

impl Platform for Windows {
    const NAME: &'static str = "windows";

    /// Every Windows 10 has these, so nothing is probed. What depends on the file system (holes,
    /// preallocation, hard links, durable directories) is tried, and refused by those that lack it.
    fn caps(&self) -> Caps {
        Caps::PROTECT
            | Caps::DECOMMIT_FAULTS
            | Caps::ENTROPY
            | Caps::THREAD_CPU_CLOCK
            | Caps::REAL_CLOCK
            | Caps::THREADS
            | Caps::THREAD_NAMES
            | Caps::AFFINITY
            | Caps::THREAD_SLOTS
            | Caps::FILES
            | Caps::PREALLOCATE
            | Caps::PUNCH
            | Caps::SYNC_DIRECTORY
            | Caps::SYNC_FULL
            | Caps::HARD_LINKS
            | Caps::LOCKS
            | Caps::MAP
            | Caps::NET
            | Caps::REACTOR
    }

    fn fatal(&self, message: &str) -> ! {
        for part in [message.as_bytes(), b"\r\n"] {
            write_to_stderr(part);
        }
        loop {
            // SAFETY: null records mean "here"; it does not return on Windows.
            unsafe { RaiseFailFastException(core::ptr::null(), core::ptr::null(), 0) };
            // SAFETY: the pseudo handle is always valid.
            unsafe { TerminateProcess(GetCurrentProcess(), FAIL_FAST_EXIT) };
        }
    }
}

/// As much as standard error takes; there is nobody to tell if it takes nothing.
fn write_to_stderr(bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut written = 0;
    // SAFETY: the bytes are valid for `length`; a handle that is null or invalid makes the call
    // fail.
    unsafe {
        WriteFile(
            GetStdHandle(STD_ERROR_HANDLE),
            bytes.as_ptr(),
            length,
            &raw mut written,
            core::ptr::null_mut(),
        );
    }
}
