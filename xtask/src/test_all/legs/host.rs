//! Legs that need this machine's own toolchain and nothing else.

use crate::test_all::job::Job;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
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
    job.run(check.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // A lock file that a manifest has outgrown would fail the leg that builds with it, much later.
    let mut workspaces = other_workspaces(job)?;
    workspaces.push(job.workspace.root.join("std-shim/malloc/Cargo.toml"));
    for manifest in &workspaces {
        let mut resolve = job.cargo("tree");
        job.run(resolve.args(["--quiet", "--manifest-path"]).arg(manifest))?;
    }
    Ok(())
}

pub(super) fn tidy(job: &mut Job<'_>) -> Result<(), String> {
    let mut tidy = own(job, &["tidy"])?;
    job.run(&mut tidy)
}

pub(super) fn dist(job: &mut Job<'_>) -> Result<(), String> {
    let mut dist = own(job, &["dist"])?;
    job.run(&mut dist)?;
    let output = job.output();
    for line in output.lines() {
        if line.starts_with("target/dist/") || line.starts_with("not built yet") {
            job.note(line);
        }
    }
    Ok(())
}

pub(super) fn bench_smoke(job: &mut Job<'_>) -> Result<(), String> {
    let mut lint = job.cargo("clippy");
    lint.args(["--manifest-path", "tests/bench/Cargo.toml", "--target-dir"])
        .arg(job.workspace.target.join("bench"));
    // In the profile of the run: the peers in C are then compiled once.
    job.run(lint.args(["--release", "--all-targets", "--", "-D", "warnings"]))?;
    let json = job.workspace.target.join("test-all/bench-smoke.json");
    let mut bench = own(
        job,
        &[
            "bench", "db", "platform", "pool", "search", "--quick", "--json",
        ],
    )?;
    bench.arg(&json).arg("--plot").arg(json.with_extension(""));
    job.run(&mut bench)?;
    let output = job.output();
    let closing: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with("bench ") && line.contains(" x best peer "))
        .collect();
    if closing.len() != 4 {
        return Err("the closing lines of the four parts are missing".into());
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

/// Integration tests that are legs of their own, being long or in need of other programs.
const OWN_LEGS: &[&str] = &[
    "conformance_native",
    "conformance_sim",
    "db_crash",
    "db_soak",
    "server",
];

/// Everything else that `cargo test --workspace` runs: unit, integration and documentation tests.
pub(super) fn unit(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = job.cargo("test");
    test.args([
        "--workspace",
        "--no-fail-fast",
        "--lib",
        "--bins",
        "--examples",
    ]);
    for name in integration_tests(job) {
        if !OWN_LEGS.contains(&name.as_str()) {
            test.args(["--test", &name]);
        }
    }
    job.run(&mut test)?;
    let mut documentation = job.cargo("test");
    job.run(documentation.args(["--workspace", "--no-fail-fast", "--doc"]))
}

/// The names of all packages' integration tests: `tests/NAME.rs` and `tests/NAME/main.rs`.
fn integration_tests(job: &Job<'_>) -> BTreeSet<String> {
    let root = &job.workspace.root;
    let packages = fs::read_dir(root).into_iter().flatten().flatten();
    let mut directories = vec![root.join("tests/conformance/tests")];
    directories.extend(packages.map(|entry| entry.path().join("tests")));
    let mut names = BTreeSet::new();
    for directory in directories {
        if !directory.with_file_name("Cargo.toml").is_file() {
            continue;
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_test = path.extension().is_some_and(|extension| extension == "rs")
                || path.join("main.rs").is_file();
            if let (true, Some(stem)) = (is_test, path.file_stem()) {
                names.insert(stem.to_string_lossy().into_owned());
            }
        }
    }
    names
}

pub(super) fn conformance_linux(job: &mut Job<'_>) -> Result<(), String> {
    integration_test(job, "conformance_native", &[])
}

pub(super) fn conformance_sim(job: &mut Job<'_>) -> Result<(), String> {
    integration_test(job, "conformance_sim", &[])
}

pub(super) fn crash_sim(job: &mut Job<'_>) -> Result<(), String> {
    long_mode(job, "UNDERPIN_CRASHES", "1000000 crash points");
    long_mode(job, "UNDERPIN_SOAK_SECONDS", "1800 s of mixed load");
    integration_test(job, "db_crash", &["--nocapture"])?;
    integration_test(job, "db_soak", &["--nocapture"])
}

pub(super) fn server(job: &mut Job<'_>) -> Result<(), String> {
    integration_test(job, "server", &["--skip", "crash::"])
}

pub(super) fn kill_nine(job: &mut Job<'_>) -> Result<(), String> {
    long_mode(job, "UNDERPIN_KILLS", "200 kills");
    integration_test(job, "server", &["crash::", "--nocapture"])
}

/// Gives the leg an hour more if its long mode was asked for, or tells how to.
fn long_mode(job: &mut Job<'_>, variable: &str, what: &str) {
    if env::var_os(variable).is_some() {
        job.extend_clock(Duration::from_secs(3600));
    } else {
        let (count, _) = what.split_once(' ').unwrap_or((what, ""));
        job.note(&format!("not run: {what} ({variable}={count})"));
    }
}

/// One integration test by its name; none at all is a failure, not a pass. It is one of all packages, as in the leg `unit`: for a package
/// alone cargo chooses fewer features, and builds the core and all above it again.
pub(super) fn integration_test(
    job: &mut Job<'_>,
    name: &str,
    arguments: &[&str],
) -> Result<(), String> {
    let mut test = job.cargo("test");
    test.args(["--workspace", "--test", name, "--"]);
    job.run(test.args(arguments))?;
    if job.output().contains("running 0 tests") {
        return Err(format!("{name} has no test that {arguments:?} chooses"));
    }
    Ok(())
}
