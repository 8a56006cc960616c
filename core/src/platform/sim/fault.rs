//! Faults: what goes wrong, how often, and on demand.
//!
//! Two kinds are kept apart. *Legal* behaviour is what the seam's contracts allow a healthy system to do: short reads
//! and writes, spurious wakes, delays. It is on by default, since code that cannot take it is wrong. *Faults* are
//! errors: off by default.
#![forbid(unsafe_code)]

use super::rng::Rng;
use crate::error::{Domain, Error, Kind, Operation};
use alloc::vec::Vec;

/// How often what happens, each in calls per million.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimFaults {
    /// Legal: a read returns fewer bytes than asked for. Default 20,000.
    pub short_read_ppm: u32,
    /// Legal: a write takes fewer bytes than given. Default 20,000.
    pub short_write_ppm: u32,
    /// Legal: a wait returns although nobody woke it. Default 10,000.
    pub spurious_wake_ppm: u32,
    /// Legal: a socket sends or receives fewer bytes than it could. Default 100,000.
    pub short_transfer_ppm: u32,
    /// A read fails with `Io`.
    pub read_error_ppm: u32,
    /// A write fails with `Io`, or `NoSpace`, after writing an unknown part.
    pub write_error_ppm: u32,
    /// A sync fails with `Io`: what it was to make durable is lost, and later syncs succeed without it.
    pub sync_error_ppm: u32,
    /// Opening fails with `TooManyHandles`.
    pub open_error_ppm: u32,
    /// A read first flips one stored bit of the range that it reads, for good.
    pub bit_rot_ppm: u32,
    /// A write reaches the medium at another offset of the same file; the cache shows it where it belongs.
    pub misdirected_write_ppm: u32,
    /// A commit of memory fails with `OutOfMemory`.
    pub commit_error_ppm: u32,
    /// Starting a thread fails with `Limit`.
    pub spawn_error_ppm: u32,
    /// A send or receive finds that the connection was reset.
    pub connection_reset_ppm: u32,
}

impl Default for SimFaults {
    fn default() -> Self {
        Self {
            short_read_ppm: 20_000,
            short_write_ppm: 20_000,
            spurious_wake_ppm: 10_000,
            short_transfer_ppm: 100_000,
            ..Self::none()
        }
    }
}

impl SimFaults {
    /// Nothing goes wrong, and nothing is short or spurious either.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            short_read_ppm: 0,
            short_write_ppm: 0,
            spurious_wake_ppm: 0,
            short_transfer_ppm: 0,
            read_error_ppm: 0,
            write_error_ppm: 0,
            sync_error_ppm: 0,
            open_error_ppm: 0,
            bit_rot_ppm: 0,
            misdirected_write_ppm: 0,
            commit_error_ppm: 0,
            spawn_error_ppm: 0,
            connection_reset_ppm: 0,
        }
    }

    /// Every legal behaviour half of the time, and no error.
    #[must_use]
    pub const fn legal_storm() -> Self {
        Self {
            short_read_ppm: 500_000,
            short_write_ppm: 500_000,
            spurious_wake_ppm: 500_000,
            short_transfer_ppm: 500_000,
            ..Self::none()
        }
    }

    /// The probability that a call of `operation` fails.
    fn error_ppm(&self, operation: Operation) -> u32 {
        match operation {
            Operation::ReadAt => self.read_error_ppm,
            Operation::WriteAt | Operation::Append => self.write_error_ppm,
            Operation::Sync | Operation::SyncDirectory | Operation::FlushMap => self.sync_error_ppm,
            Operation::Open => self.open_error_ppm,
            Operation::Commit => self.commit_error_ppm,
            Operation::Spawn => self.spawn_error_ppm,
            Operation::Send | Operation::Receive => self.connection_reset_ppm,
            _ => 0,
        }
    }
}

/// A failure that was ordered.
#[derive(Clone, Copy, Debug)]
struct Planned {
    operation: Operation,
    /// Calls until it strikes; 1 is the next.
    calls_left: u64,
    kind: Kind,
}

/// The faults of one machine and its dice for them.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) odds: SimFaults,
    planned: Vec<Planned>,
    pub(super) rng: Rng,
}

impl Faults {
    pub(super) fn new(odds: SimFaults, rng: Rng) -> Self {
        Self {
            odds,
            planned: Vec::new(),
            rng,
        }
    }

    pub(super) fn plan(&mut self, operation: Operation, nth: u64, kind: Kind) {
        self.planned.push(Planned {
            operation,
            calls_left: nth.max(1),
            kind,
        });
    }

    /// Whether this call of `operation` fails, and how.
    pub(super) fn strike(&mut self, operation: Operation) -> Option<Error> {
        let mut struck = None;
        self.planned.retain_mut(|planned| {
            if planned.operation != operation {
                return true;
            }
            planned.calls_left -= 1;
            if planned.calls_left == 0 {
                struck = Some(planned.kind);
            }
            planned.calls_left != 0
        });
        if struck.is_none() && self.rng.chance(self.odds.error_ppm(operation)) {
            struck = Some(match operation {
                Operation::Open => Kind::TooManyHandles,
                Operation::Commit => Kind::OutOfMemory,
                Operation::Spawn => Kind::Limit,
                Operation::Send | Operation::Receive => Kind::ConnectionReset,
                Operation::WriteAt | Operation::Append if self.rng.coin() => Kind::NoSpace,
                _ => Kind::Io,
            });
        }
        struck.map(|kind| Error::from_raw(operation, kind, Domain::Injected, 0))
    }

    /// How many of `count` bytes a transfer moves: at least 1 of them, if there are any.
    pub(super) fn shorten(&mut self, count: usize, ppm: u32) -> usize {
        if count > 1 && self.rng.chance(ppm) {
            1 + self.rng.index(count - 1)
        } else {
            count
        }
    }
}
