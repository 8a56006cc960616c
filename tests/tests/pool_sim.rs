//! The pool on the simulated machine: each seed is another interleaving, with a switch possible at every step of its protocols.
//!
//! `UNDERPIN_POOL_SEEDS=10000` runs more seeds than the few hundred of an ordinary run. A deadlock fails the seed by itself: the
//! simulator stops when nobody can run.
#![allow(unsafe_code, reason = "the pool's surroundings are a promise")]

extern crate alloc;

use alloc::sync::Arc;
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::panic::{catch_unwind, resume_unwind};
use std::thread::ThreadId;
use underpin::sys::{Kind, Operation, Threads, native};
use underpin_core::platform::sim::{Sim, SimOptions};
use underpin_core::platform::{Clock, ClockId, Park};
use underpin_core::pool::iter::{Consumer, Each, Map, RangeIter, drive};
use underpin_core::pool::{Builder, Env, Payload, Pool, Scope, Worker, with_current};
use underpin_tests::seeds;

std::thread_local! {
    static CURRENT: Cell<*const ()> = const { Cell::new(core::ptr::null()) };
}

#[derive(Clone)]
struct SimEnv(Sim);

// SAFETY: a simulated thread is a host thread of its own; catch_unwind lets nothing out.
unsafe impl Env for SimEnv {
    type Platform = Sim;

    fn platform(&self) -> &Sim {
        &self.0
    }

    fn current(&self) -> *const () {
        CURRENT.get()
    }

    fn set_current(&self, pointer: *const ()) {
        CURRENT.set(pointer);
    }

    fn catch<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        catch_unwind(AssertUnwindSafe(f))
    }

    fn resume(&self, payload: Payload) -> ! {
        resume_unwind(payload)
    }

    fn relax(&self) {
        self.0.yield_now();
    }

    fn preempt(&self) {
        self.0.yield_now();
    }
}

fn count(default: u64) -> u64 {
    std::env::var("UNDERPIN_POOL_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn builder(seed: u64, threads: usize) -> (Sim, Builder<SimEnv>) {
    let mut options = SimOptions::new(seed);
    // Both with and without fences on the hot paths.
    options.fence_others = !seed.is_multiple_of(4);
    let sim = Sim::with_host(options, native());
    let env = SimEnv(sim.clone());
    // Spinning is a step of the scheduler here: short spins reach the sleeps, long ones the searches.
    let spin_ns = [0, 5_000, 50_000][seed as usize % 3];
    let builder = Builder::new(env).num_threads(threads).spin_ns(spin_ns);
    (sim, builder)
}

fn pool(seed: u64, threads: usize) -> (Sim, Pool<SimEnv>) {
    let (sim, builder) = builder(seed, threads);
    (sim, builder.build().expect("a pool"))
}

/// A tree with a step of the scheduler at each node, so that thieves come in everywhere.
fn tree(worker: Worker<'_, SimEnv>, sim: &Sim, depth: u32) -> u32 {
    sim.yield_now();
    if depth == 0 {
        return 1;
    }
    let (a, b) = worker.join(|w| tree(w, sim, depth - 1), |w| tree(w, sim, depth - 1));
    a + b
}

fn ends(sim: &Sim, pool: Pool<SimEnv>) {
    drop(pool);
    assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
}

#[test]
fn trees_of_joins_give_their_sum() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 1 + (seed % 4) as usize);
        assert_eq!(pool.enter(|w| tree(w, &sim, 4)), 16);
        assert_eq!(pool.install(|w| tree(w, &sim, 4)), 16);
        ends(&sim, pool);
    });
}

#[test]
fn scopes_end_after_their_jobs() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 1 + (seed % 3) as usize);
        let count = AtomicUsize::new(0);
        let count = &count;
        for _ in 0..2 {
            pool.scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(move |scope| {
                        count.fetch_add(1, Ordering::Relaxed);
                        for _ in 0..2 {
                            scope.spawn(move |_| {
                                count.fetch_add(1, Ordering::Relaxed);
                            });
                        }
                    });
                }
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 24);
        ends(&sim, pool);
    });
}

