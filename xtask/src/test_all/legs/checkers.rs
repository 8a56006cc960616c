//! Model checkers, sanitizers and auditors.

use crate::test_all::job::Job;
use std::process::Command;

/// Loom explores thread interleavings of the models in core's modules named `loom`.
pub(super) fn loom(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = job.cargo("test");
    job.run(
        test.env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", job.workspace.target.join("loom"))
            .args(["--release", "--package", "underpin-core", "--lib", "loom"]),
    )
}

/// The address sanitizer comes with nightly alone; its newer lints are not this leg's business. Leaks are not looked for: tests
/// leak on purpose what must live for ever.
pub(super) fn asan(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = Command::new("rustup");
    test.current_dir(&job.workspace.root)
        .env_remove("CARGO")
        .env("CARGO_TERM_COLOR", "never")
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("RUSTFLAGS", "-Zsanitizer=address --cap-lints allow")
        .env("CARGO_TARGET_DIR", job.workspace.target.join("asan"))
        .args(["run", "nightly", "cargo", "test", "--locked", "--lib"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(["--package", "underpin-core", "--package", "underpin-linux"]);
    job.run(&mut test)
}

pub(super) fn deny(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("deny");
    job.run(check.args(["--offline", "check", "bans", "licenses", "sources"]))
}
