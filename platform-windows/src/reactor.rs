//! Completions: not here yet. Making a ring is `Unsupported`.
#![forbid(unsafe_code)]

use crate::Windows;
use underpin_core::platform::absent::NoRing;
use underpin_core::platform::{Reactor, RingOptions};
use underpin_core::{Error, Operation, Result};

impl Reactor for Windows {
    type Ring = NoRing;

    fn ring(&self, _options: &RingOptions) -> Result<NoRing> {
        Err(Error::unsupported(Operation::Ring))
    }
}
