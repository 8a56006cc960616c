//! Pools whose threads the program starts, lends or names itself.

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::HashSet;
use std::sync::{Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::{io, panic};
use underpin::pool::{ThreadBuilder, ThreadPool, ThreadPoolBuilder, prelude::*};
use underpin::pool::{
    broadcast, current_num_threads, current_thread_index, join, scope, spawn, yield_now,
};

/// A pool whose threads are the standard library's; those threads come out of the channel as they end.
fn spawned(threads: usize) -> (ThreadPool, mpsc::Receiver<usize>) {
    let (ended, ends) = mpsc::channel();
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("mine {index}"))
        .stack_size(1 << 20)
        .spawn_handler(|start: ThreadBuilder| {
            assert_eq!(start.stack_size(), Some(1 << 20));
            let name = start.name().expect("a name");
            let ended = ended.clone();
            thread::Builder::new().name(name).spawn(move || {
                let index = start.index();
                start.run();
                ended.send(index).expect("the test is there");
            })?;
            Ok(())
        })
        .build()
        .expect("threads");
    (pool, ends)
}

#[test]
fn threads_that_a_handler_starts_work_until_the_pool_ends() {
    for threads in [1, 3] {
        let (pool, ends) = spawned(threads);
        let names = pool.broadcast(|index| {
            assert_eq!(current_thread_index(), Some(index));
            thread::current().name().map(str::to_owned)
        });
        let want: Vec<_> = (0..threads).map(|i| Some(format!("mine {i}"))).collect();
        assert_eq!(names, want);
        let sum = pool.install(|| (0..1_000_u64).into_par_iter().sum::<u64>());
        assert_eq!(sum, 499_500);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let ran = ran.clone();
            pool.spawn(move || {
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(pool);
        assert_eq!(ran.load(Ordering::Relaxed), 50);
        let ended: HashSet<usize> = ends.iter().take(threads).collect();
        assert_eq!(ended, (0..threads).collect());
    }
}

#[test]
fn a_handler_that_refuses_ends_those_that_started() {
    let (ended, ends) = mpsc::channel();
    let error = ThreadPoolBuilder::new()
        .num_threads(4)
        .spawn_handler(|start| {
            if start.index() == 2 {
                return Err(io::Error::other("no third one"));
            }
            let ended = ended.clone();
            thread::spawn(move || {
                start.run();
                ended.send(()).expect("the test is there");
            });
            Ok(())
        })
        .build()
        .expect_err("refused");
    assert_eq!(error.to_string(), "no third one");
    drop(ended);
    assert_eq!(ends.iter().count(), 2);
}

#[test]
fn a_handler_that_panics_ends_those_that_started() {
    let (ended, ends) = mpsc::channel();
    let built = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        ThreadPoolBuilder::new()
            .num_threads(3)
            .spawn_handler(|start| {
                assert!(start.index() != 1, "no second one");
                let ended = ended.clone();
                thread::spawn(move || {
                    start.run();
                    ended.send(()).expect("the test is there");
                });
                Ok(())
            })
            .build()
            .map(drop)
    }));
    assert!(built.is_err());
    drop(ended);
    assert_eq!(ends.iter().count(), 1);
}

#[test]
fn a_handler_that_keeps_threads_for_later_and_fails_is_not_waited_for() {
    for panics in [false, true] {
        let mut kept = Vec::new();
        let (ended, ends) = mpsc::channel();
        let built = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            ThreadPoolBuilder::new()
                .num_threads(4)
                .spawn_handler(|start| match start.index() {
                    0 => {
                        let ended = ended.clone();
                        thread::spawn(move || {
                            start.run();
                            ended.send(()).expect("the test is there");
                        });
                        Ok(())
                    }
                    3 if panics => panic!("no fourth one"),
                    3 => Err(io::Error::other("no fourth one")),
                    _ => {
                        kept.push(start);
                        Ok(())
                    }
                })
                .build()
                .map(drop)
        }));
        match built {
            Ok(built) => assert_eq!(built.expect_err("refused").to_string(), "no fourth one"),
            Err(_) => assert!(panics),
        }
        // There is nothing to run any more.
        kept.pop().expect("the third one").run();
        assert_eq!(current_thread_index(), None);
        drop(kept);
        drop(ended);
        assert_eq!(ends.iter().count(), 1);
    }
}