#[test]
fn a_lock_held_across_a_wait_is_free_of_strangers() {
    seeds::check(count(100), |seed| {
        let (sim, pool) = pool(seed, 2);
        // A flag that a second job on the same thread would find taken: the lock that would hang.
        let held = Arc::new(std::sync::Mutex::new(()));
        let holder: Arc<AtomicUsize> = Arc::new(AtomicUsize::new(0));
        pool.scope(|scope| {
            for _ in 0..6 {
                let (held, holder, sim, pool) = (&held, &holder, &sim, &pool);
                scope.spawn(move |_| {
                    let here = pool.current_thread_index().map_or(0, |index| index + 1);
                    assert_ne!(holder.load(Ordering::SeqCst), here, "a stranger on top");
                    let Ok(guard) = held.try_lock() else { return };
                    holder.store(here, Ordering::SeqCst);
                    assert_eq!(pool.enter(|w| tree(w, sim, 3)), 8);
                    let inner = AtomicUsize::new(0);
                    pool.scope(|scope| {
                        for _ in 0..3 {
                            scope.spawn(|_| {
                                inner.fetch_add(1, Ordering::Relaxed);
                            });
                        }
                    });
                    assert_eq!(inner.into_inner(), 3);
                    holder.store(0, Ordering::SeqCst);
                    drop(guard);
                });
            }
        });
        ends(&sim, pool);
    });
}

#[test]
fn panics_reach_the_joiner_and_leave_the_pool_whole() {
    seeds::check(count(100), |seed| {
        let (sim, pool) = pool(seed, 2);
        for fails in 0..8 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.enter(|w| {
                    let next = AtomicUsize::new(0);
                    leaf_panics(w, &sim, 3, fails, &next)
                })
            }));
            assert!(caught.is_err());
        }
        assert_eq!(pool.install(|w| tree(w, &sim, 3)), 8);
        ends(&sim, pool);
    });
}

fn leaf_panics(
    worker: Worker<'_, SimEnv>,
    sim: &Sim,
    depth: u32,
    fails: usize,
    next: &AtomicUsize,
) {
    sim.yield_now();
    if depth == 0 {
        if next.fetch_add(1, Ordering::Relaxed) == fails {
            resume_unwind(Box::new("a leaf"));
        }
        return;
    }
    worker.join(
        |w| leaf_panics(w, sim, depth - 1, fails, next),
        |w| leaf_panics(w, sim, depth - 1, fails, next),
    );
}

#[test]
fn spawned_jobs_broadcasts_and_blocked_workers_all_end() {
    seeds::check(count(100), |seed| {
        let (sim, pool) = pool(seed, 1 + (seed % 3) as usize);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..4 {
            let ran = ran.clone();
            pool.spawn(move |worker| {
                let again = ran.clone();
                worker.spawn(move |_| {
                    again.fetch_add(1, Ordering::Relaxed);
                });
                worker.block_in_place(|| ());
                ran.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(pool.broadcast(|index| index).len(), pool.num_threads());
        ends(&sim, pool);
        assert_eq!(ran.load(Ordering::Relaxed), 8);
    });
}

/// Waits until `flag` is set, giving way.
fn until(sim: &Sim, flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        sim.yield_now();
    }
}

/// The job that the second half's scope waits for lies on the first half's worker, below another that is not the scope's; and
/// that worker waits for the second half.
#[test]
fn a_scope_finds_its_jobs_below_those_of_others() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 2);
        let [started, pushed, helped] = [const { AtomicBool::new(false) }; 3];
        let ran = AtomicUsize::new(0);
        pool.install(|w| {
            w.join(
                |w| {
                    until(&sim, &started);
                    w.spawn(|_| ());
                    pushed.store(true, Ordering::SeqCst);
                },
                |w| {
                    started.store(true, Ordering::SeqCst);
                    until(&sim, &pushed);
                    w.scope(|scope| {
                        w.join(
                            |_| until(&sim, &helped),
                            |_| {
                                helped.store(true, Ordering::SeqCst);
                                scope.spawn(|_| {
                                    ran.fetch_add(1, Ordering::Relaxed);
                                });
                            },
                        )
                    });
                },
            )
        });
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        ends(&sim, pool);
    });
}

/// Sleeps until `flag` is set.
fn sleep_until(sim: &Sim, flag: &AtomicU32) {
    while flag.load(Ordering::SeqCst) == 0 {
        sim.wait(flag, 0, None);
    }
}

fn set(sim: &Sim, flag: &AtomicU32) {
    flag.store(1, Ordering::SeqCst);
    sim.wake(flag, u32::MAX);
}

