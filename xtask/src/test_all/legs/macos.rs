//! macOS: linted and compiled with Debian's Rust, linked with zig's stubs of Apple's libraries; nothing is run.

use crate::test_all::job::Job;
use crate::test_all::rig::Rig;
use std::env;
use std::ffi::OsString;

const AARCH64: Rig = Rig {
    triple: "aarch64-apple-darwin",
    library: None,
    config: Some("xtask/rigs/macos-aarch64.toml"),
};

const X86_64: Rig = Rig {
    triple: "x86_64-apple-darwin",
    library: None,
    config: Some("xtask/rigs/macos-x86_64.toml"),
};

/// The packages whose code differs on macOS, and the tests that would run there.
const PACKAGES: &[&str] = &[
    "--package",
    "underpin-macos",
    "--package",
    "underpin",
    "--package",
    "underpin-conformance",
    "--package",
    "underpin-tests",
];

pub(super) fn aarch64(job: &mut Job<'_>) -> Result<(), String> {
    let mut lint = AARCH64.clippy(job);
    job.run(lint.args(PACKAGES).arg("--all-targets"))?;
    audit_and_link(job, &AARCH64, "aarch64-macos")
}

/// Not linted: what is for Intel's processors is so on Linux, what is for macOS in the other leg, and nothing is for both alone.
pub(super) fn x86_64(job: &mut Job<'_>) -> Result<(), String> {
    audit_and_link(job, &X86_64, "x86_64-macos")
}

fn audit_and_link(job: &mut Job<'_>, rig: &Rig, zig_target: &str) -> Result<(), String> {
    let path = search_path(job)?;
    let cache = job.workspace.target.join("rigs/zig");
    let mut audit = job.workspace.program("python3");
    audit
        .env("PATH", &path)
        .args(["-m", "ziglang", "cc", "-target", zig_target, "-std=c11"])
        .args(["-c", "xtask/rigs/macos-audit.c", "-o"])
        .arg(rig.target_dir(job).with_extension("audit.o"))
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .env("ZIG_LOCAL_CACHE_DIR", &cache);
    std::fs::create_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    job.run(&mut audit)?;
    let mut link = rig.cargo(job, "test");
    link.env("PATH", &path)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache)
        .env("ZIG_LOCAL_CACHE_DIR", &cache);
    job.run(link.args(PACKAGES).arg("--no-run"))
}

/// The search path with our own Python, the one that has zig, in front.
fn search_path(job: &Job<'_>) -> Result<OsString, String> {
    let own = job.workspace.target.join("python/bin");
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(own).chain(env::split_paths(&rest))).map_err(|e| e.to_string())
}
