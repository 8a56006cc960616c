//! The platform as a value.
#![allow(unsafe_code, reason = "calls libSystem")]

use underpin_core::platform::{Caps, Platform};

/// macOS. All its values are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macos;

/// Writes of a dying message that may be short before it is given up.
const FATAL_WRITES_MAX: usize = 16;

/// Says as much of `bytes` on standard error as it takes.
fn say(mut bytes: &[u8]) {
    for _ in 0..FATAL_WRITES_MAX {
        if bytes.is_empty() {
            return;
        }
        // SAFETY: the bytes are readable for their length.
        let written =
            unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        // A signal may have come first: try again, as often as the bound allows.
        bytes = &bytes[usize::try_from(written).unwrap_or(0).min(bytes.len())..];
    }
}

impl Platform for Macos {
    const NAME: &'static str = "macos";

    /// Nothing to probe: each call is in macOS 10.13 and later, and what a file system refuses is told by the call. What is
    /// newer (`symbol`) has a way around and shows in no bit.
    fn caps(&self) -> Caps {
        Caps::PROTECT
            | Caps::DECOMMIT_FAULTS
            | Caps::ENTROPY
            | Caps::THREAD_CPU_CLOCK
            | Caps::BOOT_CLOCK
            | Caps::REAL_CLOCK
            | Caps::THREADS
            | Caps::THREAD_NAMES
            | Caps::THREAD_SLOTS
            | Caps::FILES
            | Caps::PREALLOCATE
            | Caps::PUNCH
            | Caps::SYNC_DIRECTORY
            | Caps::SYNC_BARRIER
            | Caps::SYNC_FULL
            | Caps::HARD_LINKS
            | Caps::LOCKS
            | Caps::MAP
            | Caps::NET
            | Caps::REACTOR
    }

    fn fatal(&self, message: &str) -> ! {
        say(b"fatal: ");
        say(message.as_bytes());
        say(b"\n");
        // SAFETY: ends the process.
        unsafe { libc::abort() }
    }
}