/// The job is published while the lent thread counts as a searcher, so that nobody is woken for it; then the thread leaves.
#[test]
fn a_lent_thread_that_leaves_hands_on_what_it_did_not_run() {
    seeds::check(count(150), |seed| {
        let (sim, builder) = builder(seed, 1);
        let lender = Builder::new(SimEnv(sim.clone())).num_threads(1);
        let lender = lender.build().expect("a pool");
        let pool = Arc::new(builder.build().expect("a pool"));
        let flags = Arc::new([const { AtomicU32::new(0) }; 3]);
        let [asked, pushed, ran] = &*flags;
        {
            let (sim, pool, flags) = (sim.clone(), pool.clone(), flags.clone());
            lender.spawn(move |_| {
                sleep_until(&sim, &flags[0]);
                let (there, ran) = (sim.clone(), flags.clone());
                pool.spawn(move |_| set(&there, &ran[2]));
                set(&sim, &flags[1]);
            });
        }
        pool.run_worker(|| {
            set(&sim, asked);
            sleep_until(&sim, pushed);
            true
        })
        .expect("a place");
        sleep_until(&sim, ran);
        drop(lender);
        ends(&sim, Arc::into_inner(pool).expect("its only user"));
    });
}

/// Spares come and go: while a job blocks for another, there is always one who may run it.
#[test]
fn jobs_that_block_for_others_again_and_again_are_replaced_each_time() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 2);
        let ended = Arc::new([const { AtomicU32::new(0) }; 3]);
        for index in 0..3 {
            let (sim, ended) = (sim.clone(), ended.clone());
            pool.spawn(move |worker| {
                for _ in 0..3 {
                    let flag = Arc::new(AtomicU32::new(0));
                    let (there, told) = (sim.clone(), flag.clone());
                    worker.spawn(move |_| set(&there, &told));
                    worker.block_in_place(|| sleep_until(&sim, &flag));
                }
                set(&sim, &ended[index]);
            });
        }
        for ended in &*ended {
            sleep_until(&sim, ended);
        }
        ends(&sim, pool);
    });
}

#[test]
fn pools_that_broadcast_to_each_other_do_not_wait_in_a_circle() {
    seeds::check(count(100), |seed| {
        let (sim, builder) = builder(seed, 1);
        let other = Builder::new(SimEnv(sim.clone())).num_threads(1);
        let pools = [builder, other].map(|builder| Arc::new(builder.build().expect("a pool")));
        let flags = Arc::new([const { AtomicU32::new(0) }; 4]);
        for index in 0..2 {
            let (sim, other, flags) = (sim.clone(), pools[1 - index].clone(), flags.clone());
            pools[index].spawn(move |_| {
                set(&sim, &flags[index]);
                sleep_until(&sim, &flags[1 - index]);
                // A wait for a half in the other's pool lets its broadcast in, too.
                if index == 1 && seed % 2 == 1 {
                    let (left, right) = other.join(|w| tree(w, &sim, 2), |w| tree(w, &sim, 2));
                    assert_eq!(left + right, 8);
                }
                assert_eq!(other.broadcast(|index| index), [0]);
                drop(other);
                set(&sim, &flags[2 + index]);
            });
        }
        sleep_until(&sim, &flags[2]);
        sleep_until(&sim, &flags[3]);
        drop(pools);
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}

/// A thread waits, as a guest of another pool, for a half that broadcasts to the thread's own pool.
#[test]
fn a_thread_that_waits_in_another_pool_runs_its_own_pools_mail() {
    seeds::check(count(100), |seed| {
        let (sim, builder) = builder(seed, 1);
        let own = builder.build().expect("a pool");
        let other = Builder::new(SimEnv(sim.clone())).num_threads(1);
        let other = other.build().expect("a pool");
        let begun = AtomicU32::new(0);
        let (_, heard) = own.install(|_| {
            other.join(
                |w| w.block_in_place(|| sleep_until(&sim, &begun)),
                |_| {
                    set(&sim, &begun);
                    own.broadcast(|index| index)
                },
            )
        });
        assert_eq!(heard, [0]);
        drop(other);
        ends(&sim, own);
    });
}

/// Two jobs of a guest, of which the first waits for the second: whoever took the first wakes somebody for the second, guest or not.
#[test]
fn a_guests_jobs_are_all_run_though_it_does_nothing_itself() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 2);
        let [first, second] = [const { AtomicU32::new(0) }; 2].map(Arc::new);
        // Most seeds: until both threads sleep.
        for _ in 0..seed % 200 {
            sim.yield_now();
        }
        pool.enter(|w| {
            let (there, waits, ran) = (sim.clone(), second.clone(), first.clone());
            w.spawn(move |_| {
                sleep_until(&there, &waits);
                set(&there, &ran);
            });
            let (there, ran) = (sim.clone(), second.clone());
            w.spawn(move |_| set(&there, &ran));
            sleep_until(&sim, &first);
        });
        ends(&sim, pool);
    });
}

