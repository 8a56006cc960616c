//! The core on machines without an operating system.

use crate::test_all::job::Job;
use crate::test_all::rig::Rig;

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
    for features in [&["--no-default-features"][..], &[]] {
        let mut build = rig.cargo(job, "build");
        job.run(build.args(["--package", "underpin-core"]).args(features))?;
    }
    Ok(())
}
