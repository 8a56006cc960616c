//! The pool against rayon, chili, plain threads and sequential code.
//!
//! One-worker cases take the processor time of the thread that works, so that a busy machine hardly shows; two-worker cases take wall
//! time.
//!
//! forte says that it wants a compiler newer than the project's, though this one builds it: it is behind the feature `forte`, which
//! `cargo xtask bench` asks for together with `--ignore-rust-version` unless `--quick` is given.

/// The peers of a case; those marked `#[forte]` are there if the feature is on.
macro_rules! peers {
    (@ $peers:ident) => {};
    (@ $peers:ident #[forte] $peer:expr, $($rest:tt)*) => {
        #[cfg(feature = "forte")]
        $peers.push($peer);
        peers!(@ $peers $($rest)*);
    };
    (@ $peers:ident $peer:expr, $($rest:tt)*) => {
        $peers.push($peer);
        peers!(@ $peers $($rest)*);
    };
    ($($all:tt)*) => {{
        let mut peers = Vec::new();
        peers!(@ peers $($all)*);
        peers
    }};
}

mod forks;
mod idle;
mod kernels;
mod loops;
mod programs;
mod spawn;
mod trees;

use crate::case::{Case, Sample, Settings, Subject, locked_version};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use underpin::pool::{ThreadPool, ThreadPoolBuilder};

/// The cases.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let mut cases = trees::cases(settings);
    cases.extend(kernels::cases(settings));
    cases.extend(programs::cases(settings));
    cases.extend(loops::cases(settings));
    cases.extend(spawn::cases(settings));
    cases.extend(idle::cases(settings));
    Ok(cases)
}

/// How time is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// The processor time of the thread that calls.
    Thread,
    /// Wall time.
    Wall,
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs `task` `times` times on this thread; each answer must be `want`.
fn timed<T: PartialEq + core::fmt::Debug>(
    time: Time,
    times: u64,
    operations: u64,
    want: &T,
    mut task: impl FnMut() -> T,
) -> Result<Sample, String> {
    let (cpu, wall) = (thread_cpu(), Instant::now());
    for _ in 0..times {
        let got = task();
        if got != *want {
            return Err(format!("{got:?} instead of {want:?}"));
        }
    }
    let elapsed = match time {
        Time::Thread => thread_cpu() - cpu,
        Time::Wall => wall.elapsed(),
    };
    Ok(Sample {
        operations: times * operations,
        elapsed: elapsed.max(Duration::from_nanos(1)),
    })
}

/// So many numbers at random, the same ones each time.
fn noise(count: usize) -> Vec<u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| next()).collect()
}

/// Whether these are `count` numbers in order.
fn sorted(numbers: &[u64], count: usize) -> bool {
    numbers.len() == count && numbers.is_sorted()
}

fn pool_of(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads for our pool")
}

/// Our pool of one or two threads.
fn ours_of(threads: usize) -> &'static ThreadPool {
    static POOLS: [OnceLock<ThreadPool>; 3] = [const { OnceLock::new() }; 3];
    POOLS[threads].get_or_init(|| pool_of(threads))
}

fn rayon_of(threads: usize) -> &'static rayon::ThreadPool {
    static POOLS: [OnceLock<rayon::ThreadPool>; 3] = [const { OnceLock::new() }; 3];
    POOLS[threads].get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads for rayon")
    })
}

/// chili counts the caller's thread beside its own.
fn chili_of(threads: usize) -> &'static chili::ThreadPool {
    static POOLS: [OnceLock<chili::ThreadPool>; 3] = [const { OnceLock::new() }; 3];
    POOLS[threads].get_or_init(|| {
        chili::ThreadPool::with_config(chili::Config {
            thread_count: core::num::NonZero::new(threads),
            ..chili::Config::default()
        })
    })
}

/// forte's caller takes part, too.
#[cfg(feature = "forte")]
fn forte_of(threads: usize) -> &'static forte::ThreadPool {
    static POOLS: [forte::ThreadPool; 3] = [const { forte::ThreadPool::new() }; 3];
    static SIZED: [std::sync::Once; 3] = [const { std::sync::Once::new() }; 3];
    let pool = &POOLS[threads];
    SIZED[threads].call_once(|| {
        pool.resize_to(threads - 1);
    });
    pool
}

fn us(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("underpin", env!("CARGO_PKG_VERSION").to_owned(), run)
}

fn rayon_is(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("rayon", locked_version("rayon"), run)
}

fn chili_is(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("chili", locked_version("chili"), run)
}

#[cfg(feature = "forte")]
fn forte_is(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("forte", locked_version("forte"), run)
}

fn chili_every_is(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("chili, each join", locked_version("chili"), run)
}

fn sequential(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("limit: sequential", String::new(), run)
}

fn threads_are(run: impl FnMut() -> Result<Sample, String> + 'static) -> Subject {
    subject("std threads", String::new(), run)
}

fn subject(
    name: &'static str,
    version: String,
    mut run: impl FnMut() -> Result<Sample, String> + 'static,
) -> Subject {
    Subject::new(name, version, move |_| run())
}
