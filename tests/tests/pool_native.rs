//! The pool on real threads: results, panics, nesting, bad input. No test looks at a clock.

extern crate alloc;

use alloc::sync::Arc;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::panic::catch_unwind;
use std::sync::{Barrier, Mutex, OnceLock, RwLock, mpsc};
use underpin::pool::{self, Priority, ThreadPool, ThreadPoolBuilder, Worker};

fn pool_of(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name_prefix("test-")
        .build()
        .expect("a pool")
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = pool::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn fib_with(worker: Worker<'_>, n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = worker.join(|w| fib_with(w, n - 1), |w| fib_with(w, n - 2));
    a + b
}

#[test]
fn joins_compute_on_every_kind_of_pool() {
    assert_eq!(fib(20), 6765);
    for threads in [1, 2, 3, 8] {
        let pool = pool_of(threads);
        assert_eq!(pool.install(|| fib(20)), 6765);
        assert_eq!(pool.enter(|w| fib_with(w, 20)), 6765);
        for _ in 0..200 {
            assert_eq!(pool.enter(|w| fib_with(w, 7)), 13);
        }
    }
    let alone = ThreadPoolBuilder::new()
        .without_threads()
        .build()
        .expect("no thread, no failure");
    assert_eq!(alone.install(|| fib(15)), 610);
}

#[test]
fn halves_run_at_the_same_time_when_threads_are_free() {
    // Each half waits for the other: this ends only if two threads run them. A fresh pool wakes for the first join.
    let barrier = Barrier::new(2);
    for _ in 0..10 {
        let pool = pool_of(2);
        pool.install(|| pool::join(|| barrier.wait(), || barrier.wait()));
        let pool = pool_of(2);
        pool.join(|| barrier.wait(), || barrier.wait());
    }
}

#[test]
fn a_panic_in_either_half_reaches_the_joiner_after_both_ended() {
    let pool = pool_of(2);
    for _ in 0..100 {
        for (left, right) in [(true, false), (false, true), (true, true)] {
            let ended = AtomicUsize::new(0);
            let ended = &ended;
            let half = |fails: bool, name: &'static str| {
                move || {
                    fib(5);
                    ended.fetch_add(1, Ordering::SeqCst);
                    if fails {
                        std::panic::resume_unwind(Box::new(name));
                    }
                }
            };
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.join(half(left, "left"), half(right, "right"))
            }));
            let payload = caught.expect_err("a half panicked");
            let name = payload.downcast_ref::<&str>().copied();
            assert_eq!(name, Some(if left { "left" } else { "right" }));
            assert_eq!(ended.load(Ordering::SeqCst), 2);
        }
    }
    assert_eq!(pool.install(|| fib(10)), 55);
}

#[test]
fn what_the_second_half_made_is_dropped_if_the_first_panics() {
    struct Made<'a>(&'a AtomicUsize);
    impl Drop for Made<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = AtomicUsize::new(0);
    for stolen in [false, true] {
        for round in 1..=10 {
            let barrier = Barrier::new(if stolen { 2 } else { 1 });
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool_of(2).install(|| {
                    pool::join(
                        || {
                            barrier.wait();
                            std::panic::resume_unwind(Box::new(()));
                        },
                        || {
                            barrier.wait();
                            Made(&dropped)
                        },
                    )
                })
            }));
            assert!(caught.is_err());
            let rounds = round + if stolen { 10 } else { 0 };
            assert_eq!(dropped.load(Ordering::SeqCst), rounds);
        }
    }
}

/// A payload whose own drop panics.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("a second panic"));
        }
    }
}

#[test]
fn a_panic_inside_a_payloads_drop_ends_nothing() {
    let pool = pool_of(2);
    let (tell, told) = mpsc::channel();
    for _ in 0..10 {
        pool.spawn(|| std::panic::resume_unwind(Box::new(Bomb)));
    }
    pool.spawn(move || tell.send(()).expect("the test waits"));
    told.recv().expect("the pool goes on");
    // Two jobs of one scope: the second payload is dropped by the pool.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|_| std::panic::resume_unwind(Box::new(Bomb)));
            }
        });
    }));
    core::mem::forget(caught.expect_err("jobs panicked"));
    assert_eq!(pool.install(|| fib(10)), 55);
}

/// Hooks are heard in the middle of waits, whose frames other threads use.
#[test]
fn a_trace_hook_that_panics_ends_nothing() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .trace(|_, _| std::panic::resume_unwind(Box::new("a hook")))
        .build()
        .expect("a pool");
    let count = AtomicUsize::new(0);
    let count = &count;
    for _ in 0..20 {
        assert_eq!(pool.enter(|w| fib_with(w, 16)), 987);
        pool.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|_| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
    }
    assert_eq!(count.load(Ordering::Relaxed), 2_000);
    drop(pool);
}

