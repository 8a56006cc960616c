//! Clocks. The performance counter is monotonic across processors and counts sleep, so it is the
//! boot clock too.
#![allow(unsafe_code, reason = "system calls fill in numbers")]

use crate::Windows;
use core::sync::atomic::{AtomicU64, Ordering};
use underpin_core::platform::{Clock, ClockId, Instant};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemTimeAdjustment, GetSystemTimePreciseAsFileTime,
};
use windows_sys::Win32::System::Threading::{GetCurrentThread, GetThreadTimes};

const NS_PER_S: u64 = 1_000_000_000;

/// A `FILETIME` counts in units of 100 ns.
const FILETIME_NS: u64 = 100;

/// From 1601-01-01, where `FILETIME` starts, to 1970-01-01, in its units: 369 years with 89 leap
/// days.
const FILETIME_OF_1970: u64 = (369 * 365 + 89) * 86_400 * 10_000_000;

impl Clock for Windows {
    fn now(&self, id: ClockId) -> Instant {
        match id {
            ClockId::Monotonic | ClockId::Boot => monotonic(),
            ClockId::Real => {
                let mut time = FILETIME::default();
                // SAFETY: fills in `time`.
                unsafe { GetSystemTimePreciseAsFileTime(&raw mut time) };
                Instant::from_ns(unix_ns(ticks_of(time)))
            }
            ClockId::ThreadCpu => thread_cpu().unwrap_or(Instant::ZERO),
            _ => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        match id {
            ClockId::Monotonic | ClockId::Boot => (NS_PER_S / counter_hz()).max(1),
            ClockId::Real => FILETIME_NS,
            // Threads are charged a whole tick at a time.
            ClockId::ThreadCpu => tick_ns(),
            _ => 0,
        }
    }
}

/// The performance counter in nanoseconds.
pub(crate) fn monotonic() -> Instant {
    let mut count = 0_i64;
    // SAFETY: fills in `count`; since Windows XP it cannot fail.
    unsafe { QueryPerformanceCounter(&raw mut count) };
    Instant::from_ns(counter_ns(count.cast_unsigned(), counter_hz()))
}

/// `count` ticks of `hz` a second in nanoseconds, without overflow on the way.
const fn counter_ns(count: u64, hz: u64) -> u64 {
    // The remainder is below `hz`, which is at most a few GHz, so the product fits.
    (count / hz)
        .saturating_mul(NS_PER_S)
        .saturating_add((count % hz).saturating_mul(NS_PER_S) / hz)
}

/// Ticks of the performance counter a second; the same from boot to boot end, so it is asked once.
fn counter_hz() -> u64 {
    static HZ: AtomicU64 = AtomicU64::new(0);
    match HZ.load(Ordering::Relaxed) {
        0 => {
            let mut hz = 0_i64;
            // SAFETY: fills in `hz`; since Windows XP it cannot fail.
            unsafe { QueryPerformanceFrequency(&raw mut hz) };
            let hz = hz.cast_unsigned().max(1);
            HZ.store(hz, Ordering::Relaxed);
            hz
        }
        hz => hz,
    }
}

/// The scheduler's tick in nanoseconds.
fn tick_ns() -> u64 {
    let (mut adjustment, mut increment, mut disabled) = (0, 0, 0);
    // SAFETY: fills in the three numbers.
    let succeeded = unsafe {
        GetSystemTimeAdjustment(&raw mut adjustment, &raw mut increment, &raw mut disabled)
    };
    if succeeded == 0 || increment == 0 {
        // The usual 64 Hz.
        NS_PER_S / 64
    } else {
        u64::from(increment) * FILETIME_NS
    }
}

/// User and kernel time of the calling thread.
fn thread_cpu() -> Option<Instant> {
    let mut times = [FILETIME::default(); 4];
    let [made, ended, kernel, user] = &mut times;
    // SAFETY: the pseudo handle of the calling thread is always valid; the call fills in the four
    // times.
    let succeeded = unsafe { GetThreadTimes(GetCurrentThread(), made, ended, kernel, user) };
    (succeeded != 0).then(|| {
        let ticks = ticks_of(times[2]).saturating_add(ticks_of(times[3]));
        Instant::from_ns(ticks.saturating_mul(FILETIME_NS))
    })
}

/// The number that a `FILETIME` holds in two halves.
pub(crate) const fn ticks_of(time: FILETIME) -> u64 {
    (time.dwHighDateTime as u64) << 32 | time.dwLowDateTime as u64
}

/// Nanoseconds since 1970 of a `FILETIME`'s number; 0 for times before.
pub(crate) const fn unix_ns(ticks: u64) -> u64 {
    ticks
        .saturating_sub(FILETIME_OF_1970)
        .saturating_mul(FILETIME_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_any_frequency_become_nanoseconds() {
        assert_eq!(counter_ns(10_000_000, 10_000_000), NS_PER_S);
        assert_eq!(counter_ns(1, 10_000_000), 100);
        assert_eq!(counter_ns(3, 3), NS_PER_S);
        assert_eq!(counter_ns(2, 3), 666_666_666);
        assert_eq!(counter_ns(u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn file_times_count_from_1601() {
        assert_eq!(FILETIME_OF_1970, 116_444_736_000_000_000);
        assert_eq!(unix_ns(0), 0);
        assert_eq!(unix_ns(FILETIME_OF_1970 + 1), 100);
        assert_eq!(unix_ns(u64::MAX), u64::MAX, "the year 60056 saturates");
    }
}
