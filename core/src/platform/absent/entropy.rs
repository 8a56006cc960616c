//! No randomness.
#![allow(unsafe_code, reason = "implements an unsafe trait")]

use crate::error::{Error, Operation, Result};
use crate::platform::Entropy;
use core::mem::MaybeUninit;

/// A source of randomness that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEntropy;

// SAFETY: never succeeds, so it promises nothing.
unsafe impl Entropy for NoEntropy {
    fn fill(&self, _bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        Err(Error::unsupported(Operation::Entropy))
    }
}