#[test]
fn a_scope_waits_for_everything_that_was_spawned_in_it() {
    for threads in [1, 2, 4] {
        let pool = pool_of(threads);
        let count = AtomicUsize::new(0);
        let count = &count;
        pool.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(move |scope| {
                    for _ in 0..10 {
                        scope.spawn(move |_| {
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 1000);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                for _ in 0..100 {
                    scope.spawn(move |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                }
                std::panic::resume_unwind(Box::new("the body"));
            })
        }));
        assert!(caught.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 1100);
    }
}

#[test]
fn a_scope_with_a_million_jobs_ends() {
    let pool = pool_of(2);
    let count = AtomicUsize::new(0);
    let count = &count;
    pool.scope(|scope| {
        for _ in 0..1_000_000 {
            scope.spawn(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 1_000_000);
}

#[test]
fn jobs_of_a_fifo_scope_start_in_order() {
    let pool = pool_of(1);
    let seen = Mutex::new(Vec::new());
    let seen = &seen;
    // On the pool's one thread, with nobody else at work: the order is exact.
    pool.install(|| {
        pool::scope_fifo(|scope| {
            for index in 0..100 {
                scope.spawn_fifo(move |_| seen.lock().expect("no panic").push(index));
            }
        });
    });
    assert!(seen.lock().expect("no panic").iter().copied().eq(0..100));
}

#[test]
fn spawned_jobs_run_and_a_drop_waits_for_them() {
    for threads in [1, 2, 4] {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        COUNT.store(0, Ordering::SeqCst);
        let pool = pool_of(threads);
        for index in 0..200 {
            match index % 3 {
                0 => pool.spawn(|| {
                    pool::spawn(|| {
                        COUNT.fetch_add(1, Ordering::SeqCst);
                    });
                }),
                1 => pool.spawn_with(Priority::High, || {
                    COUNT.fetch_add(1, Ordering::SeqCst);
                }),
                _ => pool.spawn_fifo(|| {
                    COUNT.fetch_add(1, Ordering::SeqCst);
                }),
            }
        }
        drop(pool);
        assert_eq!(COUNT.load(Ordering::SeqCst), 200);
    }
}

#[test]
fn high_priority_goes_first() {
    let pool = pool_of(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let (open, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || {
        tell.send(()).expect("the test waits");
        gate.recv().expect("the test opens");
    });
    told.recv().expect("the only thread is busy now");
    for (priority, name) in [(Priority::Normal, "normal"), (Priority::High, "high")] {
        let order = order.clone();
        pool.spawn_with(priority, move || order.lock().expect("no panic").push(name));
    }
    open.send(()).expect("the job waits");
    drop(pool);
    assert_eq!(*order.lock().expect("no panic"), ["high", "normal"]);
}

#[test]
fn broadcasts_reach_every_thread_even_from_every_thread() {
    let pool = pool_of(3);
    assert_eq!(pool.broadcast(|index| index * 2), [0, 2, 4]);
    let nested = pool.broadcast(|_| pool.broadcast(|index| index));
    assert_eq!(nested, vec![vec![0, 1, 2]; 3]);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.broadcast(|index| {
            if index == 1 {
                std::panic::resume_unwind(Box::new("one of them"));
            }
        })
    }));
    assert!(caught.is_err());
    let inside = pool.install(|| pool::join(|| pool.broadcast(|i| i).len(), || fib(12)));
    assert_eq!(inside, (3, 144));
}

#[test]
fn pools_that_install_into_each_other_do_not_wait_in_a_circle() {
    let (a, b) = (pool_of(1), pool_of(1));
    let value =
        a.install(|| b.install(|| a.install(|| b.install(|| pool::join(|| fib(8), || fib(9))))));
    assert_eq!(value, (21, 34));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(a.install(|| b.install(|| fib(6))), 8);
                    assert_eq!(b.install(|| a.install(|| fib(6))), 8);
                }
            });
        }
    });
}

#[test]
fn a_lock_held_across_a_join_is_not_wanted_by_what_runs_meanwhile() {
    let pool = pool_of(2);
    let (mutex, lock, cell) = (Mutex::new(0), RwLock::new(0), OnceLock::new());
    pool.scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|_| {
                let mut held = mutex.lock().expect("no panic");
                *held += fib(8);
            });
            scope.spawn(|_| {
                let mut held = lock.write().expect("no panic");
                *held += fib(8);
            });
            scope.spawn(|_| {
                let _read = lock.read().expect("no panic");
                fib(8);
            });
            scope.spawn(|_| {
                cell.get_or_init(|| fib(8));
            });
        }
    });
    assert_eq!(*mutex.lock().expect("no panic"), 64 * 21);
    assert_eq!(*lock.read().expect("no panic"), 64 * 21);
    assert_eq!(cell.get(), Some(&21));
}

