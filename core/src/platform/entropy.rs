//! Random bytes.
#![allow(unsafe_code, reason = "a filled buffer is read as initialised")]

use crate::error::Result;
use core::mem::MaybeUninit;

/// A source of random bytes.
///
/// # Safety
/// When [`fill`](Self::fill) succeeds, every byte of the buffer is initialised.
pub unsafe trait Entropy {
    /// Fills the whole of `bytes` with random bytes fit for keys and hash seeds, or fails and promises
    /// nothing about the contents. Blocks only until the system's pool is seeded, early at boot.
    ///
    /// # Errors
    /// `Unsupported` where there is no source.
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()>;

    /// A random number.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    fn random_u64(&self) -> Result<u64> {
        let mut bytes = [MaybeUninit::uninit(); 8];
        self.fill(&mut bytes)?;
        // SAFETY: fill succeeded, so by the trait's contract all eight bytes are initialised.
        Ok(u64::from_le_bytes(
            bytes.map(|byte| unsafe { byte.assume_init() }),
        ))
    }
}
