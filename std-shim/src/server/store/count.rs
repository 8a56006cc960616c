//! Counts the live keys of one moment in steps, so that nobody waits for it but who asked.
//!
//! The count walks a snapshot of the database, taken after it was asked for and before it is answered, so the answer was right at one
//! moment between. Keys that expire meanwhile count if their step came first, as they do in a walk without steps.
#![forbid(unsafe_code)]

use super::{Result, Size, Value};
use core::ops::Bound;
use underpin_core::db::{Db, Scan};
use underpin_core::platform::Files;

/// Keys of one step.
const STEP_KEYS: usize = 256;
/// Bytes of keys and values that one step reads past before it stops.
const STEP_BYTES: usize = 1 << 20;

/// A count that goes on. See the [module](self).
#[derive(Debug)]
pub(crate) struct Count<P: Files> {
    scan: Scan<P>,
    size: Size,
}

impl<P: Files> Count<P> {
    /// Begins with `db` as it is after so many changes.
    pub(crate) fn new(db: &Db<P>, changes: u64) -> Result<Self> {
        Ok(Self {
            scan: db.scan(Bound::Unbounded, Bound::Unbounded)?,
            size: Size {
                keys: 0,
                changes,
                until_ms: u64::MAX,
            },
        })
    }

    /// Counts some keys more; the whole count if there are none left.
    pub(crate) fn step(&mut self, now_ms: u64) -> Result<Option<Size>> {
        let mut bytes = 0;
        for _ in 0..STEP_KEYS {
            let Some((key, stored)) = self.scan.next()? else {
                return Ok(Some(self.size));
            };
            bytes += key.len() + stored.len();
            if let Some(value) = Value::decode(stored)
                && !value.is_expired(now_ms)
            {
                self.size.keys += 1;
                let expires_ms = value.expires_ms.unwrap_or(u64::MAX);
                self.size.until_ms = self.size.until_ms.min(expires_ms);
            }
            if bytes > STEP_BYTES {
                break;
            }
        }
        Ok(None)
    }
}