#[test]
fn a_lock_held_across_a_scope_is_not_wanted_either() {
    let pool = pool_of(2);
    let mutex = Mutex::new(0);
    pool.scope(|outer| {
        for _ in 0..32 {
            outer.spawn(|_| {
                let mut held = mutex.lock().expect("no panic");
                let sum = AtomicUsize::new(0);
                pool::scope(|inner| {
                    for _ in 0..8 {
                        inner.spawn(|_| {
                            sum.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                *held += sum.into_inner();
            });
        }
    });
    assert_eq!(*mutex.lock().expect("no panic"), 256);
}

#[test]
fn a_blocked_worker_is_replaced() {
    let pool = pool_of(1);
    let (tell, told) = mpsc::channel::<u32>();
    // The only thread waits for a job that only another thread can run.
    let got = pool.install(move || {
        pool::spawn(move || tell.send(7).expect("it is waited for"));
        pool::block_in_place(|| told.recv().expect("a spare thread sends"))
    });
    assert_eq!(got, 7);
    assert_eq!(pool.install(|| fib(10)), 55);
}

#[test]
fn a_job_that_dropped_its_pool_may_still_block() {
    let pool = pool_of(1);
    let (give, taken) = mpsc::channel::<ThreadPool>();
    let (tell, told) = mpsc::channel();
    pool.spawn(move || {
        drop(taken.recv().expect("the pool"));
        let caught = catch_unwind(AssertUnwindSafe(|| pool::block_in_place(|| 7)));
        tell.send(caught.ok()).expect("the test waits");
    });
    give.send(pool).expect("the job waits");
    assert_eq!(told.recv(), Ok(Some(7)));
}

#[test]
fn a_lent_thread_works_until_it_is_told_to_stop() {
    let pool = pool_of(1);
    let (open, gate) = mpsc::channel::<()>();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let lent = scope.spawn(|| {
            pool.run_worker(|| stop.load(Ordering::SeqCst))
                .expect("a place");
        });
        // The pool's one thread blocks; the lent one opens the gate.
        pool.spawn(move || gate.recv().expect("the other job opens"));
        pool.spawn(move || open.send(()).expect("the first job waits"));
        pool.broadcast(|_| ());
        stop.store(true, Ordering::SeqCst);
        // The lent thread may be about to sleep: nudge it until it has gone.
        while !lent.is_finished() {
            pool.nudge();
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_lent_thread_whose_condition_panics_leaves_the_pool_whole() {
    let pool = pool_of(1);
    for _ in 0..10 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run_worker(|| std::panic::resume_unwind(Box::new("until")))
        }));
        assert!(caught.is_err());
        let (tell, told) = mpsc::channel();
        pool.spawn(move || tell.send(()).expect("the test waits"));
        told.recv().expect("somebody wakes");
    }
}

#[test]
fn a_thread_that_cannot_be_lent_is_told_so() {
    const PLACES: usize = 16;
    let pool = pool_of(1);
    let (inside, done) = (Barrier::new(PLACES + 1), Barrier::new(PLACES + 1));
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(|| {
                pool.enter(|_| {
                    inside.wait();
                    done.wait();
                });
            });
        }
        inside.wait();
        let lent = pool.run_worker(|| panic!("no place, so it is not asked"));
        done.wait();
        assert!(lent.is_err());
    });
}

#[test]
fn a_thread_of_the_pool_that_is_lent_to_it_takes_nobodys_place() {
    let pool = pool_of(3);
    let (inside, stop, met) = (Barrier::new(2), AtomicBool::new(false), Barrier::new(2));
    let asked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let lent = scope.spawn(|| {
            pool.install(|| {
                pool.run_worker(|| {
                    if !asked.swap(true, Ordering::SeqCst) {
                        inside.wait();
                    }
                    stop.load(Ordering::SeqCst)
                })
            })
        });
        inside.wait();
        // Each half waits for the other; the first join of a worker wakes another, which must not find itself one too many.
        pool.install(|| pool::join(|| met.wait(), || met.wait()));
        stop.store(true, Ordering::SeqCst);
        while !lent.is_finished() {
            pool.nudge();
            std::thread::yield_now();
        }
        lent.join()
            .expect("no panic")
            .expect("a worker has a place");
    });
}

#[test]
fn what_guests_that_block_leave_behind_is_taken() {
    const GUESTS: usize = 2;
    let pool = pool_of(GUESTS);
    let (taken, open) = (Barrier::new(2 * GUESTS), Barrier::new(2 * GUESTS));
    std::thread::scope(|scope| {
        for _ in 0..GUESTS {
            scope.spawn(|| {
                let half = || {
                    taken.wait();
                    open.wait();
                };
                // All four halves have to run at once, two of them on the threads whose places the guests have.
                pool.join(|| pool.block_in_place(half), half);
            });
        }
    });
}

