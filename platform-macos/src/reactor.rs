//! No reactor yet: it comes with the runtime, over kqueue. [`Caps::REACTOR`](underpin_core::platform::Caps::REACTOR) is not set.
#![forbid(unsafe_code)]

use crate::Macos;
use underpin_core::error::{Error, Operation, Result};
use underpin_core::platform::absent::NoRing;
use underpin_core::platform::{Reactor, RingOptions};

impl Reactor for Macos {
    type Ring = NoRing;

    fn ring(&self, _options: &RingOptions) -> Result<NoRing> {
        Err(Error::unsupported(Operation::Ring))
    }
}