#[test]
fn what_the_last_job_of_a_thread_that_is_never_started_spawns_is_run() {
    let mut kept = None;
    let (ended, ends) = mpsc::channel();
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .spawn_handler(|start| {
            if start.index() == 1 {
                kept = Some(start);
                return Ok(());
            }
            let ended = ended.clone();
            thread::spawn(move || {
                start.run();
                ended.send(()).expect("the test is there");
            });
            Ok(())
        })
        .build()
        .expect("one thread");
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    pool.spawn_broadcast(move |_| {
        let counted = counted.clone();
        spawn(move || {
            let last = counted.clone();
            spawn(move || {
                last.fetch_add(1, Ordering::Relaxed);
            });
            counted.fetch_add(1, Ordering::Relaxed);
        });
    });
    thread::scope(|scope| {
        scope.spawn(|| drop(pool));
        // The other thread is gone when this one's job comes to be run.
        ends.recv().expect("it ends");
        assert_eq!(ran.load(Ordering::Relaxed), 2);
        drop(kept);
    });
    assert_eq!(ran.load(Ordering::Relaxed), 4);
}

#[test]
fn a_thread_whose_name_panics_works_all_the_same() {
    let pool = ThreadPoolBuilder::new().num_threads(2);
    let pool = pool.thread_name(|index| match index {
        0 => "first".to_owned(),
        _ => panic!("no name"),
    });
    let pool = pool.build().expect("threads");
    assert_eq!(pool.broadcast(|index| index), [0, 1]);
}

#[test]
fn a_thread_that_is_never_started_is_done_without() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .spawn_handler(|start| {
            if start.index() == 0 {
                thread::spawn(move || start.run());
            }
            Ok(())
        })
        .build()
        .expect("one thread");
    assert_eq!(pool.install(|| 7), 7);
    assert_eq!(pool.install(|| join(|| 1, || 2)), (1, 2));
    // What is sent to the thread that is not there is done all the same.
    assert_eq!(pool.install(|| broadcast(|index| index)), [0, 1]);
}

#[test]
fn a_thread_of_a_pool_is_not_run_in_another() {
    let other = ThreadPoolBuilder::new().num_threads(1).build();
    let other = other.expect("a thread");
    let pool = ThreadPoolBuilder::new()
        .num_threads(1)
        .spawn_handler(|start| {
            let caught = other
                .install(|| panic::catch_unwind(panic::AssertUnwindSafe(|| start.run())).is_err());
            assert!(caught);
            Ok(())
        })
        .build();
    drop(pool.expect("no error"));
    assert_eq!(other.install(current_thread_index), Some(0));
}

#[test]
fn threads_of_a_scoped_pool_borrow() {
    let inside = Mutex::new(HashSet::<ThreadId>::new());
    let data: Vec<u64> = (0..1_000).collect();
    let sum = ThreadPoolBuilder::new()
        .num_threads(3)
        .build_scoped(
            |start| {
                inside
                    .lock()
                    .expect("no panic")
                    .insert(thread::current().id());
                start.run();
            },
            |pool| {
                let ids: HashSet<ThreadId> = pool
                    .broadcast(|_| thread::current().id())
                    .into_iter()
                    .collect();
                assert!(ids.is_subset(&inside.lock().expect("no panic")));
                pool.install(|| data.par_iter().sum::<u64>())
            },
        )
        .expect("threads");
    assert_eq!(sum, 499_500);
    assert_eq!(inside.into_inner().expect("no panic").len(), 3);
}

#[test]
fn a_panic_beside_a_scoped_pool_comes_out() {
    let caught = panic::catch_unwind(|| {
        ThreadPoolBuilder::new()
            .num_threads(2)
            .build_scoped(ThreadBuilder::run, |_| panic!("with the pool"))
            .unwrap_or(())
    });
    assert!(caught.is_err());
}

/// On a thread of its own, since it belongs to the pool from then on.
fn apart(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().expect("no panic");
}

