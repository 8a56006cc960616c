//! Waiting on a word: `os_sync_wait_on_address` where the system has it (macOS 14.4), else a table of our own
//! over pthread mutexes and condition variables.
//!
//! # Quirks
//! - `os_sync` compares the word itself but reports a mismatch as success, like a wake (`os/os_sync_wait_on_address.h`), so
//!   [`Woken::Changed`] comes only from the look before the call.
//! - `EFAULT` means that the word's page was not resident just then, `EINTR` a signal; both are spurious
//!   wakes (same header). A timeout of 0 is `EINVAL`.
//! - The unit of `_with_deadline` is the clock's tick, of `_with_timeout` the nanosecond. The latter is used, with the deadline
//!   checked again after each timeout, so that no rounding makes one early.
//! - `pthread_cond_timedwait_relative_np` and the kernel's own arithmetic go wrong for spans of many centuries;
//!   a long wait is cut into slices.
//! - The system's older `__ulock_wait` is no public interface and is not used.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::clock;
use crate::error::last_errno;
use crate::symbol::Symbol;
use crate::wait_table::{Monitor, WaitTable};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use libc::{c_int, pthread_cond_t, pthread_mutex_t, size_t, timespec};
use underpin_core::platform::{Instant, Park, Woken};

/// One wait at most; then the deadline is looked at again.
const SLICE_MAX: Duration = Duration::from_secs(3600);

type WaitFn = unsafe extern "C" fn(*mut c_void, u64, size_t, u32) -> c_int;
type WaitTimeoutFn = unsafe extern "C" fn(*mut c_void, u64, size_t, u32, u32, u64) -> c_int;
type WakeFn = unsafe extern "C" fn(*mut c_void, size_t, u32) -> c_int;

static WAIT: Symbol = Symbol::new(c"os_sync_wait_on_address");
static WAIT_TIMEOUT: Symbol = Symbol::new(c"os_sync_wait_on_address_with_timeout");
static WAKE_ANY: Symbol = Symbol::new(c"os_sync_wake_by_address_any");
static WAKE_ALL: Symbol = Symbol::new(c"os_sync_wake_by_address_all");

/// The system's calls; all or none, so that waiters and wakers always meet.
#[derive(Clone, Copy)]
struct OsSync {
    wait: WaitFn,
    wait_timeout: WaitTimeoutFn,
    wake_any: WakeFn,
    wake_all: WakeFn,
}

impl OsSync {
    fn get() -> Option<Self> {
        let (wait, wait_timeout) = (WAIT.get()?, WAIT_TIMEOUT.get()?);
        let (wake_any, wake_all) = (WAKE_ANY.get()?, WAKE_ALL.get()?);
        // SAFETY: the addresses are those of the functions of these names, declared so in `os/os_sync_wait_on_address.h`;
        // `libc` declares them alike.
        unsafe {
            Some(Self {
                wait: mem::transmute::<NonNull<c_void>, WaitFn>(wait),
                wait_timeout: mem::transmute::<NonNull<c_void>, WaitTimeoutFn>(wait_timeout),
                wake_any: mem::transmute::<NonNull<c_void>, WakeFn>(wake_any),
                wake_all: mem::transmute::<NonNull<c_void>, WakeFn>(wake_all),
            })
        }
    }

    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        let address = word.as_ptr().cast::<c_void>();
        loop {
            // SAFETY: the address is that of a live, aligned word of four bytes; the system only reads it.
            let result = unsafe {
                match until {
                    None => (self.wait)(
                        address,
                        u64::from(expected),
                        size_of::<u32>(),
                        libc::OS_SYNC_WAIT_ON_ADDRESS_NONE,
                    ),
                    Some(until) => {
                        let left = until.saturating_duration_since(clock::monotonic());
                        if left.is_zero() {
                            return Woken::TimedOut;
                        }
                        (self.wait_timeout)(
                            address,
                            u64::from(expected),
                            size_of::<u32>(),
                            libc::OS_SYNC_WAIT_ON_ADDRESS_NONE,
                            libc::OS_CLOCK_MACH_ABSOLUTE_TIME,
                            // A slice fits.
                            left.min(SLICE_MAX).as_nanos() as u64,
                        )
                    }
                }
            };
            if result >= 0 || last_errno() != libc::ETIMEDOUT {
                return Woken::Woken;
            }
        }
    }

    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        let address = word.cast_mut().cast::<c_void>();
        let flags = libc::OS_SYNC_WAKE_BY_ADDRESS_NONE;
        if count == u32::MAX {
            // SAFETY: the address is a name only. The system does not say how many it woke.
            unsafe { (self.wake_all)(address, size_of::<u32>(), flags) };
            return 0;
        }
        let mut woken = 0;
        // SAFETY: the address is a name only.
        while woken < count && unsafe { (self.wake_any)(address, size_of::<u32>(), flags) } == 0 {
            woken += 1;
        }
        woken
    }
}

