//! Each round of a case in a process of its own, so that its peak of memory is its own, and so that libraries that replace the C
//! library's `malloc` can be measured by preloading them.

use super::{Heap, ROWS, Row, processor_time};
use crate::case::{Sample, Subject, locked_version};
use std::alloc::System;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The first argument of a process that runs one round.
pub(crate) const ARGUMENT: &str = "--alloc-round";

/// Debian's libraries, preloaded under the C library's functions.
const LIBRARIES: &[(&str, &str)] = &[
    ("tcmalloc", "libtcmalloc_minimal.so.4"),
    ("jemalloc (C)", "libjemalloc.so.2"),
    ("mimalloc (C)", "libmimalloc.so.2"),
];
const DIRECTORIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// The libraries that are there: name, path, version.
pub(super) fn libraries() -> Vec<(&'static str, PathBuf, String)> {
    let find = |file: &str| {
        let path = DIRECTORIES.iter().map(|dir| Path::new(dir).join(file));
        path.into_iter().find(|path| path.is_file())
    };
    LIBRARIES
        .iter()
        .filter_map(|(name, file)| {
            let Some(path) = find(file) else {
                eprintln!("alloc: {name} is left out: there is no {file}");
                return None;
            };
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let real = real.to_string_lossy();
            let version = real.rsplit_once(".so.").map_or("", |(_, version)| version);
            Some((*name, path, format!("so.{version}")))
        })
        .collect()
}

fn heap(name: &str) -> Option<Heap> {
    Some(match name {
        "underpin" => &underpin::alloc::Underpin,
        "mimalloc" => &mimalloc::MiMalloc,
        "system" => &System,
        #[cfg(feature = "slow-alloc")]
        "jemalloc" => &tikv_jemallocator::Jemalloc,
        #[cfg(feature = "slow-alloc")]
        "snmalloc" => &snmalloc_rs::SnMalloc,
        _ => return None,
    })
}

/// Us.
pub(super) fn ours(row: &'static Row, steps: u64) -> Subject {
    subject(
        "underpin",
        env!("CARGO_PKG_VERSION").into(),
        row,
        "underpin",
        None,
        steps,
    )
}

/// Everybody else.
pub(super) fn peers(row: &'static Row, steps: u64) -> Vec<Subject> {
    let crates = [
        ("mimalloc", "mimalloc", true),
        (
            "jemalloc",
            "tikv-jemallocator",
            cfg!(feature = "slow-alloc"),
        ),
        ("snmalloc", "snmalloc-rs", cfg!(feature = "slow-alloc")),
    ];
    let crates = crates
        .into_iter()
        .filter(|(.., there)| *there)
        .map(|(name, package, _)| subject(name, locked_version(package), row, name, None, steps));
    let glibc = subject("glibc", "the system's".into(), row, "system", None, steps);
    let preloaded = libraries()
        .into_iter()
        .map(|(name, path, version)| subject(name, version, row, "system", Some(path), steps));
    crates.chain([glibc]).chain(preloaded).collect()
}

fn subject(
    name: &'static str,
    version: String,
    row: &'static Row,
    heap: &'static str,
    preload: Option<PathBuf>,
    steps: u64,
) -> Subject {
    Subject::with_peak(name, version, move |_| {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut round = Command::new(program);
        round.args([ARGUMENT, row.name, heap, &steps.to_string()]);
        if let Some(library) = &preload {
            round.env("LD_PRELOAD", library);
        }
        let output = round.output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> = said.split_whitespace().flat_map(str::parse).collect();
        let ([operations, nanoseconds, peak_kib], true) = (&numbers[..], output.status.success())
        else {
            return Err(format!(
                "{}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        };
        let sample = Sample {
            operations: *operations,
            elapsed: Duration::from_nanos(*nanoseconds),
        };
        Ok((sample, *peak_kib))
    })
}

/// One round, after a short one that does not count: operations, nanoseconds of processor time, and the peak of memory in KiB.
pub(crate) fn round(arguments: &[String]) -> Result<String, String> {
    let [name, heap_name, steps] = arguments else {
        return Err("a round wants a case, a heap and steps".into());
    };
    let row = ROWS
        .iter()
        .find(|row| row.name == name)
        .ok_or("no such case")?;
    let heap = heap(heap_name).ok_or("no such heap")?;
    let steps: u64 = steps.parse().map_err(|_| "steps are a number")?;
    (row.body)(heap, steps.div_ceil(10))?;
    let start = processor_time();
    let operations = (row.body)(heap, steps)?;
    let elapsed = (processor_time() - start).max(Duration::from_nanos(1));
    Ok(format!(
        "{operations} {} {}",
        elapsed.as_nanos(),
        peak_kib()?
    ))
}

/// The most memory that this process had at once.
fn peak_kib() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| "the system tells no peak".into())
}
