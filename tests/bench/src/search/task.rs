//! A search that several can do, as a case: repeated until it takes long enough to measure, in CPU time of the thread.

use crate::case::{Case, Sample, Settings, Subject, locked_version};
use std::hint::black_box;
use std::time::Duration;

/// Gives a number that all who do the task must agree on.
pub(super) type Run = Box<dyn Fn() -> u64>;

/// One task.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) terms: String,
    /// Bytes that one run looks at, or runs' units if the task is counted otherwise.
    pub(super) bytes: usize,
    pub(super) ours: Run,
    /// Package and run.
    pub(super) peers: Vec<(&'static str, Run)>,
}

/// Takes as long as two gigabytes a second would: no input may bring us below it.
pub(super) fn floor(bytes: usize, result: u64) -> (&'static str, Run) {
    let run = move || {
        let end = cpu_time() + Duration::from_nanos(bytes as u64 / 2);
        while cpu_time() < end {}
        result
    };
    ("limit: floor of 2 GB", Box::new(run))
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Task {
    pub(super) fn into_case(self, settings: &Settings) -> Case {
        let expected = (self.ours)();
        let long_enough = Duration::from_micros(if settings.quick { 1_500 } else { 8_000 });
        let bytes = self.bytes;
        let batch = (400_000 / bytes.max(1)).clamp(1, 4_000);
        let subject = |name: &'static str, run: Run| {
            let version = match name {
                "underpin" => env!("CARGO_PKG_VERSION").to_owned(),
                "std" => String::new(),
                "glibc" => super::glibc::version(),
                limit if limit.starts_with("limit") => String::new(),
                "hyperscan" => super::hyperscan::version().unwrap_or_default(),
                _ => locked_version(name),
            };
            Subject::new(name, version, move |_| {
                let start = cpu_time();
                let mut operations = 0;
                loop {
                    for _ in 0..batch {
                        let found = black_box(&run)();
                        if found != expected {
                            return Err(format!("says {found}, not {expected}"));
                        }
                    }
                    operations += (batch * bytes) as u64;
                    let elapsed = cpu_time() - start;
                    if elapsed >= long_enough {
                        return Ok(Sample {
                            operations,
                            elapsed,
                        });
                    }
                }
            })
        };
        Case {
            name: self.name,
            terms: self.terms,
            ours: subject("underpin", self.ours),
            peers: self
                .peers
                .into_iter()
                .map(|(name, run)| subject(name, run))
                .collect(),
        }
    }
}

/// One task from expressions, each of which gives a number of the same type.
macro_rules! task {
    ($name:expr, $terms:expr, $bytes:expr, $ours:expr, $($peer:literal => $run:expr),+ $(,)?) => {
        Task {
            name: $name.into(),
            terms: $terms.into(),
            bytes: $bytes,
            ours: Box::new(move || $ours as u64),
            peers: vec![$(($peer, Box::new(move || $run as u64))),+],
        }
    };
}

pub(super) use task;