/// A pthread mutex in static memory.
struct PthreadMonitor(UnsafeCell<pthread_mutex_t>);

// SAFETY: a pthread mutex is made to be used from several threads.
unsafe impl Sync for PthreadMonitor {}

/// A pthread condition variable that is given back when its waiter is done.
struct PthreadCondition(UnsafeCell<pthread_cond_t>);

impl Drop for PthreadCondition {
    fn drop(&mut self) {
        // SAFETY: nobody waits on it or signals it any more (I3 of the table).
        unsafe { libc::pthread_cond_destroy(self.0.get()) };
    }
}

// SAFETY: these are the promises of pthread mutexes and condition variables.
unsafe impl Monitor for PthreadMonitor {
    const NEW: Self = Self(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
    type Condition = PthreadCondition;

    fn enter(&self) {
        // SAFETY: an initialised mutex at its place; it fails only for a damaged one.
        let result = unsafe { libc::pthread_mutex_lock(self.0.get()) };
        debug_assert_eq!(result, 0);
    }

    unsafe fn leave(&self) {
        // SAFETY: the caller has locked it.
        let result = unsafe { libc::pthread_mutex_unlock(self.0.get()) };
        debug_assert_eq!(result, 0);
    }

    fn condition() -> PthreadCondition {
        PthreadCondition(UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER))
    }

    unsafe fn sleep(&self, condition: &PthreadCondition, timeout: Option<Duration>) {
        let (condition, mutex) = (condition.0.get(), self.0.get());
        // Results are not looked at: the table checks the queue and the deadline itself.
        match timeout {
            None => {
                // SAFETY: the caller has locked the mutex; the condition stays in place.
                unsafe { libc::pthread_cond_wait(condition, mutex) };
            }
            Some(timeout) => {
                let timeout = timeout.min(SLICE_MAX);
                let timeout = timespec {
                    tv_sec: timeout.as_secs() as libc::time_t,
                    tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
                };
                // SAFETY: as above; the timeout lives through the call.
                unsafe {
                    libc::pthread_cond_timedwait_relative_np(condition, mutex, &raw const timeout)
                };
            }
        }
    }

    fn signal(condition: &PthreadCondition) {
        // SAFETY: an initialised condition variable at its place.
        unsafe { libc::pthread_cond_signal(condition.0.get()) };
    }

    fn now() -> Instant {
        clock::monotonic()
    }
}

static TABLE: WaitTable<PthreadMonitor> = WaitTable::new();

impl Park for Macos {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        match OsSync::get() {
            Some(_) if word.load(Ordering::Acquire) != expected => Woken::Changed,
            Some(system) => system.wait(word, expected, until),
            None => TABLE.wait(word, expected, until),
        }
    }

    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        match OsSync::get() {
            Some(system) => system.wake(word, count),
            None => TABLE.wake(word, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use std::thread;

    /// The table over pthreads, which a new system would not exercise otherwise.
    #[test]
    fn the_pthread_table_waits_times_out_and_wakes() {
        let word = Arc::new(AtomicU32::new(0));
        let until = clock::monotonic().saturating_add(Duration::from_millis(20));
        assert_eq!(TABLE.wait(&word, 0, Some(until)), Woken::TimedOut);
        assert!(clock::monotonic() >= until);
        let patience = Some(until.saturating_add(Duration::from_secs(10)));
        assert_eq!(TABLE.wait(&word, 1, patience), Woken::Changed);
        let sleeper = {
            let word = word.clone();
            thread::spawn(move || TABLE.wait(&word, 0, patience))
        };
        while TABLE.wake(Arc::as_ptr(&word), 1) == 0 {
            thread::yield_now();
        }
        assert_eq!(sleeper.join().unwrap(), Woken::Woken);
    }
}