#[test]
fn the_thread_that_builds_can_be_the_first() {
    for threads in [1, 3] {
        apart(move || {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .use_current_thread()
                .build()
                .expect("threads");
            let here = thread::current().id();
            assert_eq!(current_thread_index(), Some(0));
            assert_eq!(pool.current_thread_index(), Some(0));
            assert_eq!(current_num_threads(), threads);
            assert_eq!(pool.install(|| thread::current().id()), here);
            let ids = broadcast(|_| thread::current().id());
            assert_eq!(ids.len(), threads);
            assert_eq!(ids[0], here);
            assert_eq!(join(|| 1, || 2), (1, 2));
            // Jobs of others come here where this thread waits or gives way.
            let ran = Arc::new(AtomicUsize::new(0));
            scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|_| {
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(ran.load(Ordering::Relaxed), 20);
            let job = ran.clone();
            spawn(move || {
                job.fetch_add(1, Ordering::Relaxed);
            });
            while ran.load(Ordering::Relaxed) == 20 {
                assert!(pool.yield_now().is_some());
            }
            // What is left is done before the pool ends, also if no other thread can.
            for _ in 0..20 {
                let job = ran.clone();
                spawn(move || {
                    job.fetch_add(1, Ordering::Relaxed);
                });
            }
            drop(pool);
            assert_eq!(ran.load(Ordering::Relaxed), 41);
            assert_eq!(current_thread_index(), None);
            let next = ThreadPoolBuilder::new().num_threads(1);
            let next = next.use_current_thread().build().expect("free again");
            assert_eq!(next.current_thread_index(), Some(0));
        });
    }
}

#[test]
fn a_broadcast_reaches_the_thread_that_built_where_it_waits() {
    apart(|| {
        let pool = ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.use_current_thread().build().expect("a thread");
        let (told, tells) = mpsc::channel();
        spawn(move || told.send(broadcast(|index| index)).expect("it is there"));
        let got = loop {
            pool.yield_now();
            match tells.try_recv() {
                Ok(got) => break got,
                Err(_) => thread::yield_now(),
            }
        };
        assert_eq!(got, [0, 1]);
    });
}

#[test]
fn a_pool_that_has_a_thread_of_the_programs_outlives_its_drop_elsewhere() {
    apart(|| {
        let pool = ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.use_current_thread().build().expect("a thread");
        thread::spawn(move || drop(pool)).join().expect("no panic");
        // This thread is still the first of two.
        assert_eq!(current_num_threads(), 2);
        let (told, tells) = mpsc::channel();
        spawn(move || told.send(current_thread_index()).expect("it is there"));
        assert_eq!(tells.recv(), Ok(Some(1)));
        assert_eq!(join(|| 1, || 2), (1, 2));
    });
}

#[test]
fn a_pool_ends_in_the_middle_of_what_its_first_thread_began() {
    let build = || {
        let pool = ThreadPoolBuilder::new().num_threads(2);
        pool.use_current_thread().build().expect("a thread")
    };
    apart(move || {
        let ran = AtomicUsize::new(0);
        let pool = build();
        let seen = join(
            move || {
                drop(pool);
                current_thread_index()
            },
            || ran.fetch_add(1, Ordering::Relaxed),
        );
        assert_eq!(seen, (None, 0));
        let pool = build();
        let seen = join(|| ran.fetch_add(1, Ordering::Relaxed), move || drop(pool));
        assert_eq!(seen, (1, ()));
        // The second half may have been run by the other thread, to which the pool does not belong.
        if current_thread_index().is_none() {
            let pool = build();
            scope(|scope| {
                drop(pool);
                for _ in 0..20 {
                    scope.spawn(|_| {
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(ran.load(Ordering::Relaxed), 22);
            assert_eq!(current_thread_index(), None);
        }
    });
}

#[test]
fn a_pool_stays_if_a_job_that_its_first_thread_took_on_drops_it() {
    apart(|| {
        let pool = ThreadPoolBuilder::new().num_threads(1);
        let pool = Arc::new(pool.use_current_thread().build().expect("a thread"));
        let last = pool.clone();
        let (told, tells) = mpsc::channel();
        spawn(move || {
            drop(Arc::into_inner(last));
            told.send(current_thread_index()).expect("it is there");
        });
        drop(pool);
        assert!(yield_now());
        assert_eq!(tells.try_recv(), Ok(Some(0)));
        assert_eq!(current_thread_index(), Some(0));
    });
}

#[test]
fn a_thread_is_the_first_of_one_pool_and_of_none_without_threads() {
    let build = |builder: ThreadPoolBuilder| builder.use_current_thread().build().map(drop);
    let none = build(ThreadPoolBuilder::new().without_threads()).expect_err("no thread");
    assert_eq!(none.kind(), io::ErrorKind::InvalidInput);
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    let second = pool
        .expect("a thread")
        .install(|| build(ThreadPoolBuilder::new().num_threads(2)).expect_err("it is in a pool"));
    assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn the_other_names_of_a_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.expect("threads");
    assert_eq!((pool.yield_now(), pool.yield_local()), (None, None));
    pool.enter(|worker| {
        let (told, tells) = mpsc::channel();
        worker.spawn(move |_| told.send(()).expect("it is there"));
        // Whoever came first.
        while tells.try_recv().is_err() {
            assert!(pool.yield_local().is_some() && pool.yield_now().is_some());
        }
    });
    let here = thread::current().id();
    let count = AtomicUsize::new(0);
    let count = &count;
    let add = || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    pool.in_place_scope(|scope| {
        assert_eq!(thread::current().id(), here);
        scope.spawn(move |_| add());
    });
    pool.in_place_scope_fifo(|scope| {
        assert_eq!(thread::current().id(), here);
        scope.spawn_fifo(move |_| add());
    });
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
