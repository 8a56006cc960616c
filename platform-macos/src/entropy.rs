//! Random bytes from `getentropy`.
//!
//! # Quirks
//! `getentropy` gives at most 256 bytes a call and fails with `EIO` for more (getentropy(2)); it never blocks here, the
//! kernel's pool is seeded before the first process starts.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::error::check;
use core::mem::MaybeUninit;
use underpin_core::error::{Operation, Result};
use underpin_core::platform::Entropy;

/// What one call gives at most.
const CALL_BYTES_MAX: usize = 256;

// SAFETY: the chunks cover the buffer, and each call that succeeded initialised the whole of its chunk.
unsafe impl Entropy for Macos {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        for chunk in bytes.chunks_mut(CALL_BYTES_MAX) {
            // SAFETY: the chunk is writable for its length.
            let result = unsafe { libc::getentropy(chunk.as_mut_ptr().cast(), chunk.len()) };
            check(Operation::Entropy, result)?;
        }
        Ok(())
    }
}
