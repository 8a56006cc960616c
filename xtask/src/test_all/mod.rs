//! `cargo xtask test-all`: every test leg, made ready, run, timed and told in a table.
//!
//! A [`Leg`] is data: what it proves, how it runs (natively, under wine, emulated, compiled only), what it needs and
//! the function that runs it. A leg whose needs are missing installs them when it may (root, or `CI=true`),
//! else it is SKIPPED with the command that would enable it: nothing is left out in silence.
//!
//! # Output
//!
//! Each leg's output goes to `target/test-all/LEG.log`; a failing leg's is shown whole. The last line is
//! `N passed, N failed, N skipped`, counted in legs.
//!
//! # Lanes
//!
//! Legs that build in directories of their own run beside those that share `target`, for a build leaves processors idle
//! whenever it links and a test whenever it waits; a leg that takes times runs last and alone ([`leg::Lane`]). `--serial` runs one leg after
//! the other, and so does a machine of one processor.
//!
//! # Bounds
//!
//! Each leg has a time limit, many times what it takes on an idle machine of two cores; when it is over, the leg's process
//! group is killed and the leg has failed.

mod job;
mod leg;
mod legs;
mod need;
mod report;
mod rig;

use crate::terminal::say;
use crate::workspace::Workspace;
use job::Job;
use leg::{Lane, Leg, Outcome};
use legs::LEGS;
use need::Installer;
use report::Row;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// Parses the command line and runs the legs.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let (mut quick, mut list, mut serial, mut named) = (false, false, false, Vec::new());
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("quick") => quick = true,
            lexopt::Arg::Long("list") => list = true,
            lexopt::Arg::Long("serial") => serial = true,
            lexopt::Arg::Value(name) => named.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().to_string()),
        }
    }
    for name in &named {
        if !LEGS.iter().any(|leg| leg.name == *name) {
            return Err(format!(
                "no leg `{name}`; `cargo xtask test-all --list` names them"
            ));
        }
    }
    let chosen: Vec<&Leg> = LEGS
        .iter()
        .filter(|leg| {
            if named.is_empty() {
                !quick || leg.quick
            } else {
                named.iter().any(|name| name == leg.name)
            }
        })
        .collect();
    if list {
        report::list(&chosen);
        return Ok(ExitCode::SUCCESS);
    }
    let installer = Mutex::new(Installer::new());
    let start = Instant::now();
    let lane = |lanes: &[Lane]| {
        chosen
            .iter()
            .filter(|leg| lanes.contains(&leg.lane))
            .map(|leg| row(workspace, leg, &installer))
            .collect::<Result<Vec<Row<'_>>, String>>()
    };
    let mut rows = if serial || thread::available_parallelism().map_or(1, usize::from) == 1 {
        lane(&[Lane::Shared, Lane::Apart])?
    } else {
        let (shared, apart) = thread::scope(|scope| {
            let apart = scope.spawn(|| lane(&[Lane::Apart]));
            (lane(&[Lane::Shared]), apart.join())
        });
        let mut rows = shared?;
        rows.extend(apart.map_err(|_| "a leg panicked")??);
        rows
    };
    rows.extend(lane(&[Lane::Alone])?);
    Ok(report::table(&rows, start.elapsed()))
}

/// Runs a leg and says how it ended.
fn row<'l>(
    workspace: &Workspace,
    leg: &'l Leg,
    installer: &Mutex<Installer>,
) -> Result<Row<'l>, String> {
    let start = Instant::now();
    let outcome = run(workspace, leg, installer)?;
    let took = start.elapsed();
    say!(
        "{:<20} {:<8} {:>7.1} s  {}",
        leg.name,
        outcome.word(),
        took.as_secs_f64(),
        outcome.note()
    );
    if let Outcome::Failed(_) = outcome {
        show_log(workspace, leg);
    }
    Ok((leg, outcome, took))
}

/// Makes a leg's needs ready and runs it.
fn run(workspace: &Workspace, leg: &Leg, installer: &Mutex<Installer>) -> Result<Outcome, String> {
    let mut job = Job::new(workspace, leg.name, Duration::from_secs(leg.limit_s))?;
    for need in leg.needs {
        if need.is_there() {
            continue;
        }
        let mut installer = installer.lock().unwrap_or_else(PoisonError::into_inner);
        // Another lane may have brought it in the meantime.
        if need.is_there() {
            continue;
        }
        if let Err(why) = installer.install(need, &mut job) {
            return Ok(Outcome::Skipped(why));
        }
    }
    job.start_clock();
    Ok(match (leg.run)(&mut job) {
        Ok(()) => Outcome::Passed(job.passed_note()),
        Err(why) => Outcome::Failed(why),
    })
}

/// A failed leg's output, with no other lane's lines in between.
fn show_log(workspace: &Workspace, leg: &Leg) {
    let Ok(bytes) = fs::read(job::log_path(workspace, leg.name)) else {
        return;
    };
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "---- output of {} ----", leg.name)
        .and_then(|()| out.write_all(&bytes))
        .and_then(|()| writeln!(out, "---- end of output of {} ----", leg.name));
}
