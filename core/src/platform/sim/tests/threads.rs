//! Threads: every schedule is a seed's, races are found, deadlocks and power losses end.
#![allow(unsafe_code, reason = "spawning is unsafe")]

use super::*;
use crate::platform::{
    Clock, ClockId, CpuSet, Instant, Mutex, Park, ThreadOptions, ThreadSlots, Threads, Woken,
};
use crate::sync::atomic::{AtomicU32, Ordering};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::Mutex as StdMutex;

/// Stacks from the standard library.
struct StdHost;

/// Who waits on which word, by address.
static WAITERS: StdMutex<BTreeMap<usize, std::thread::Thread>> = StdMutex::new(BTreeMap::new());

impl Host for StdHost {
    fn host_start(&self, body: Body, _stack_bytes: usize) -> Result<()> {
        std::thread::spawn(body);
        Ok(())
    }

    fn host_wait(&self, word: &AtomicU32, expected: u32) {
        let address = (&raw const *word).addr();
        WAITERS
            .lock()
            .unwrap()
            .insert(address, std::thread::current());
        while word.load(Ordering::SeqCst) == expected {
            std::thread::park();
        }
        WAITERS.lock().unwrap().remove(&address);
    }

    fn host_wake(&self, word: &AtomicU32) {
        if let Some(thread) = WAITERS.lock().unwrap().get(&(&raw const *word).addr()) {
            thread.unpark();
        }
    }
}

pub(super) fn hosted(seed: u64) -> Sim {
    Sim::with_host(seed, StdHost)
}

pub(super) fn spawn(sim: &Sim, body: impl FnOnce() + Send + 'static) -> SimThread {
    unsafe extern "C" fn run(argument: *mut u8) {
        // SAFETY: the box that was leaked below, once.
        let body = unsafe { Box::from_raw(argument.cast::<Body>()) };
        body();
    }
    let body: Box<Body> = Box::new(Box::new(body));
    let argument = Box::into_raw(body).cast();
    let options = ThreadOptions::new().with_name("worker");
    // SAFETY: run takes the box.
    unsafe { sim.spawn(&options, run, argument) }.unwrap()
}

/// Two threads add to a counter under a lock; returns the order in which they got it.
fn race_for_a_lock(sim: &Sim) -> Vec<u64> {
    let order = Arc::new(Mutex::new(Vec::new(), sim.clone()));
    let threads: Vec<SimThread> = (0..2)
        .map(|_| {
            let (order, sim) = (Arc::clone(&order), sim.clone());
            spawn(&sim.clone(), move || {
                for _ in 0..3 {
                    let mut order = order.lock();
                    let before = order.len();
                    sim.yield_now();
                    assert_eq!(order.len(), before, "somebody else was inside");
                    order.push(sim.thread_id());
                }
            })
        })
        .collect();
    for thread in threads {
        sim.join(thread).unwrap();
    }
    let order = order.lock();
    order.clone()
}

#[test]
fn a_lock_holds_over_a_thousand_schedules_and_each_replays() {
    let orders = StdMutex::new(BTreeSet::new());
    for_seeds(1000, |seed| {
        let sim = hosted(seed);
        let order = race_for_a_lock(&sim);
        assert_eq!(order.len(), 6);
        if seed % 20 == 0 {
            let again = hosted(seed);
            assert_eq!(race_for_a_lock(&again), order);
            assert_eq!(again.trace_hash(), sim.trace_hash());
        }
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
        orders.lock().unwrap().insert(order);
    });
    if std::env::var("UNDERPIN_SEED").is_err() {
        assert!(orders.lock().unwrap().len() >= 15, "of the 20 orders");
    }
}

#[test]
fn a_race_between_two_calls_is_found() {
    let lost = (0..200).any(|seed| {
        let sim = hosted(seed);
        let counter = Arc::new(AtomicU32::new(0));
        let threads: Vec<SimThread> = (0..2)
            .map(|_| {
                let (counter, sim) = (Arc::clone(&counter), sim.clone());
                spawn(&sim.clone(), move || {
                    let seen = counter.load(Ordering::SeqCst);
                    sim.now(ClockId::Monotonic);
                    counter.store(seen + 1, Ordering::SeqCst);
                })
            })
            .collect();
        for thread in threads {
            sim.join(thread).unwrap();
        }
        counter.load(Ordering::SeqCst) == 1
    });
    assert!(lost);
}

