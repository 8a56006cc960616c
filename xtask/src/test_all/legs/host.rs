//! Legs that need this machine's own toolchain and nothing else.

use crate::test_all::job::Job;
use std::env;
use std::process::Command;

/// Workspaces of their own, which `--workspace` does not reach.
const OTHER_WORKSPACES: &[&str] = &[
    "tests/bench/Cargo.toml",
    "tests/firmware/Cargo.toml",
    "tests/fuzz/Cargo.toml",
    "tests/kernel/Cargo.toml",
];

pub(super) fn fmt(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("fmt");
    job.run(check.args(["--all", "--check"]))?;
    for manifest in OTHER_WORKSPACES {
        if job.workspace.root.join(manifest).is_file() {
            let mut check = job.cargo("fmt");
            job.run(check.args(["--check", "--manifest-path", manifest]))?;
        }
    }
    Ok(())
}

pub(super) fn clippy(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("clippy");
    job.run(check.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub(super) fn tidy(job: &mut Job<'_>) -> Result<(), String> {
    let mut tidy = own(job, &["tidy"])?;
    job.run(&mut tidy)
}

pub(super) fn dist(job: &mut Job<'_>) -> Result<(), String> {
    let mut dist = own(job, &["dist"])?;
    job.run(&mut dist)
}

pub(super) fn bench_smoke(job: &mut Job<'_>) -> Result<(), String> {
    let json = job.workspace.target.join("test-all/bench-smoke.json");
    let mut bench = own(job, &["bench", "db", "platform", "--quick", "--json"])?;
    bench.arg(&json).arg("--plot").arg(json.with_extension(""));
    job.run(&mut bench)?;
    let output = job.output();
    let closing: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("bench ") && line.contains(" x best peer "))
        .collect();
    if closing.len() != 2 {
        return Err("the closing lines of the two parts are missing".into());
    }
    job.note(&closing.join("; "));
    Ok(())
}

/// This command again, with other arguments.
fn own(job: &Job<'_>, arguments: &[&str]) -> Result<Command, String> {
    let mut command = job
        .workspace
        .program(env::current_exe().map_err(|e| e.to_string())?);
    command.args(arguments);
    Ok(command)
}

pub(super) fn unit(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = job.cargo("test");
    job.run(test.args(["--workspace", "--no-fail-fast"]))
}
