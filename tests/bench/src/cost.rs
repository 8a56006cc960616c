//! What a round costs beside its time: processor time, bytes handed to the system, disk space, memory, and the slowest calls.

use crate::case::Sample;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a round cost. What was not measured is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// Processor time of the process, all its threads, for an operation.
    pub(crate) cpu_ns_per_operation: Option<f64>,
    /// Bytes of its write calls for each byte of keys and values that it was given.
    pub(crate) written_per_byte: Option<f64>,
    /// Bytes that its files take.
    pub(crate) disk_bytes: Option<f64>,
    /// The most memory that it had, in bytes.
    pub(crate) peak_bytes: Option<f64>,
}

/// How long the slowest hundredth and thousandth of calls took at least, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Cost {
    const FIELDS: [&'static str; 4] = [
        "cpu_ns_per_operation",
        "written_per_byte",
        "disk_bytes",
        "peak_bytes",
    ];

    /// Its figures under their names.
    pub(crate) fn fields(&self) -> [(&'static str, Option<f64>); 4] {
        let Self {
            cpu_ns_per_operation,
            written_per_byte,
            disk_bytes,
            peak_bytes,
        } = *self;
        let values = [
            cpu_ns_per_operation,
            written_per_byte,
            disk_bytes,
            peak_bytes,
        ];
        std::array::from_fn(|index| (Self::FIELDS[index], values[index]))
    }

    pub(crate) fn to_json(self) -> Value {
        self.fields()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect()
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let [
            cpu_ns_per_operation,
            written_per_byte,
            disk_bytes,
            peak_bytes,
        ] = Self::FIELDS.map(|name| value[name].as_f64());
        Self {
            cpu_ns_per_operation,
            written_per_byte,
            disk_bytes,
            peak_bytes,
        }
    }
}

impl Tail {
    /// The tail of some calls, if they are many enough to have one.
    pub(crate) fn of(mut calls_ns: Vec<u32>) -> Option<Self> {
        if calls_ns.len() < 1000 {
            return None;
        }
        calls_ns.sort_unstable();
        let at = |share: f64| {
            let index = (calls_ns.len() as f64 * share) as usize;
            f64::from(calls_ns[index.min(calls_ns.len() - 1)])
        };
        Some(Self {
            p99: at(0.99),
            p999: at(0.999),
        })
    }
}

/// Bytes of keys and values that were given to the store.
static GIVEN_BYTES: AtomicU64 = AtomicU64::new(0);
/// Whether each call is timed, which not every round does: it costs a look at the clock.
static TIMED: AtomicBool = AtomicBool::new(false);
static CALLS_NS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static LAST: Mutex<Option<Cost>> = Mutex::new(None);

/// Notes bytes that are to be stored.
pub(crate) fn given(bytes: usize) {
    GIVEN_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Does a call, timed if that is wanted.
pub(crate) fn call<T>(work: impl FnOnce() -> T) -> T {
    if !TIMED.load(Ordering::Relaxed) {
        return work();
    }
    let start = Instant::now();
    let done = work();
    let ns = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
    CALLS_NS.lock().expect("nobody panics in here").push(ns);
    done
}

/// Has calls timed from now on, or not.
pub(crate) fn time_calls(timed: bool) {
    TIMED.store(timed, Ordering::Relaxed);
}

/// The calls that were timed since the last [`Watch::start`].
pub(crate) fn take_calls() -> Vec<u32> {
    std::mem::take(&mut CALLS_NS.lock().expect("nobody panics in here"))
}

/// What the last round cost.
pub(crate) fn take_last() -> Cost {
    let mut last = LAST.lock().expect("nobody panics in here");
    last.take().unwrap_or_default()
}

/// A task that is being measured, in a process that does nothing else.
pub(crate) struct Watch {
    start: Instant,
    cpu: Duration,
    written: u64,
    given: u64,
}

impl Watch {
    pub(crate) fn start() -> Self {
        // The most memory of a round is that since its start, where the system can forget the one before.
        let _ = fs::write("/proc/self/clear_refs", "5");
        take_calls();
        Self {
            given: GIVEN_BYTES.load(Ordering::Relaxed),
            written: written_bytes(),
            cpu: cpu_time(),
            start: Instant::now(),
        }
    }

    /// Ends the task, whose files are in `dir`.
    pub(crate) fn stop(self, operations: u64, dir: &Path) -> Sample {
        let elapsed = self.start.elapsed();
        let cpu = cpu_time().saturating_sub(self.cpu);
        let written = written_bytes().saturating_sub(self.written);
        let given = GIVEN_BYTES.load(Ordering::Relaxed) - self.given;
        let cost = Cost {
            cpu_ns_per_operation: Some(cpu.as_nanos() as f64 / operations.max(1) as f64),
            written_per_byte: (given > 0).then(|| written as f64 / given as f64),
            disk_bytes: Some(disk_bytes(dir) as f64),
            peak_bytes: peak_bytes("self"),
        };
        *LAST.lock().expect("nobody panics in here") = Some(cost);
        Sample {
            operations,
            elapsed,
        }
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Bytes of all write calls of this process.
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Bytes that the files below `dir` take on disk.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
            Ok(data) => data.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// The most memory that a process had, in bytes.
pub(crate) fn peak_bytes(process: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_that_of_the_slowest_calls() {
        assert_eq!(Tail::of(vec![1; 999]), None);
        let tail = Tail::of((0..10_000).rev().collect()).unwrap();
        assert_eq!((tail.p99, tail.p999), (9900.0, 9990.0));
    }

    #[test]
    fn a_cost_comes_back_from_json() {
        let cost = Cost {
            cpu_ns_per_operation: Some(1.5),
            disk_bytes: Some(4096.0),
            ..Cost::default()
        };
        assert_eq!(Cost::from_json(&cost.to_json()), cost);
    }
}
