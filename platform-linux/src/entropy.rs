//! Randomness from `getrandom`, which waits only until the kernel's pool is seeded.
#![allow(unsafe_code, reason = "a filled buffer is a promise")]

use crate::Linux;
use crate::platform::refused;
use core::mem::MaybeUninit;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use underpin_core::platform::{Caps, Entropy};
use underpin_core::{Operation, Result};

// SAFETY: the loop ends with `Ok` only when `rest` is empty, and each step shortens it by bytes that the kernel filled.
unsafe impl Entropy for Linux {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match getrandom(&mut *rest, GetRandomFlags::empty()) {
                Ok((filled, _)) => {
                    let count = filled.len();
                    rest = &mut rest[count..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(refused(Caps::ENTROPY, Operation::Entropy, errno)),
            }
        }
        Ok(())
    }
}
