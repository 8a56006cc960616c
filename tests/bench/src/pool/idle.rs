//! What a pool costs beside its work: processor time for small jobs that come now and then, and while nothing comes.

use super::{chili_is, ours_of, process_cpu, rayon_is, rayon_of, sequential, threads_are, us};
#[cfg(feature = "forte")]
use super::{forte_is, forte_of};
use crate::case::{Case, Sample, Settings};
use core::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    vec![
        trickle(if settings.quick { 200 } else { 1_000 }),
        latency(if settings.quick { 50 } else { 300 }),
        nothing(Duration::from_millis(if settings.quick {
            200
        } else {
            10_000
        })),
    ]
}

/// About 20 us of work.
fn work(seed: u64) -> u64 {
    (0..10_000_u64).fold(seed, |x, i| black_box(x.wrapping_mul(31) ^ i))
}

fn trickle(jobs: u64) -> Case {
    Case {
        name: "a small job each millisecond".into(),
        terms: format!(
            "{jobs} jobs of some 20 us in two halves, one a ms; the process's CPU time, of which less is better, chili's beat thread and spinning workers included; the limit sleeps between jobs as all do, which is most of its time"
        ),
        ours: us(move || {
            paced(jobs, |seed| {
                ours_of(2).enter(|w| w.join(|_| work(seed), |_| work(seed + 1)))
            })
        }),
        peers: peers![
            rayon_is(move || {
                paced(jobs, |seed| {
                    rayon_of(2).install(|| rayon::join(|| work(seed), || work(seed + 1)))
                })
            }),
            chili_is(move || {
                paced(jobs, |seed| {
                    super::chili_of(2)
                        .scope()
                        .join(|_| work(seed), |_| work(seed + 1))
                })
            }),
            #[forte]
            forte_is(move || {
                paced(jobs, |seed| {
                    forte_of(2).join(|_| work(seed), |_| work(seed + 1))
                })
            }),
            sequential(move || paced(jobs, |seed| (work(seed), work(seed + 1)))),
        ],
    }
}

fn paced(jobs: u64, mut job: impl FnMut(u64) -> (u64, u64)) -> Result<Sample, String> {
    let want = (work(0), work(1));
    let (cpu, start) = (process_cpu(), Instant::now());
    for index in 0..jobs {
        let at = Duration::from_millis(index);
        if let Some(rest) = at.checked_sub(start.elapsed()) {
            std::thread::sleep(rest);
        }
        if job(0) != want {
            return Err("a wrong answer".into());
        }
    }
    Ok(Sample {
        operations: jobs,
        elapsed: (process_cpu() - cpu).max(Duration::from_nanos(1)),
    })
}

fn latency(jobs: u64) -> Case {
    Case {
        name: "from submit to run, all idle".into(),
        terms: format!(
            "{jobs} jobs, each spawned from outside after two milliseconds of nothing; until the job's first instruction"
        ),
        ours: us(move || submits(jobs, |job| ours_of(2).spawn(job))),
        peers: peers![
            rayon_is(move || submits(jobs, |job| rayon_of(2).spawn(job))),
            #[forte]
            forte_is(move || {
                submits(jobs, |job| {
                    forte_of(2).spawn(move |_: &forte::Worker| job());
                })
            }),
            threads_are(move || {
                submits(jobs, |job| {
                    std::thread::spawn(job);
                })
            }),
        ],
    }
}

fn submits(jobs: u64, mut submit: impl FnMut(Box<dyn FnOnce() + Send>)) -> Result<Sample, String> {
    let mut elapsed = Duration::ZERO;
    for _ in 0..jobs {
        std::thread::sleep(Duration::from_millis(2));
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        submit(Box::new(move || {
            let _nobody_left = sender.send(start.elapsed());
        }));
        elapsed += receiver.recv().map_err(|_| "a job was lost".to_owned())?;
    }
    Ok(Sample {
        operations: jobs,
        elapsed: elapsed.max(Duration::from_nanos(1)),
    })
}

fn nothing(time: Duration) -> Case {
    Case {
        name: "idle".into(),
        terms: format!(
            "the process's CPU time over {} ms after a join, of which less is better; pools of the others lie idle beside each",
            time.as_millis()
        ),
        ours: us(move || {
            ours_of(2).enter(|w| w.join(|_| work(1), |_| work(2)));
            rest(time)
        }),
        peers: peers![
            rayon_is(move || {
                rayon_of(2).install(|| rayon::join(|| work(1), || work(2)));
                rest(time)
            }),
            chili_is(move || {
                super::chili_of(2).scope().join(|_| work(1), |_| work(2));
                rest(time)
            }),
            #[forte]
            forte_is(move || {
                forte_of(2).join(|_| work(1), |_| work(2));
                rest(time)
            }),
        ],
    }
}

fn rest(time: Duration) -> Result<Sample, String> {
    let cpu = process_cpu();
    std::thread::sleep(time);
    Ok(Sample {
        operations: 1,
        elapsed: (process_cpu() - cpu).max(Duration::from_nanos(1)),
    })
}