/// Threads without work end as soon as the pool is dropped; one that works still may send something to all of them.
#[test]
fn broadcasts_in_a_pool_that_is_dropped_come_back() {
    seeds::check(count(150), |seed| {
        let (sim, builder) = builder(seed, 2);
        let heard = Arc::new(AtomicUsize::new(0));
        let (env, there) = (SimEnv(sim.clone()), heard.clone());
        let pool = builder
            .exit_handler(move |_| {
                with_current(&env, |worker| {
                    let worker = worker.expect("a thread of the pool");
                    assert_eq!(worker.broadcast(|index| index), [0, 1]);
                    let there = there.clone();
                    worker.spawn(move |_| {
                        there.fetch_add(100, Ordering::Relaxed);
                    });
                });
            })
            .build()
            .expect("a pool");
        let (there, all) = (sim.clone(), heard.clone());
        pool.spawn(move |worker| {
            for _ in 0..seed % 100 {
                there.yield_now();
            }
            assert_eq!(worker.broadcast(|index| index), [0, 1]);
            worker.spawn_broadcast(move |index| {
                all.fetch_add(1 + 10 * index, Ordering::Relaxed);
            });
        });
        ends(&sim, pool);
        assert_eq!(heard.load(Ordering::Relaxed), 200 + 12);
    });
}