#[test]
fn a_panic_deep_in_a_dense_tree_runs_every_second_half() {
    /// A chain of joins; each but the deepest has a second half that is counted.
    fn chain(worker: Worker<'_>, depth: u32, ended: &AtomicUsize) {
        if depth == 0 {
            std::panic::resume_unwind(Box::new("the deepest"));
        }
        worker.join(
            |w| chain(w, depth - 1, ended),
            |w| {
                fib_with(w, 3);
                ended.fetch_add(1, Ordering::Relaxed);
                if depth.is_multiple_of(3) {
                    std::panic::resume_unwind(Box::new("a second half"));
                }
            },
        );
    }
    for threads in [1, 2] {
        let pool = pool_of(threads);
        let ended = AtomicUsize::new(0);
        for round in 1..=20 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.enter(|w| {
                    // Joins are dense, so that what follows is not pushed.
                    fib_with(w, 12);
                    chain(w, 100, &ended);
                });
            }));
            let payload = caught.expect_err("it panicked");
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"the deepest"));
            assert_eq!(ended.load(Ordering::Relaxed), 100 * round);
        }
    }
}

#[test]
fn more_guests_than_places_are_served() {
    let pool = pool_of(1);
    let barrier = Barrier::new(40);
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(pool.enter(|w| fib_with(w, 12)), 144);
            });
        }
    });
}

/// `UNDERPIN_POOL_DEPTH=1000000` goes deeper, in gigabytes of stack.
#[test]
fn deep_recursion_of_joins_ends() {
    fn deep(worker: Worker<'_>, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let (below, one) = worker.join(|w| deep(w, n - 1), |_| 1);
        below + one
    }
    let depth = std::env::var("UNDERPIN_POOL_DEPTH")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .stack_size(2_600 * depth as usize)
        .build()
        .expect("two big stacks");
    for _ in 0..10 {
        assert_eq!(pool.install(|| pool::enter(|w| deep(w, depth))), depth);
    }
}

#[test]
fn jobs_of_ones_own_are_seen_until_they_run() {
    assert_eq!(pool::current_thread_has_pending_tasks(), None);
    let pool = pool_of(1);
    assert_eq!(pool.current_thread_has_pending_tasks(), None);
    pool.install(|| {
        assert_eq!(pool::current_thread_has_pending_tasks(), Some(false));
        pool::scope(|scope| {
            scope.spawn(|_| ());
            assert_eq!(pool.current_thread_has_pending_tasks(), Some(true));
        });
        assert_eq!(pool::current_thread_has_pending_tasks(), Some(false));
    });
}

#[test]
fn odd_numbers_of_threads_are_served_or_refused() {
    let zero = ThreadPoolBuilder::new()
        .num_threads(0)
        .build()
        .expect("the default");
    assert!(zero.current_num_threads() >= 1);
    let past = ThreadPoolBuilder::new().num_threads(1 << 30).build();
    assert!(past.is_err());
    assert!(pool::current_num_threads() >= 1);
    assert_eq!(zero.current_thread_index(), None);
    assert!(zero.install(|| pool::current_thread_index().is_some()));
}

/// `UNDERPIN_POOL_THREADS=10000` has more of them, which takes minutes in a debug build.
#[test]
fn very_many_threads_work_or_are_refused() {
    let threads = std::env::var("UNDERPIN_POOL_THREADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(300);
    let built = ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(64 << 10)
        .build();
    match built {
        Ok(pool) => {
            assert_eq!(pool.install(|| fib(12)), 144);
            let heard = AtomicUsize::new(0);
            pool.broadcast(|_| heard.fetch_add(1, Ordering::Relaxed));
            assert_eq!(heard.into_inner(), threads);
        }
        // Few systems let everybody have so many.
        Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}"),
    }
}

#[test]
fn stacks_that_no_system_has_are_refused() {
    let built = ThreadPoolBuilder::new()
        .num_threads(2)
        .stack_size(usize::MAX / 2)
        .build();
    assert!(built.is_err());
}

#[test]
fn handlers_run_and_may_panic() {
    let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let [a, b, c] = [counts.clone(), counts.clone(), counts.clone()];
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .start_handler(move |_| {
            a[0].fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("start"));
        })
        .exit_handler(move |_| {
            b[1].fetch_add(1, Ordering::SeqCst);
        })
        .panic_handler(move |_| {
            c[2].fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .expect("a pool");
    pool.spawn(|| std::panic::resume_unwind(Box::new("a job")));
    drop(pool);
    assert_eq!(
        [0, 1, 2].map(|i| counts[i].load(Ordering::SeqCst)),
        [2, 2, 1]
    );
}
