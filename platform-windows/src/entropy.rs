//! Random bytes from the system's preferred generator.
#![allow(unsafe_code, reason = "a system call fills the buffer")]

use crate::Windows;
use core::mem::MaybeUninit;
use underpin_core::platform::Entropy;
use underpin_core::{Domain, Error, Kind, Operation, Result};
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom,
};

/// The call takes a 32-bit length.
const CHUNK_BYTES_MAX: usize = 1 << 30;

// SAFETY: `Ok` is returned only when the system filled every chunk.
unsafe impl Entropy for Windows {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        for chunk in bytes.chunks_mut(CHUNK_BYTES_MAX) {
            // SAFETY: the call writes to `chunk` within its length, which fits 32 bits.
            let status = unsafe {
                BCryptGenRandom(
                    core::ptr::null_mut(),
                    chunk.as_mut_ptr().cast(),
                    chunk.len() as u32,
                    BCRYPT_USE_SYSTEM_PREFERRED_RNG,
                )
            };
            if status < 0 {
                return Err(Error::from_raw(
                    Operation::Entropy,
                    Kind::Io,
                    Domain::NtStatus,
                    status,
                ));
            }
        }
        Ok(())
    }
}
