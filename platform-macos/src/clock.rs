//! Clocks, through `clock_gettime_nsec_np` and `clock_gettime`.
//!
//! # Quirks
//! - `CLOCK_UPTIME_RAW` is `mach_absolute_time` in nanoseconds: it stands still while the machine sleeps, and it
//!   is the clock that `os_sync` and pthread timeouts run on (clock_gettime(3)). So it is [`ClockId::Monotonic`].
//! - `CLOCK_MONOTONIC` here counts sleep, and follows the adjustments of the wall clock; `CLOCK_MONOTONIC_RAW` counts sleep and follows nothing
//!   (clock_gettime(3)). So the latter is [`ClockId::Boot`].
//! - `CLOCK_REALTIME` has a step of a microsecond. On arm64 the raw clocks step by 125/3 ns.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use libc::{c_int, clockid_t, timespec};
use underpin_core::platform::{Clock, ClockId, Instant};

unsafe extern "C" {
    /// Nanoseconds of a clock, 0 for one that is not there (clock_gettime(3)); `libc` does not declare it.
    safe fn clock_gettime_nsec_np(clock: clockid_t) -> u64;
}

const NS_PER_S: u64 = 1_000_000_000;

const fn system_id(id: ClockId) -> Option<clockid_t> {
    match id {
        ClockId::Monotonic => Some(libc::CLOCK_UPTIME_RAW),
        ClockId::Boot => Some(libc::CLOCK_MONOTONIC_RAW),
        ClockId::Real => Some(libc::CLOCK_REALTIME),
        ClockId::ThreadCpu => Some(libc::CLOCK_THREAD_CPUTIME_ID),
        _ => None,
    }
}

/// Calls `read`, which is `clock_gettime` or `clock_getres`. 0 if it fails and for times before the clock's zero.
fn timespec_ns(
    read: unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int,
    clock: clockid_t,
) -> u64 {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both functions store one timespec at the address, which is valid for it.
    if unsafe { read(clock, &raw mut time) } != 0 {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds)
}

/// The clock of every deadline.
pub(crate) fn monotonic() -> Instant {
    Instant::from_ns(clock_gettime_nsec_np(libc::CLOCK_UPTIME_RAW))
}

impl Clock for Macos {
    fn now(&self, id: ClockId) -> Instant {
        match (id, system_id(id)) {
            // The short call turns a time before 1970 into one far ahead.
            (ClockId::Real, Some(clock)) => {
                Instant::from_ns(timespec_ns(libc::clock_gettime, clock))
            }
            (_, Some(clock)) => Instant::from_ns(clock_gettime_nsec_np(clock)),
            (_, None) => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        system_id(id).map_or(0, |clock| timespec_ns(libc::clock_getres, clock).max(1))
    }
}
