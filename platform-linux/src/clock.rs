//! Clocks through the vDSO: reading the time is no system call where the kernel maps one.
#![forbid(unsafe_code)]

use crate::Linux;
use rustix::time::{ClockId as RawClockId, DynamicClockId, Timespec};
use underpin_core::platform::{Clock, ClockId, Instant};

/// A time as unsigned nanoseconds; times before the zero (a wall clock set to 1969) count as zero.
pub(crate) fn ns_from_timespec(time: &Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// The reverse. No `u64` of nanoseconds overflows a `timespec`.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_fallible_conversions,
    reason = "the fields' types differ between architectures"
)]
pub(crate) fn timespec_from_ns(ns: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: (ns % 1_000_000_000).try_into().unwrap_or(999_999_999),
    }
}

fn raw(id: ClockId) -> Option<RawClockId> {
    match id {
        ClockId::Monotonic => Some(RawClockId::Monotonic),
        ClockId::Real => Some(RawClockId::Realtime),
        ClockId::ThreadCpu => Some(RawClockId::ThreadCPUTime),
        ClockId::Boot => Some(RawClockId::Boottime),
        _ => None,
    }
}

/// Reads a clock; `None` for one that this kernel lacks.
#[inline]
fn read(id: RawClockId) -> Option<Timespec> {
    // Kernels before 2.6.39, and some sandboxes, lack the boot clock; the dynamic call reports it.
    if id == RawClockId::Boottime {
        return rustix::time::clock_gettime_dynamic(DynamicClockId::Boottime).ok();
    }
    Some(rustix::time::clock_gettime(id))
}

/// Whether this kernel has the clock.
pub(crate) fn exists(id: ClockId) -> bool {
    raw(id).and_then(read).is_some()
}

impl Clock for Linux {
    #[inline]
    fn now(&self, id: ClockId) -> Instant {
        match raw(id).map(|raw| (raw, read(raw))) {
            Some((_, Some(time))) => Instant::from_ns(ns_from_timespec(&time)),
            Some((RawClockId::Boottime, None)) => self.now(ClockId::Monotonic),
            _ => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        raw(id).map_or(0, |id| {
            ns_from_timespec(&rustix::time::clock_getres(id)).max(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_and_timespecs_convert_both_ways() {
        for ns in [0, 1, 999_999_999, 1_000_000_000, u64::MAX] {
            assert_eq!(ns_from_timespec(&timespec_from_ns(ns)), ns);
        }
        let before_1970 = Timespec {
            tv_sec: -5,
            tv_nsec: 7,
        };
        assert_eq!(ns_from_timespec(&before_1970), 7);
    }
}