/// What nobody waits for is no business of a wait's: it may want a lock that is held across it.
#[test]
fn broadcast_jobs_do_not_run_inside_waits() {
    seeds::check(count(200), |seed| {
        let (sim, pool) = pool(seed, 1 + (seed % 3) as usize);
        let threads = pool.num_threads();
        let waits = Arc::new([const { AtomicU32::new(0) }; 3]);
        let counts = Arc::new([const { AtomicUsize::new(0) }; 2]);
        pool.install(|worker| {
            let waiting = &waits[worker.index()];
            waiting.store(1, Ordering::Relaxed);
            let (waits, counts) = (waits.clone(), counts.clone());
            worker.spawn_broadcast(move |index| {
                let inside = waits[index].load(Ordering::Relaxed);
                counts[0].fetch_add(inside as usize, Ordering::Relaxed);
                counts[1].fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(tree(worker, &sim, 3), 8);
            worker.scope(|scope| scope.spawn(|_| sim.yield_now()));
            waiting.store(0, Ordering::Relaxed);
        });
        ends(&sim, pool);
        let [inside, heard] = &*counts;
        assert_eq!(inside.load(Ordering::Relaxed), 0);
        assert_eq!(heard.load(Ordering::Relaxed), threads);
    });
}

#[test]
fn a_scope_waits_for_what_it_sent_to_every_thread() {
    fn send<'scope>(scope: &Scope<'scope, SimEnv>, [sum, jobs]: &'scope [AtomicUsize; 2]) {
        scope.spawn_broadcast(move |scope, index| {
            sum.fetch_add(index, Ordering::Relaxed);
            scope.spawn(move |_| {
                jobs.fetch_add(1, Ordering::Relaxed);
            });
        });
    }
    seeds::check(count(100), |seed| {
        let (sim, pool) = pool(seed, 1 + (seed % 3) as usize);
        let threads = pool.num_threads();
        let counts = [const { AtomicUsize::new(0) }; 2];
        pool.scope(|scope| send(scope, &counts));
        pool.install(|w| w.scope(|scope| send(scope, &counts)));
        let [sum, jobs] = counts;
        assert_eq!(sum.load(Ordering::Relaxed), threads * (threads - 1));
        assert_eq!(jobs.load(Ordering::Relaxed), 2 * threads);
        ends(&sim, pool);
    });
}

/// Spares that start while the pool is dropped, in places of others that have ended, are waited for.
#[test]
fn a_drop_waits_for_spares_that_start_late() {
    seeds::check(count(200), |seed| {
        let (sim, builder) = builder(seed, 1);
        let pool = builder.spares(2).build().expect("a pool");
        let flags = Arc::new([const { AtomicU32::new(0) }; 4]);
        let [nested, ..] = &*flags;
        {
            // Blocks, so that the first spare comes, which blocks too, so that the second comes, which lets both go.
            let (sim, flags) = (sim.clone(), flags.clone());
            pool.spawn(move |w| {
                let (there, inner) = (sim.clone(), flags.clone());
                w.spawn(move |w| {
                    let (sim, flags) = (there.clone(), inner.clone());
                    w.spawn(move |w| last_of_spares(w, &sim, &flags));
                    w.block_in_place(|| sleep_until(&there, &inner[0]));
                });
                w.block_in_place(|| sleep_until(&sim, &flags[0]));
            });
        }
        sleep_until(&sim, nested);
        set(&sim, &flags[1]);
        ends(&sim, pool);
        assert_eq!(flags[3].load(Ordering::SeqCst), 1, "a job was left behind");
    });
}

fn last_of_spares(worker: Worker<'_, SimEnv>, sim: &Sim, flags: &Arc<[AtomicU32; 4]>) {
    set(sim, &flags[0]);
    sleep_until(sim, &flags[1]);
    // The drop has begun, or is about to; the others see that there is nothing for them.
    for _ in 0..300 {
        sim.yield_now();
    }
    let (there, told) = (sim.clone(), flags.clone());
    worker.spawn(move |_| {
        set(&there, &told[2]);
        for _ in 0..300 {
            there.yield_now();
        }
        set(&there, &told[3]);
    });
    worker.block_in_place(|| sleep_until(sim, &flags[2]));
}

/// First halves that wait for second ones further out, one of which was public already when the worker blocked.
#[test]
fn a_blocked_worker_shows_all_its_halves() {
    seeds::check(count(150), |seed| {
        fn nest(worker: Worker<'_, SimEnv>, sim: &Sim, depth: u32, flag: &AtomicU32) {
            if depth == 0 {
                worker.block_in_place(|| sleep_until(sim, flag));
                return;
            }
            sim.yield_now();
            worker.join(
                |w| nest(w, sim, depth - 1, flag),
                |_| {
                    if depth == 1 {
                        set(sim, flag);
                    }
                },
            );
        }
        let (sim, builder) = builder(seed, 1);
        let pool = builder.lean_joins(false).build().expect("a pool");
        pool.install(|w| {
            // What would make joins lean. Without it the first half to be pushed is public from the start.
            if seed.is_multiple_of(10) {
                tree(w, &sim, 8);
            }
            nest(w, &sim, 2 + (seed / 10 % 5) as u32, &AtomicU32::new(0));
        });
        ends(&sim, pool);
    });
}

/// A filter of system calls that comes while the pool works.
#[test]
fn a_pool_goes_on_when_fences_are_forbidden_to_it() {
    seeds::check(count(150), |seed| {
        let (sim, pool) = pool(seed, 3);
        let ran = AtomicUsize::new(0);
        let ran = &ran;
        for round in 0..4 {
            pool.scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|scope| {
                        scope.spawn(|_| {
                            ran.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                }
                if round == 1 {
                    sim.forbid_fences();
                }
            });
            assert_eq!(pool.install(|w| tree(w, &sim, 3)), 8);
        }
        assert_eq!(ran.load(Ordering::Relaxed), 24);
        ends(&sim, pool);
    });
}

#[test]
fn a_pool_may_do_without_asymmetric_fences() {
    seeds::check(count(50), |seed| {
        let (sim, builder) = builder(seed, 2);
        let pool = builder.asymmetric_fences(false).build().expect("a pool");
        // Were it to ask for one after all, it would stop for the time that this costs.
        sim.forbid_fences();
        let start = sim.now(ClockId::Monotonic);
        pool.scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|_| sim.yield_now());
            }
        });
        assert_eq!(pool.enter(|w| tree(w, &sim, 3)), 8);
        ends(&sim, pool);
        let took = sim.now(ClockId::Monotonic).as_ns() - start.as_ns();
        assert!(took < 10_000_000, "{took} ns of the machine's own time");
    });
}

