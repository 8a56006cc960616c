//! Waiting on words where the kernel has no call for it: a fixed table of queues, hashed by address.
//!
//! Source: the sleep queues of Unix kernels (Bach, "The Design of the UNIX Operating System", 1986, section 6.6), with a condition
//! variable per sleeper, so that a wake reaches its addressee alone.
//!
//! ```text
//!   address --hash--> bucket { monitor, head <-> waiter <-> waiter <-> tail }
//!                                        waiter { address, condition, is_queued }, on its thread's stack
//! ```
//!
//! # Invariants
//! - I1: a bucket's queue, and every field of the waiters in it except their conditions, are touched only by a thread
//!   that has entered the bucket's monitor.
//! - I2: a waiter is in its bucket's queue exactly while `is_queued`; its stack frame does not go away before.
//! - I3: a waiter's condition is signalled only from within the monitor and while I2 or the signaller's own step out of it
//!   holds the frame: the sleeper needs the monitor to leave.
//!
//! No wake is lost: the sleeper compares the word and joins the queue within the monitor; the waker has changed the word
//! before it enters. If the waker enters first, the sleeper sees the change (the monitor orders it after); if
//! second, it finds the sleeper in the queue.
//!
//! # Bounds
//! [`BUCKETS`] queues and nothing on the heap. A wake walks its bucket's queue, which holds at most one waiter a thread.
#![allow(unsafe_code, reason = "queues of waiters on other threads' stacks")]

use core::cell::{Cell, UnsafeCell};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use underpin_core::platform::{Instant, Woken};

/// Queues in a table: words that many threads wait on at once are few, and a clash costs only a longer walk.
const BUCKETS: usize = 64;

/// A system's mutex and condition variable.
///
/// # Safety
/// Between `enter` and `leave` no other thread is between the two; what one thread did before `leave` is visible to the
/// next after `enter`. `sleep` leaves, sleeps and enters again, and misses no `signal` from after it left.
pub(crate) unsafe trait Monitor: Sync + Sized + 'static {
    /// An unused monitor.
    const NEW: Self;
    /// What a thread sleeps on; used with one monitor only.
    type Condition;

    fn enter(&self);

    /// # Safety
    /// The calling thread has entered.
    unsafe fn leave(&self);

    fn condition() -> Self::Condition;

    /// Sleeps until signalled, for at most about `timeout`, or for no time at all.
    ///
    /// # Safety
    /// The calling thread has entered, and `condition` does not move while it is slept on.
    unsafe fn sleep(&self, condition: &Self::Condition, timeout: Option<Duration>);

    /// Ends the sleep on `condition`.
    fn signal(condition: &Self::Condition);

    /// The clock of deadlines.
    fn now() -> Instant;
}

struct Waiter<M: Monitor> {
    address: usize,
    condition: M::Condition,
    is_queued: Cell<bool>,
    previous: Cell<*const Waiter<M>>,
    next: Cell<*const Waiter<M>>,
}

struct Queue<M: Monitor> {
    head: *const Waiter<M>,
    tail: *const Waiter<M>,
}

impl<M: Monitor> Queue<M> {
    /// # Safety
    /// The monitor is entered; `waiter` is in no queue and stays where it is until it is removed.
    unsafe fn push(&mut self, waiter: &Waiter<M>) {
        waiter.previous.set(self.tail);
        waiter.next.set(ptr::null());
        waiter.is_queued.set(true);
        // SAFETY: I1, I2: the tail is null or a live waiter of this queue.
        match unsafe { self.tail.as_ref() } {
            Some(tail) => tail.next.set(waiter),
            None => self.head = waiter,
        }
        self.tail = waiter;
    }

    /// # Safety
    /// The monitor is entered; `waiter` is in this queue.
    unsafe fn remove(&mut self, waiter: &Waiter<M>) {
        let (previous, next) = (waiter.previous.get(), waiter.next.get());
        // SAFETY: I1, I2: neighbours are null or live waiters of this queue.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.set(next),
            None => self.head = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            Some(next) => next.previous.set(previous),
            None => self.tail = previous,
        }
        waiter.is_queued.set(false);
    }
}