#[test]
fn wakes_reach_as_many_as_asked_and_deadlines_come_in_order() {
    for_seeds(100, |seed| {
        let mut options = SimOptions::new(seed);
        options.faults = SimFaults::none();
        let sim = Sim::with_host(options, StdHost);
        let word = Arc::new(AtomicU32::new(0));
        let done = Arc::new(AtomicU32::new(0));
        let start = sim.now(ClockId::Monotonic);
        let threads: Vec<SimThread> = (1..=4)
            .map(|n| {
                let (word, done, sim) = (Arc::clone(&word), Arc::clone(&done), sim.clone());
                spawn(&sim.clone(), move || {
                    let until = start.saturating_add(Duration::from_secs(n));
                    if sim.wait(&word, 0, Some(until)) == Woken::TimedOut {
                        assert!(sim.now(ClockId::Monotonic) >= until);
                    } else {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // Everybody is asleep when this returns.
        let soon = start.saturating_add(Duration::from_millis(500));
        while sim.wait(&AtomicU32::new(0), 0, Some(soon)) != Woken::TimedOut {}
        assert_eq!(sim.wake(&raw const *word, 2), 2);
        for thread in threads {
            sim.join(thread).unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), 2);
        assert_eq!(sim.wake(&raw const *word, 9), 0);
    });
}

#[test]
fn a_deadlock_between_threads_names_what_each_waits_for() {
    let sim = hosted(5);
    let left = Arc::new(Mutex::new((), sim.clone()));
    let right = Arc::new(Mutex::new((), sim.clone()));
    let held = right.lock();
    let (l, r) = (Arc::clone(&left), Arc::clone(&right));
    let ready = Arc::new(AtomicU32::new(0));
    let (theirs, s) = (Arc::clone(&ready), sim.clone());
    let thread = spawn(&sim, move || {
        let _left = l.lock();
        theirs.store(1, Ordering::SeqCst);
        // The lock may spin for ever on a machine that is off; the simulator freezes the thread then.
        let _right = r.lock();
        drop(s);
    });
    while ready.load(Ordering::SeqCst) == 0 {
        sim.yield_now();
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(left.lock()))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("deadlock"), "{message}");
    assert!(message.contains("UNDERPIN_SEED=5"), "{message}");
    assert!(
        message.contains("thread 1 (\"main\"): waits on a word"),
        "{message}"
    );
    assert!(
        message.contains("thread 2 (\"worker\"): waits on a word"),
        "{message}"
    );
    drop(held);
    // The machine is off now; whatever the thread does, the join comes back.
    let _ended = sim.join(thread);
}

#[test]
fn power_loss_ends_waits_and_joins() {
    for_seeds(50, |seed| {
        let sim = hosted(seed);
        let word = Arc::new(AtomicU32::new(0));
        let (theirs, s) = (Arc::clone(&word), sim.clone());
        // One that looks at what calls say, one that never does.
        let polite = spawn(&sim, move || {
            while theirs.load(Ordering::SeqCst) == 0 && s.metadata(b"/").is_ok() {
                s.wait(&theirs, 0, None);
            }
        });
        let s = sim.clone();
        let deaf = spawn(&sim, move || {
            loop {
                s.yield_now();
            }
        });
        for _ in 0..10 {
            sim.yield_now();
        }
        sim.power_loss();
        sim.join(polite).unwrap();
        assert_eq!(sim.join(deaf).unwrap_err().kind(), Kind::PowerLost);
        assert!(sim.reboot().is_on());
    });
}

#[test]
fn slot_hooks_run_at_the_end_and_again_if_they_set_the_slot() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    static SLOT: StdMutex<Option<(Sim, crate::platform::SlotKey)>> = StdMutex::new(None);
    unsafe extern "C" fn hook(value: *mut u8) {
        RUNS.fetch_add(1, Ordering::SeqCst);
        let slot = SLOT.lock().unwrap();
        let (sim, key) = slot.as_ref().unwrap();
        // SAFETY: the key is live; the hook takes any value.
        unsafe {
            assert!(sim.slot_get(*key).is_null());
            sim.slot_set(*key, value).unwrap();
        }
    }
    let sim = hosted(1);
    // SAFETY: the hook takes any value.
    let key = unsafe { sim.slot_create(Some(hook)) }.unwrap();
    *SLOT.lock().unwrap() = Some((sim.clone(), key));
    let s = sim.clone();
    let thread = spawn(&sim, move || {
        // SAFETY: as above.
        unsafe {
            assert!(s.slot_get(key).is_null());
            s.slot_set(key, core::ptr::dangling_mut()).unwrap();
        }
    });
    sim.join(thread).unwrap();
    assert!(RUNS.load(Ordering::SeqCst) >= 4);
    // SAFETY: the key is live and not used again.
    unsafe {
        assert!(sim.slot_get(key).is_null(), "this thread's own");
        sim.slot_delete(key);
        for _ in 0..SLOTS_MAX {
            sim.slot_create(None).unwrap();
        }
        assert_eq!(sim.slot_create(None).unwrap_err().kind(), Kind::Limit);
    }
}

#[test]
fn names_affinity_and_detached_threads() {
    let sim = hosted(1);
    assert_eq!(sim.set_name("a\0b").unwrap_err().kind(), Kind::InvalidInput);
    sim.set_name("fünfzehn bytes and more").unwrap();
    let mut cpus = CpuSet::EMPTY;
    cpus.insert(100);
    assert_eq!(
        sim.set_affinity(&cpus).unwrap_err().kind(),
        Kind::InvalidInput
    );
    cpus.insert(3);
    sim.set_affinity(&cpus).unwrap();
    let word = Arc::new(AtomicU32::new(0));
    let (theirs, s) = (Arc::clone(&word), sim.clone());
    drop(spawn(&sim, move || {
        assert_ne!(s.thread_id(), 1);
        theirs.store(1, Ordering::SeqCst);
        s.wake(&raw const *theirs, 1);
    }));
    while word.load(Ordering::SeqCst) == 0 {
        sim.wait(&word, 0, Some(Instant::MAX));
    }
    while sim.leaks().threads != 0 {
        sim.yield_now();
    }
    assert!(sim.now(ClockId::ThreadCpu) <= sim.now(ClockId::Monotonic));
}
