//! The table over std's mutex and condition variable, so that it is tested on every host.

use super::*;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Instant as StdInstant;

/// A monitor whose entered state is a flag, because std's guards cannot be given up in another call.
struct StdMonitor {
    entered: Mutex<bool>,
    left: Condvar,
}

impl StdMonitor {
    fn claim(&self, mut entered: MutexGuard<'_, bool>) {
        while *entered {
            entered = self.left.wait(entered).unwrap();
        }
        *entered = true;
    }
}

fn start() -> StdInstant {
    static START: OnceLock<StdInstant> = OnceLock::new();
    *START.get_or_init(StdInstant::now)
}

// SAFETY: `entered` is the flag of the one thread inside, changed under std's mutex, which also orders the accesses. A signal takes
// place inside the monitor, when the sleeper either has not given the mutex up or waits already.
unsafe impl Monitor for StdMonitor {
    const NEW: Self = Self {
        entered: Mutex::new(false),
        left: Condvar::new(),
    };
    type Condition = Condvar;

    fn enter(&self) {
        self.claim(self.entered.lock().unwrap());
    }

    unsafe fn leave(&self) {
        *self.entered.lock().unwrap() = false;
        self.left.notify_one();
    }

    fn condition() -> Condvar {
        Condvar::new()
    }

    unsafe fn sleep(&self, condition: &Condvar, timeout: Option<Duration>) {
        let mut entered = self.entered.lock().unwrap();
        *entered = false;
        self.left.notify_one();
        let entered = match timeout {
            None => condition.wait(entered).unwrap(),
            Some(timeout) => condition.wait_timeout(entered, timeout).unwrap().0,
        };
        self.claim(entered);
    }

    fn signal(condition: &Condvar) {
        condition.notify_one();
    }

    fn now() -> Instant {
        Instant::from_ns(u64::try_from(start().elapsed().as_nanos()).unwrap())
    }
}

type Table = WaitTable<StdMonitor>;

/// A table as the crate uses it: static.
fn leaked() -> &'static Table {
    Box::leak(Box::new(Table::new()))
}

fn after_ms(ms: u64) -> Option<Instant> {
    Some(StdMonitor::now().saturating_add(Duration::from_millis(ms)))
}

/// A deadline that only a lost wake reaches.
fn patience() -> Option<Instant> {
    after_ms(10_000)
}

/// Two words whose waiters share a queue: among more words than there are queues there are two.
fn words_of_one_bucket(table: &Table) -> [&'static AtomicU32; 2] {
    let words: &'static [AtomicU32] = Box::leak((0..=BUCKETS).map(|_| AtomicU32::new(0)).collect());
    let bucket = |word: &AtomicU32| ptr::from_ref(table.bucket(ptr::from_ref(word).addr()));
    for (index, first) in words.iter().enumerate() {
        for second in &words[index + 1..] {
            if bucket(first) == bucket(second) {
                return [first, second];
            }
        }
    }
    unreachable!("more words than buckets")
}

/// Waits until `count` threads are in the table; fails after ten seconds.
fn await_waiters(table: &Table, count: usize) {
    for _ in 0..10_000 {
        if table.waiters() == count {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{} waiters, not {count}", table.waiters());
}

#[test]
fn a_changed_word_returns_at_once_and_leaves_no_waiter() {
    let table = Table::new();
    let word = AtomicU32::new(1);
    assert_eq!(table.wait(&word, 2, patience()), Woken::Changed);
    assert_eq!(table.waiters(), 0);
}

#[test]
fn a_timeout_is_never_early_and_leaves_no_waiter() {
    let table = Table::new();
    let word = AtomicU32::new(7);
    for ms in [0, 1, 20] {
        let until = after_ms(ms);
        assert_eq!(table.wait(&word, 7, until), Woken::TimedOut);
        assert!(Some(StdMonitor::now()) >= until);
    }
    assert_eq!(table.wait(&word, 7, Some(Instant::ZERO)), Woken::TimedOut);
    assert_eq!(table.waiters(), 0);
}

#[test]
fn a_wake_reaches_as_many_as_it_says_and_only_its_own_word() {
    let table = leaked();
    let words = words_of_one_bucket(table);
    let spawn = |index: usize| {
        let word = words[index];
        thread::spawn(move || table.wait(word, 0, patience()))
    };
    let first: Vec<_> = (0..5).map(|_| spawn(0)).collect();
    let other = spawn(1);
    await_waiters(table, 6);

    assert_eq!(table.wake(words[0], 0), 0);
    assert_eq!(table.wake(words[0], 2), 2);
    await_waiters(table, 4);
    assert_eq!(table.wake(words[0], u32::MAX), 3);
    for handle in first {
        assert_eq!(handle.join().unwrap(), Woken::Woken);
    }
    assert!(!other.is_finished());
    assert_eq!(table.wake(words[1], 1), 1);
    assert_eq!(other.join().unwrap(), Woken::Woken);
    assert_eq!(table.wake(words[1], 1), 0, "nobody waits");
}

#[test]
fn a_timeout_in_the_middle_of_a_queue_keeps_its_neighbours() {
    let table = leaked();
    let word = Arc::new(AtomicU32::new(0));
    let spawn = |until: Option<Instant>| {
        let word = word.clone();
        thread::spawn(move || table.wait(&word, 0, until))
    };
    let before = spawn(patience());
    await_waiters(table, 1);
    let middle = spawn(after_ms(200));
    await_waiters(table, 2);
    let last = spawn(patience());
    await_waiters(table, 3);
    assert_eq!(middle.join().unwrap(), Woken::TimedOut);
    assert_eq!(table.waiters(), 2);
    assert_eq!(table.wake(Arc::as_ptr(&word), u32::MAX), 2);
    for handle in [before, last] {
        assert_eq!(handle.join().unwrap(), Woken::Woken);
    }
}

/// A mutex over the table: 0 free, 1 held, 2 held and waited for. A lost wake hangs it, which the deadline turns into a failure.
#[test]
fn no_wake_is_lost_under_contention() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 5_000;
    let table = leaked();
    let word = Arc::new(AtomicU32::new(0));
    let total = Arc::new(Mutex::new(0u64));
    let handles: Vec<_> = (0..THREADS)
        .map(|_| {
            let (word, total) = (word.clone(), total.clone());
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    let deadline = patience();
                    if word
                        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                        .is_err()
                    {
                        while word.swap(2, Ordering::Acquire) != 0 {
                            assert_ne!(table.wait(&word, 2, deadline), Woken::TimedOut);
                        }
                    }
                    *total.try_lock().expect("one holder at a time") += 1;
                    if word.swap(0, Ordering::Release) == 2 {
                        table.wake(Arc::as_ptr(&word), 1);
                    }
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    assert_eq!(*total.lock().unwrap(), THREADS * ROUNDS);
    assert_eq!(table.waiters(), 0);
}
