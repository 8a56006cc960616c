//! Legs that need this machine's own toolchain and nothing else.

use crate::test_all::job::Job;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

pub(super) fn fmt(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("fmt");
    job.run(check.args(["--all", "--check"]))?;
    for manifest in other_workspaces(job)? {
        let mut check = job.cargo("fmt");
        check.args(["--check", "--manifest-path"]).arg(manifest);
        job.run(&mut check)?;
    }
    Ok(())
}

/// Manifests below `tests` that are workspaces of their own, which `--all` does not reach.
fn other_workspaces(job: &Job<'_>) -> Result<Vec<PathBuf>, String> {
    let mut manifests = Vec::new();
    for entry in fs::read_dir(job.workspace.root.join("tests")).map_err(|e| e.to_string())? {
        let manifest = entry.map_err(|e| e.to_string())?.path().join("Cargo.toml");
        if let Ok(text) = fs::read_to_string(&manifest)
            && text.lines().any(|line| line == "[workspace]")
        {
            manifests.push(manifest);
        }
    }
    manifests.sort();
    Ok(manifests)
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