#[test]
fn a_thread_that_does_not_start_fails_the_build_and_nothing_else() {
    seeds::check(count(50), |seed| {
        let (sim, builder) = builder(seed, 3);
        sim.fail_nth(Operation::Spawn, 1 + seed % 3, Kind::Limit);
        assert!(builder.build().is_err());
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}

#[test]
fn a_spare_that_does_not_start_slows_and_does_not_fail() {
    seeds::check(count(50), |seed| {
        let (sim, pool) = pool(seed, 1);
        sim.fail_nth(Operation::Spawn, 1, Kind::Limit);
        assert_eq!(pool.install(|w| w.block_in_place(|| 5)), 5);
        assert_eq!(pool.enter(|w| tree(w, &sim, 3)), 8);
        ends(&sim, pool);
    });
}

#[test]
fn one_seed_is_one_run() {
    let run = || {
        let (sim, pool) = pool(7, 3);
        assert_eq!(pool.enter(|w| tree(w, &sim, 5)), 32);
        ends(&sim, pool);
        sim.trace_hash()
    };
    assert_eq!(run(), run());
}

/// Takes the items of a loop.
struct Taken;

impl Consumer<()> for Taken {
    type Acc = ();
    fn start(&self) {}
    fn eat(&self, (): (), _: usize, items: impl Iterator<Item = ()>) {
        items.for_each(|()| ());
    }
    fn merge(&self, (): (), (): ()) {}
}

/// Runs a loop whose items take so many steps each, and returns which thread ran each of them.
fn runners(
    worker: Worker<'_, SimEnv>,
    sim: &Sim,
    count: usize,
    steps: impl Fn(usize) -> usize + Sync + Send,
) -> Vec<ThreadId> {
    let ran = std::sync::Mutex::new(vec![std::thread::current().id(); count]);
    let each = Each::new(|index| {
        for _ in 0..steps(index) {
            sim.yield_now();
        }
        ran.lock().expect("no panic")[index] = std::thread::current().id();
    });
    drive(worker, Map::new(RangeIter(0..count), each), &Taken);
    ran.into_inner().expect("no panic")
}

/// How many items the thread of the one at `place` ran.
fn share_of(ran: &[ThreadId], place: usize) -> usize {
    ran.iter().filter(|id| **id == ran[place]).count()
}

#[test]
fn a_heavy_item_does_not_keep_light_ones_waiting() {
    seeds::check(count(20), light_beside_heavy);
}

/// In this seed the other thread is awake when the first loop begins and sleeps when it ends, so that the second one has to wake it.
#[test]
fn a_tree_that_began_beside_a_searcher_is_not_taken_for_a_short_one() {
    light_beside_heavy(6_147);
}

fn light_beside_heavy(seed: u64) {
    let (sim, pool) = pool(seed, 2);
    // The other thread has half of them, 500, and is done with those long before the heavy item is. Then it gets half of what
    // is left here.
    for (heavy, most) in [(0, 320), (300, 450)] {
        let steps = |index| if index == heavy { 4_000 } else { 1 };
        let ran = pool.install(|worker| runners(worker, &sim, 1_000, steps));
        let share = share_of(&ran, heavy);
        assert!(share <= most, "{share} beside item {heavy}");
    }
    ends(&sim, pool);
}

/// Loops so short that no thief comes in time, so that loops are not split at their start any more, and then some of heavy items.
fn heavy_after_light(seed: u64) {
    let (sim, pool) = pool(seed, 2);
    pool.install(|worker| {
        for _ in 0..40 {
            runners(worker, &sim, 10, |_| 0);
        }
        for (count, most) in [(64, 60), (64, 48), (64, 48), (16, 12), (16, 12), (16, 12)] {
            let ran = runners(worker, &sim, count, |_| 100);
            let share = share_of(&ran, 0);
            assert!(share <= most, "{share} of {count} items");
        }
    });
    ends(&sim, pool);
}

#[test]
fn loops_of_light_items_do_not_hide_a_heavy_one() {
    seeds::check(count(20), heavy_after_light);
}

/// In this seed the thief asks while the first block of a loop runs that nobody had asked for.
#[test]
fn a_thief_that_asks_just_after_the_start_gets_its_share() {
    heavy_after_light(2_818);
}

/// As [`heavy_after_light`], with a loop whose first block is as light as those before it.
fn light_then_heavy(seed: u64) {
    let (sim, pool) = pool(seed, 2);
    pool.install(|worker| {
        for _ in 0..40 {
            runners(worker, &sim, 10, |_| 0);
        }
        let steps = |index| if index < 16 { 0 } else { 20 };
        let ran = runners(worker, &sim, 1_000, steps);
        assert!(share_of(&ran, 0) < 1_000, "one thread ran all of it");
    });
    ends(&sim, pool);
}

#[test]
fn a_light_start_of_a_loop_does_not_hide_its_heavy_rest() {
    seeds::check(count(20), light_then_heavy);
}
