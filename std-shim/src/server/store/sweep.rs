//! Finds values whose time has come, a bounded stretch of the keyspace at a time.
//!
//! A [`walk`] goes over the keys in order, and the next one goes on behind it, from the end anew. A whole round that met no value with an
//! expiry puts the sweep to sleep; a write with an expiry wakes it. A new server sweeps at least one round.
//!
//! A walk reads values whole, however long they are, so it runs beside the event loop, which hands it where to begin and later takes what
//! it found by way of [`Sweeps`]. What was written meanwhile is looked at again before it is removed.
#![forbid(unsafe_code)]

use super::{Result, Value};
use core::ops::Bound;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use underpin_core::db::Db;
use underpin_core::platform::{ClockId, Files};

/// Expired keys that one walk finds: the loop removes them in one go.
const FOUND_MAX: usize = 256;
/// Bytes of keys and values that one walk reads past before it stops.
const WALK_BYTES: usize = 1 << 20;
/// Time that one walk takes, but for its last value.
const WALK_TIME: Duration = Duration::from_millis(1);

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

    /// The next walk begins where this one ended.
    pub(crate) fn advance(&mut self, last: Option<Box<[u8]>>, met: bool) {
        self.met |= met;
        self.position = last;
        if self.position.is_none() {
            self.awake = self.met;
            self.met = false;
        }
    }
}

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Keys whose time had come.
    pub(crate) expired: Vec<Box<[u8]>>,
    /// Whether a value expires at all.
    pub(crate) met: bool,
    /// The last key looked at; `None` if there are no more.
    pub(crate) last: Option<Box<[u8]>>,
    pub(crate) took: Duration,
}

impl Walked {
    /// Whether so much was found that there is likely to be more.
    pub(crate) fn found_much(&self) -> bool {
        self.expired.len() >= FOUND_MAX / 4
    }
}

/// Looks at the keys behind `after` for a while.
pub(crate) fn walk<P: Files>(
    platform: &P,
    db: &Db<P>,
    after: Option<&[u8]>,
    now_ms: u64,
) -> Result<Walked> {
    let start = platform.now(ClockId::Monotonic);
    let took = || {
        let now = platform.now(ClockId::Monotonic);
        Duration::from_nanos(now.as_ns().saturating_sub(start.as_ns()))
    };
    let (mut expired, mut met, mut bytes) = (Vec::new(), false, 0);
    let mut scan = db.scan(
        after.map_or(Bound::Unbounded, Bound::Excluded),
        Bound::Unbounded,
    )?;
    let mut last = None;
    while let Some((key, stored)) = scan.next()? {
        if let Some(value) = Value::decode(stored) {
            met |= value.expires_ms.is_some();
            if value.is_expired(now_ms) {
                expired.push(key.into());
            }
        }
        bytes += key.len() + stored.len();
        if expired.len() == FOUND_MAX || bytes >= WALK_BYTES || took() >= WALK_TIME {
            last = Some(key.into());
            break;
        }
    }
    Ok(Walked {
        expired,
        met,
        last,
        took: took(),
    })
}

/// What the loop and a walk beside it hand to each other.
#[derive(Debug, Default)]
pub(crate) struct Sweeps(Mutex<Stage>);

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// To begin behind this key, at this time of day.
    Wanted(Option<Box<[u8]>>, u64),
    Walking,
    Done(Result<Walked>),
}

impl Sweeps {
    fn replace(&self, wanted: impl FnOnce(&Stage) -> bool, by: Stage) -> Option<Stage> {
        // Nothing panics while it holds the lock, and any stage is a whole one.
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wanted(&stage).then(|| core::mem::replace(&mut *stage, by))
    }

    /// Has a walk begin behind `after`, unless one is under way. True if it is to be told to begin.
    pub(crate) fn want(&self, after: Option<&[u8]>, now_ms: u64) -> bool {
        let is_idle = |stage: &Stage| matches!(stage, Stage::Idle);
        self.replace(is_idle, Stage::Wanted(after.map(Into::into), now_ms))
            .is_some()
    }

    /// Walks, if that is wanted.
    pub(crate) fn walk<P: Files>(&self, platform: &P, db: &Db<P>) {
        let is_wanted = |stage: &Stage| matches!(stage, Stage::Wanted(..));
        if let Some(Stage::Wanted(after, now_ms)) = self.replace(is_wanted, Stage::Walking) {
            let walked = walk(platform, db, after.as_deref(), now_ms);
            self.replace(|_| true, Stage::Done(walked));
        }
    }

    /// Keeps walks from beginning.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized {
        self.0.lock().unwrap()
    }

    /// What a walk found, once.
    pub(crate) fn take(&self) -> Option<Result<Walked>> {
        match self.replace(|stage| matches!(stage, Stage::Done(_)), Stage::Idle) {
            Some(Stage::Done(walked)) => Some(walked),
            _ => None,
        }
    }
}
