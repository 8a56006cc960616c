//! Programs that hang, or once hung, on pools whose waits run whatever comes: each must end.
//!
//! A worker that waits runs only what it waits for. So a lock, a cell that is being filled or a bridge's turn that is held across a wait
//! is never wanted by what runs on top of the waiter.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, RwLock, mpsc};
use underpin::pool::iter::*;
use underpin::pool::{ThreadPool, ThreadPoolBuilder, join, scope, spawn};

fn pools(check: impl Fn(&ThreadPool) + Sync) {
    for threads in [1, 2, 4] {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        for _ in 0..20 {
            check(&pool);
        }
    }
}

fn some_work() -> u64 {
    (0..300_u64)
        .into_par_iter()
        .map(core::hint::black_box)
        .sum()
}

#[test]
fn a_mutex_held_across_parallel_work() {
    pools(|pool| {
        let total = Mutex::new(0);
        pool.install(|| {
            (0..40_usize).into_par_iter().with_max_len(1).for_each(|_| {
                let mut held = total.lock().expect("no panic");
                *held += some_work();
            });
        });
        assert_eq!(*total.lock().expect("no panic"), 40 * some_work());
    });
}

#[test]
fn a_read_lock_held_while_others_wait_to_write() {
    pools(|pool| {
        let lock = RwLock::new(0_u64);
        pool.install(|| {
            (0..40_usize)
                .into_par_iter()
                .with_max_len(1)
                .for_each(|index| {
                    if index % 4 == 0 {
                        *lock.write().expect("no panic") += 1;
                    } else {
                        let held = lock.read().expect("no panic");
                        assert!(some_work() > *held);
                    }
                });
        });
        assert_eq!(*lock.read().expect("no panic"), 10);
    });
}

#[test]
fn a_cell_that_is_filled_by_parallel_work() {
    pools(|pool| {
        let cell = OnceLock::new();
        pool.install(|| {
            (0..40_usize).into_par_iter().with_max_len(1).for_each(|_| {
                assert_eq!(*cell.get_or_init(some_work), 300 * 299 / 2);
            });
        });
    });
}

#[test]
fn a_bridge_whose_iterator_works_in_parallel() {
    pools(|pool| {
        let sum: u64 = pool.install(|| (0..40_u64).map(|x| x + some_work()).par_bridge().sum());
        assert_eq!(sum, 780 + 40 * some_work());
        // And one within another, with a lock around the inner one.
        let lock = Mutex::new(0);
        pool.install(|| {
            (0..10_u64).par_bridge().for_each(|_| {
                let mut held = lock.lock().expect("no panic");
                *held += (0..10_u64)
                    .par_bridge()
                    .map(|x| x + some_work())
                    .sum::<u64>();
            });
        });
    });
}

#[test]
fn a_lock_held_across_a_scope_whose_jobs_fork() {
    pools(|pool| {
        let lock = Mutex::new(0);
        pool.install(|| {
            scope(|outer| {
                for _ in 0..20 {
                    outer.spawn(|_| {
                        let mut held = lock.lock().expect("no panic");
                        let done = AtomicUsize::new(0);
                        scope(|inner| {
                            for _ in 0..3 {
                                inner.spawn(|_| {
                                    some_work();
                                    done.fetch_add(1, Ordering::Relaxed);
                                });
                            }
                        });
                        *held += done.into_inner();
                    });
                }
            });
        });
        assert_eq!(*lock.lock().expect("no panic"), 60);
    });
}

#[test]
fn pools_that_install_into_each_other_and_back() {
    let pools: Arc<Vec<ThreadPool>> = Arc::new(
        (0..3)
            .map(|_| {
                ThreadPoolBuilder::new()
                    .num_threads(1)
                    .build()
                    .expect("a thread")
            })
            .collect(),
    );
    fn round(pools: &[ThreadPool], depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let next = &pools[depth % pools.len()];
        let (a, b) = join(
            || next.install(|| round(pools, depth - 1)),
            || next.install(|| round(pools, depth - 1)),
        );
        a + b
    }
    for first in &*pools {
        assert_eq!(first.install(|| round(&pools, 6)), 64);
    }
}

#[test]
fn jobs_that_their_spawner_waits_for_by_other_means() {
    // The spawner blocks outside the pool's knowledge: another thread must take the jobs, wherever they lie.
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("threads");
    for count in [1, 5, 100] {
        let (sender, receiver) = mpsc::channel();
        pool.install(move || {
            for index in 0..count {
                let sender = sender.clone();
                spawn(move || sender.send(index).expect("the receiver waits"));
            }
            drop(sender);
            assert_eq!(receiver.iter().sum::<u64>(), count * (count - 1) / 2);
        });
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        pool.install(|| {
            scope(|s| {
                for index in 0..count {
                    let sender = sender.clone();
                    s.spawn(move |_| sender.send(index).expect("the receiver waits"));
                }
                drop(sender);
                let received = receiver.lock().expect("no panic").iter().sum::<u64>();
                assert_eq!(received, count * (count - 1) / 2);
            });
        });
    }
}

#[test]
fn a_loop_that_is_cancelled_from_outside_ends() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .expect("threads");
    let token = underpin::pool::CancelToken::new();
    let begun = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while begun.load(Ordering::Relaxed) < 1_000 {
                std::thread::yield_now();
            }
            token.cancel();
        });
        pool.install(|| {
            (0..u64::MAX)
                .into_par_iter()
                .cancel_on(&token)
                .for_each(|_| {
                    begun.fetch_add(1, Ordering::Relaxed);
                });
        });
    });
    assert!(begun.into_inner() >= 1_000);
}
