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
use leg::{Leg, Outcome};
use legs::LEGS;
use need::Installer;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io};

/// Parses the command line and runs the legs.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let (mut quick, mut list, mut named) = (false, false, Vec::new());
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("quick") => quick = true,
            lexopt::Arg::Long("list") => list = true,
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
    let mut installer = Installer::new();
    let mut rows = Vec::new();
    for leg in chosen {
        let start = Instant::now();
        let _ = write!(io::stdout(), "{:<20} ", leg.name).and_then(|()| io::stdout().flush());
        let outcome = run(workspace, leg, &mut installer)?;
        let took = start.elapsed();
        say!(
            "{:<8} {:>7.1} s  {}",
            outcome.word(),
            took.as_secs_f64(),
            outcome.note()
        );
        if let Outcome::Failed(_) = outcome {
            show_log(workspace, leg);
        }
        rows.push((leg, outcome, took));
    }
    Ok(report::table(&rows))
}

/// Makes a leg's needs ready and runs it.
fn run(workspace: &Workspace, leg: &Leg, installer: &mut Installer) -> Result<Outcome, String> {
    let mut job = Job::new(workspace, leg.name, Duration::from_secs(leg.limit_s))?;
    for need in leg.needs {
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

fn show_log(workspace: &Workspace, leg: &Leg) {
    let path = job::log_path(workspace, leg.name);
    let mut bytes = Vec::new();
    if fs::File::open(&path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .is_ok()
    {
        say!("---- output of {} ----", leg.name);
        let _ = io::stdout().write_all(&bytes);
        say!("---- end of output of {} ----", leg.name);
    }
}
