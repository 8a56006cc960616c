//! Spawned jobs, and calls into the pool from outside.

use super::{
    Time, chili_is, chili_of, ours_of, rayon_is, rayon_of, thread_cpu, threads_are, timed, us,
};
#[cfg(feature = "forte")]
use super::{forte_is, forte_of};
use crate::case::{Case, Sample, Settings};
use core::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let quick = settings.quick;
    vec![
        spawn(1, 1_000, if quick { 200 } else { 1_000 }),
        spawn(1, if quick { 200_000 } else { 1_000_000 }, 1),
        spawn(2, 1_000, if quick { 200 } else { 1_000 }),
        enter(if quick { 20_000 } else { 100_000 }),
    ]
}

fn spawn(workers: usize, count: u64, times: u64) -> Case {
    let time = if workers == 1 {
        Time::Thread
    } else {
        Time::Wall
    };
    let operations = count * times;
    Case {
        name: format!(
            "scope spawn, {count} jobs a scope, {workers} worker{}",
            if workers == 1 { "" } else { "s" }
        ),
        terms: format!(
            "jobs of one addition, {times} scopes; {time:?} time of the worker that spawns, over all jobs"
        ),
        ours: us(move || {
            ours_of(workers).install(|| {
                let sum = AtomicU64::new(0);
                let sum = &sum;
                timed(time, times, count, &(), || {
                    underpin::pool::scope(|s| {
                        for _ in 0..count {
                            s.spawn(move |_| add(sum, workers));
                        }
                    });
                })
                .and_then(|sample| check(sample, sum, operations))
            })
        }),
        peers: peers![
            rayon_is(move || {
                rayon_of(workers).install(|| {
                    let sum = AtomicU64::new(0);
                    let sum = &sum;
                    timed(time, times, count, &(), || {
                        rayon::scope(|s| {
                            for _ in 0..count {
                                s.spawn(move |_| add(sum, workers));
                            }
                        });
                    })
                    .and_then(|sample| check(sample, sum, operations))
                })
            }),
            #[forte]
            forte_is(move || {
                forte_of(workers).with_worker(|w| {
                    let sum = AtomicU64::new(0);
                    let sum = &sum;
                    timed(time, times, count, &(), || {
                        w.scope(|s| {
                            for _ in 0..count {
                                s.spawn(move |_: &forte::Worker| add(sum, workers));
                            }
                        });
                    })
                    .and_then(|sample| check(sample, sum, operations))
                })
            }),
            threads_are(move || {
                let count = count.min(200);
                let sum = AtomicU64::new(0);
                timed(time, 1, count, &(), || {
                    for _ in 0..count {
                        std::thread::scope(|s| {
                            s.spawn(|| add(&sum, workers));
                        });
                    }
                })
                .and_then(|sample| check(sample, &sum, count))
            }),
        ],
    }
}

/// Where one worker runs them all, a plain addition will do: the load and the store cost next to nothing.
fn add(sum: &AtomicU64, workers: usize) {
    if workers == 1 {
        sum.store(sum.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    } else {
        sum.fetch_add(1, Ordering::Relaxed);
    }
}

fn check(sample: Sample, sum: &AtomicU64, want: u64) -> Result<Sample, String> {
    let got = sum.load(Ordering::Relaxed);
    if got == want {
        Ok(sample)
    } else {
        Err(format!("{got} jobs instead of {want}"))
    }
}

fn enter(count: u64) -> Case {
    Case {
        name: "call from outside, hot".into(),
        terms: format!(
            "{count} calls into a pool of one thread from a thread that is not its own, each with one empty join; the caller's thread CPU (rayon's workers burn theirs beside it)"
        ),
        ours: us(move || {
            calls(count, |i| {
                ours_of(1).enter(|w| w.join(|_| i, |_| black_box(1))).0
            })
        }),
        peers: peers![
            rayon_is(move || {
                calls(count / 20, |i| {
                    rayon_of(1).install(|| rayon::join(|| i, || black_box(1))).0
                })
            }),
            chili_is(move || {
                calls(count, |i| {
                    chili_of(1).scope().join(|_| i, |_| black_box(1)).0
                })
            }),
            #[forte]
            forte_is(move || { calls(count, |i| forte_of(1).join(|_| i, |_| black_box(1)).0) }),
        ],
    }
}

fn calls(count: u64, mut call: impl FnMut(u64) -> u64) -> Result<Sample, String> {
    let start = thread_cpu();
    let mut sum = 0;
    for i in 0..count {
        sum += call(i);
    }
    let elapsed = (thread_cpu() - start).max(Duration::from_nanos(1));
    if sum != count * (count - 1) / 2 {
        return Err(format!("sum {sum}"));
    }
    Ok(Sample {
        operations: count,
        elapsed,
    })
}
