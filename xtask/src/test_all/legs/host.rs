//! Legs that need this machine's own toolchain and nothing else.

use crate::test_all::job::Job;
use std::env;
use std::process::Command;

pub(super) fn fmt(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("fmt");
    job.run(check.args(["--all", "--check"]))
}

pub(super) fn clippy(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("clippy");
    job.run(check.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub(super) fn tidy(job: &mut Job<'_>) -> Result<(), String> {
    let own = env::current_exe().map_err(|e| e.to_string())?;
    job.run(
        Command::new(own)
            .arg("tidy")
            .current_dir(&job.workspace.root),
    )
}

pub(super) fn unit(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = job.cargo("test");
    job.run(test.args(["--workspace", "--no-fail-fast"]))
}
