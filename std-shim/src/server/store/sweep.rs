//! Finds values whose time has come, a bounded stretch of the keyspace at a time.
//!
//! The sweep walks the keys in order and begins anew at the end. A whole round that met no value with an expiry puts it
//! to sleep; a write with an expiry wakes it. A new server sweeps at least one round.
#![forbid(unsafe_code)]

use super::{Result, Store};
use core::ops::ControlFlow;
use underpin_core::platform::Files;

/// Keys that one step looks at.
const STEP_KEYS: usize = 256;
/// Value bytes that one step reads past before it stops.
const STEP_BYTES: usize = 1 << 20;

/// Where the sweep is. See the [module](self).
#[derive(Debug)]
pub(crate) struct Sweep {
    awake: bool,
    /// The last key looked at; `None` at the start of a round.
    position: Option<Box<[u8]>>,
    /// Whether this round met a value that expires.
    met: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            awake: true,
            position: None,
            met: false,
        }
    }
}

impl Sweep {
    pub(crate) fn is_awake(&self) -> bool {
        self.awake
    }

    pub(crate) fn wake(&mut self) {
        self.awake = true;
        self.met = true;
    }

    pub(crate) fn position(&self) -> Option<&[u8]> {
        self.position.as_deref()
    }

    /// Looks at the next stretch and returns the keys whose time has come.
    pub(crate) fn step<P: Files>(&mut self, store: &Store<P>) -> Result<Vec<Box<[u8]>>> {
        let mut expired = Vec::new();
        let (mut seen, mut bytes) = (0, 0);
        let mut last: Option<Box<[u8]>> = None;
        let mut met = self.met;
        store.visit(self.position.as_deref(), &mut |key, value| {
            met |= value.expires_ms.is_some();
            if value.is_expired(store.now_ms()) {
                expired.push(key.into());
            }
            seen += 1;
            bytes += value.bytes.len();
            if seen < STEP_KEYS && bytes < STEP_BYTES {
                return ControlFlow::Continue(());
            }
            last = Some(key.into());
            ControlFlow::Break(())
        })?;
        self.met = met;
        self.position = last;
        if self.position.is_none() {
            self.awake = self.met;
            self.met = false;
        }
        Ok(expired)
    }
}
