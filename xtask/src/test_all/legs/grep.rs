//! `underpin grep` beside ripgrep.

use super::host;
use crate::test_all::job::Job;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The release that is the model; another one may differ in places.
const RIPGREP: &str = "15.2.0";

pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    match ripgrep(job) {
        Ok(ripgrep) => {
            job.note(&format!("beside ripgrep {RIPGREP}"));
            let mut test = job.cargo("test");
            test.args([
                "--package",
                "underpin",
                "--test",
                "grep",
                "--",
                "--nocapture",
            ])
            .env("UNDERPIN_RIPGREP", ripgrep);
            job.run(&mut test)
        }
        Err(why) => {
            // The rest is worth running; the table says what was not.
            job.note(&format!("NOT compared with ripgrep: {why}"));
            host::integration_test(job, "underpin", "grep", &[])
        }
    }
}

/// ripgrep, built once under `target`.
fn ripgrep(job: &mut Job<'_>) -> Result<PathBuf, String> {
    let root = job.workspace.target.join("ripgrep");
    let program = root.join("bin/rg");
    let is_there = Command::new(&program)
        .arg("--version")
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).starts_with(&format!("ripgrep {RIPGREP}"))
        });
    if !is_there {
        job.extend_clock(Duration::from_secs(1800));
        let mut install = job.cargo("install");
        install
            .args(["ripgrep", "--version", RIPGREP, "--root"])
            .arg(&root);
        job.run(&mut install)?;
    }
    Ok(program)
}
