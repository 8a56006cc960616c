//! Other processors under Linux: cross-compiled with Debian's Rust and compilers, executed by qemu's user-mode emulation.

use crate::test_all::job::Job;
use crate::test_all::rig::Rig;

const S390X: Rig = Rig {
    triple: "s390x-unknown-linux-gnu",
    library: None,
    config: Some("xtask/rigs/linux-s390x.toml"),
};

const AARCH64: Rig = Rig {
    triple: "aarch64-unknown-linux-gnu",
    library: None,
    config: Some("xtask/rigs/linux-aarch64.toml"),
};

/// What stores and reads numbers as bytes: it must not depend on the order of bytes in a word. (The simulator's and the byte
/// searchers' own tests take minutes under emulation and say nothing about that.)
const BYTE_ORDER: &[&str] = &[
    "codec",
    "db",
    "alloc",
    "deque",
    "error",
    "limits",
    "platform::sim::disk",
    "memmem",
];

/// The same and the deque's and allocator's protocols, with this processor's instructions.
const ARM: &[&str] = &["codec", "db", "alloc", "deque", "memmem"];

pub(super) fn s390x(job: &mut Job<'_>) -> Result<(), String> {
    core_tests(job, &S390X, BYTE_ORDER)
}

pub(super) fn aarch64(job: &mut Job<'_>) -> Result<(), String> {
    core_tests(job, &AARCH64, ARM)
}

fn core_tests(job: &mut Job<'_>, rig: &Rig, names: &[&str]) -> Result<(), String> {
    let mut test = rig.cargo(job, "test");
    test.args(["--package", "underpin-core", "--lib", "--"]);
    job.run(test.args(names))
}