/// A cache line or two of its own for each bucket (128 bytes on Apple's processors).
#[repr(align(128))]
struct Bucket<M: Monitor> {
    monitor: M,
    queue: UnsafeCell<Queue<M>>,
}

/// The queues.
pub(crate) struct WaitTable<M: Monitor> {
    buckets: [Bucket<M>; BUCKETS],
}

// SAFETY: monitors are Sync; queues and the waiters they point to are touched only from within a monitor (I1).
unsafe impl<M: Monitor> Sync for WaitTable<M> {}

impl<M: Monitor> WaitTable<M> {
    pub(crate) const fn new() -> Self {
        Self {
            buckets: [const {
                Bucket {
                    monitor: M::NEW,
                    queue: UnsafeCell::new(Queue {
                        head: ptr::null(),
                        tail: ptr::null(),
                    }),
                }
            }; BUCKETS],
        }
    }

    /// Fibonacci hashing (Knuth, "The Art of Computer Programming" 3, section 6.4) of the word's index; the product's high bits are the good ones.
    fn bucket(&self, address: usize) -> &Bucket<M> {
        let hash = (address as u64 >> 2).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.buckets[(hash >> (u64::BITS - BUCKETS.ilog2())) as usize]
    }

    /// As [`Park::wait`](underpin_core::platform::Park::wait).
    pub(crate) fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        let address = ptr::from_ref(word).addr();
        let bucket = self.bucket(address);
        let waiter = Waiter::<M> {
            address,
            condition: M::condition(),
            is_queued: Cell::new(false),
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
        };
        bucket.monitor.enter();
        if word.load(Ordering::Acquire) != expected {
            // SAFETY: entered above.
            unsafe { bucket.monitor.leave() };
            return Woken::Changed;
        }
        // SAFETY: entered; the waiter is new, and this frame stays until it is removed below or by a waker (I2).
        unsafe { (*bucket.queue.get()).push(&waiter) };
        let woken = loop {
            if !waiter.is_queued.get() {
                break Woken::Woken;
            }
            let timeout = until.map(|until| until.saturating_duration_since(M::now()));
            if timeout.is_some_and(|timeout| timeout.is_zero()) {
                // SAFETY: entered, and still queued as just seen.
                unsafe { (*bucket.queue.get()).remove(&waiter) };
                break Woken::TimedOut;
            }
            // SAFETY: entered; the condition lies in this frame. Nobody holds a reference into the queue meanwhile.
            unsafe { bucket.monitor.sleep(&waiter.condition, timeout) };
        };
        // SAFETY: entered.
        unsafe { bucket.monitor.leave() };
        woken
    }

    /// As [`Park::wake`](underpin_core::platform::Park::wake); longest waiters first, the count is exact.
    pub(crate) fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        let address = word.addr();
        let bucket = self.bucket(address);
        let mut woken = 0;
        bucket.monitor.enter();
        // SAFETY: entered (I1); the reference ends before `leave`.
        let queue = unsafe { &mut *bucket.queue.get() };
        let mut at = queue.head;
        // SAFETY: I2: what is in the queue is alive until it is removed, and then (I3) until this thread leaves.
        while let Some(waiter) = unsafe { at.as_ref() } {
            if woken == count {
                break;
            }
            at = waiter.next.get();
            if waiter.address == address {
                // SAFETY: entered, and found in this queue.
                unsafe { queue.remove(waiter) };
                M::signal(&waiter.condition);
                woken += 1;
            }
        }
        // SAFETY: entered.
        unsafe { bucket.monitor.leave() };
        woken
    }

    /// Waiters in all queues.
    #[cfg(test)]
    fn waiters(&self) -> usize {
        let mut count = 0;
        for bucket in &self.buckets {
            bucket.monitor.enter();
            // SAFETY: entered (I1), and what is queued is alive (I2).
            let mut at = unsafe { (*bucket.queue.get()).head };
            // SAFETY: as above.
            while let Some(waiter) = unsafe { at.as_ref() } {
                assert!(waiter.is_queued.get(), "I2");
                count += 1;
                at = waiter.next.get();
            }
            // SAFETY: entered.
            unsafe { bucket.monitor.leave() };
        }
        count
    }
}

#[cfg(test)]
#[path = "wait_table_tests.rs"]
mod tests;
