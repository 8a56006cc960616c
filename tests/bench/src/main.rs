//! underpin against its peers: `cargo xtask bench [PART..] [--quick] [--json FILE] [--plot DIR]`.
//!
//! A part is a list of [`Case`](case::Case)s; a case is one task on terms that are equal for all and the subjects that do
//! it, ours first. The [`harness`] runs us and each peer in turn, so that whatever else the machine does hits both;
//! it keeps every round, and compares pairs of neighbours. A subject verifies its answers: a wrong one ends the run.
//!
//! # To add a case
//!
//! Write a function that returns a `Case` in the part's module and name it in the part's list. To add a part, add a
//! row to [`PARTS`].
#![deny(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("the peers and we are compared on Linux");

mod alloc;
mod case;
mod cost;
mod db;
mod grep;
mod harness;
mod machine;
mod platform;
mod plot;
mod pool;
mod program;
mod random;
mod record;
mod report;
mod runtime;
mod search;

use case::{Case, Settings};
use std::path::PathBuf;
use std::process::ExitCode;

/// A part: its name and its cases.
struct Part {
    name: &'static str,
    cases: Cases,
}

type Cases = fn(&Settings) -> Result<Vec<Case>, String>;

const PARTS: &[Part] = &[
    Part {
        name: "alloc",
        cases: alloc::cases,
    },
    Part {
        name: "pool",
        cases: pool::cases,
    },
    Part {
        name: "async",
        cases: runtime::cases,
    },
    Part {
        name: "search",
        cases: search::cases,
    },
    Part {
        name: "grep",
        cases: grep::cases,
    },
    Part {
        name: "db",
        cases: db::cases,
    },
    Part {
        name: "platform",
        cases: platform::cases,
    },
];

const HELP: &str = "\
usage: cargo xtask bench [PART..] [--quick] [--json FILE] [--plot DIR]

  PART       alloc, pool, async, search, grep, db, platform; all of them if none is named
  --case S   only cases whose name contains S
  --quick    3 rounds of fewer operations instead of 5, and no peer that is slow to compile
  --json     write the machine, the versions and every round to FILE
  --plot     draw one SVG per part into DIR";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((alloc::ARGUMENT, rest)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        println!("{}", alloc::round(rest)?);
        return Ok(());
    }
    if let Some((db::CHILD_ARGUMENT, rest)) = arguments.split_first().map(|(a, b)| (a.as_str(), b))
    {
        return db::serve_child(rest);
    }
    let (mut named, mut json, mut plots, mut filter) = (Vec::new(), None, None, None);
    let mut settings = Settings::new();
    let mut parser = lexopt::Parser::from_env();
    let error = |e: lexopt::Error| e.to_string();
    while let Some(arg) = parser.next().map_err(error)? {
        match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                println!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("quick") => settings.quick = true,
            lexopt::Arg::Long("json") => json = Some(PathBuf::from(parser.value().map_err(error)?)),
            lexopt::Arg::Long("plot") => {
                plots = Some(PathBuf::from(parser.value().map_err(error)?))
            }
            lexopt::Arg::Long("case") => {
                filter = Some(
                    parser
                        .value()
                        .map_err(error)?
                        .to_string_lossy()
                        .into_owned(),
                );
            }
            lexopt::Arg::Long("server") => {
                settings.server = Some(PathBuf::from(parser.value().map_err(error)?));
            }
            lexopt::Arg::Long("malloc") => {
                settings.malloc = Some(PathBuf::from(parser.value().map_err(error)?));
            }
            lexopt::Arg::Long("ripgrep") => {
                settings.ripgrep = Some(PathBuf::from(parser.value().map_err(error)?));
            }
            lexopt::Arg::Value(name) => named.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    for name in &named {
        if !PARTS.iter().any(|part| part.name == *name) {
            return Err(format!("no part `{name}`\n{HELP}"));
        }
    }
    let mut results = Vec::new();
    let mut closing = Vec::new();
    println!("{}", machine::Machine::read().summary());
    for part in PARTS {
        if !named.is_empty() && !named.iter().any(|name| name == part.name) {
            continue;
        }
        let mut measured = Vec::new();
        for case in (part.cases)(&settings)? {
            if filter.as_ref().is_none_or(|text| case.name.contains(text)) {
                measured.push(harness::measure(case, &settings)?);
            }
        }
        if measured.is_empty() {
            closing.push(format!("bench {}: no case was chosen", part.name));
            continue;
        }
        report::table(part.name, &measured);
        if let Some(dir) = &plots {
            plot::draw(dir, part.name, &measured)?;
        }
        closing.push(report::closing_line(part.name, &measured));
        results.push((part.name, measured));
    }
    if let Some(path) = json {
        record::write(&path, &settings, &results)?;
    }
    for line in closing {
        println!("{line}");
    }
    Ok(())
}
