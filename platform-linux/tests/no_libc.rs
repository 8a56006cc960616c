//! Builds and runs `tests/no_libc`, a program without a C library, where threads are the kernel's own.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;
use std::process::Command;

#[test]
fn a_program_without_a_c_library_has_threads_slots_and_a_ring() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/no_libc/Cargo.toml");
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_libc");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let flags = "-Crelocation-model=static -Ctarget-feature=+crt-static -Cpanic=abort \
                 -Clink-args=-nostartfiles -Clink-args=-nostdlib -Clink-args=-static";
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target", &target, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let program = target_dir.join(&target).join("debug/underpin-no-libc");
    let ran = Command::new(program).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{:?}\n{out}{err}", ran.status);
    assert_eq!(out.lines().count(), 9, "{out}");
}
