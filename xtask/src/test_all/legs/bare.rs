//! The core on machines without an operating system.

use crate::test_all::job::Job;
use crate::test_all::rig::{Rig, debian_toolchain};

const THUMBV7EM: Rig = Rig {
    triple: "thumbv7em-none-eabihf",
    library: Some("core,alloc"),
    config: None,
};

const X86_64_NONE: Rig = Rig {
    triple: "x86_64-unknown-none",
    library: Some("core,alloc"),
    config: None,
};

pub(super) fn core_thumbv7em(job: &mut Job<'_>) -> Result<(), String> {
    build_core(job, &THUMBV7EM)
}

pub(super) fn core_x86_64(job: &mut Job<'_>) -> Result<(), String> {
    build_core(job, &X86_64_NONE)
}

fn build_core(job: &mut Job<'_>, rig: &Rig) -> Result<(), String> {
    for features in [
        &["--no-default-features"][..],
        &["--features", "critical-section-v1"],
    ] {
        let mut build = rig.cargo(job, "build");
        job.run(build.args(["--package", "underpin-core"]).args(features))?;
    }
    Ok(())
}

pub(super) fn firmware(job: &mut Job<'_>) -> Result<(), String> {
    boot(job, "tests/firmware", &THUMBV7EM)
}

pub(super) fn kernel(job: &mut Job<'_>) -> Result<(), String> {
    boot(job, "tests/kernel", &X86_64_NONE)
}

/// Builds an image and boots it in the emulator. The folder's own cargo configuration has target, linker and runner;
/// flags from outside would override its link script.
fn boot(job: &mut Job<'_>, folder: &str, rig: &Rig) -> Result<(), String> {
    let mut run = job.cargo("run");
    debian_toolchain(&mut run);
    run.current_dir(job.workspace.root.join(folder))
        .env("CARGO_TARGET_DIR", rig.target_dir(job))
        .env_remove("RUSTFLAGS");
    job.run(&mut run)?;
    let output = job.output();
    let counts = output
        .lines()
        .rfind(|line| line.contains(" passed, ") && line.contains(" skipped"))
        .ok_or("the image does not say how many cases passed")?;
    job.note(&format!("cases: {counts}"));
    Ok(())
}
