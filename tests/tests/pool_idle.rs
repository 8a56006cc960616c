//! What an idle pool does, which is nothing, and how many threads one job wakes, which is one.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::mpsc;
use underpin::pool::{Event, ThreadPool, ThreadPoolBuilder, WorkerMetrics};

fn total(pool: &ThreadPool, field: fn(&WorkerMetrics) -> usize) -> usize {
    pool.metrics().iter().map(field).sum()
}

/// Waits until all `threads` sleep.
fn settle(pool: &ThreadPool, threads: usize) {
    let all = format!("searching: 0, parked: {threads}");
    while !format!("{pool:?}").contains(&all) {
        std::thread::yield_now();
    }
}

/// The metrics when all `threads` sleep and have counted it, which they do a moment after they announced it.
fn still(pool: &ThreadPool, threads: usize) -> Vec<WorkerMetrics> {
    settle(pool, threads);
    let mut before = pool.metrics();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let now = pool.metrics();
        if now == before && now.iter().all(|worker| worker.parks > 0) {
            return now;
        }
        before = now;
    }
}

#[test]
fn an_idle_pool_does_nothing() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .expect("threads");
    let before = still(&pool, 3);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(pool.metrics(), before, "somebody woke");
}

#[test]
fn one_job_wakes_one_thread() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .expect("threads");
    still(&pool, 3);
    let parks = || total(&pool, |worker| worker.parks);
    let before = parks();
    for round in 1..=50 {
        let (sender, receiver) = mpsc::channel();
        pool.spawn(move || sender.send(()).expect("the receiver waits"));
        receiver.recv().expect("the job runs");
        // Whoever woke sleeps again.
        while parks() < before + round {
            std::thread::yield_now();
        }
        settle(&pool, 3);
        assert_eq!(parks(), before + round);
    }
}

static PARKS: AtomicUsize = AtomicUsize::new(0);
static UNPARKS: AtomicUsize = AtomicUsize::new(0);
static STARTS: AtomicUsize = AtomicUsize::new(0);
static EXITS: AtomicUsize = AtomicUsize::new(0);
static STEALS: AtomicUsize = AtomicUsize::new(0);

fn trace(_worker: usize, event: Event) {
    let counter = match event {
        Event::Park => &PARKS,
        Event::Unpark => &UNPARKS,
        Event::Start => &STARTS,
        Event::Exit => &EXITS,
        Event::Steal { .. } => &STEALS,
        _ => return,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn the_trace_hook_hears_what_the_metrics_count() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(2)
        .trace(trace)
        .build()
        .expect("threads");
    let jobs = AtomicUsize::new(0);
    for _ in 0..20 {
        pool.scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|_| {
                    jobs.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
    }
    assert_eq!(jobs.into_inner(), 2_000);
    assert_eq!(total(&pool, |worker| worker.jobs), 2_000);
    settle(&pool, 2);
    let (steals, parks) = (
        total(&pool, |worker| worker.steals),
        total(&pool, |worker| worker.parks),
    );
    drop(pool);
    assert_eq!(STARTS.load(Ordering::Relaxed), 2);
    assert_eq!(EXITS.load(Ordering::Relaxed), 2);
    assert_eq!(STEALS.load(Ordering::Relaxed), steals);
    // Sleeps in the wait for a scope are counted, but are none for want of work.
    assert!(PARKS.load(Ordering::Relaxed) <= parks);
    assert_eq!(
        PARKS.load(Ordering::Relaxed),
        UNPARKS.load(Ordering::Relaxed)
    );
}
