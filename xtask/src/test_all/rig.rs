//! Toolchains for targets whose standard library rustup has not installed here.
//!
//! Debian's `rust-web-src` brings the library's sources and `rustc-web` the matching compiler; cargo's
//! `build-std` compiles one for the other, once per target directory. Where rustup has the target's library, that
//! is used and nothing is built.

use super::job::Job;
use super::need::Need;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's compiler, the library's sources, and the linters that match them.
pub(super) const DEBIAN_RUST: Need = Need::Debian {
    programs: &[
        "/usr/bin/rustc",
        "/usr/bin/clippy-driver",
        "/usr/lib/rustlib/src/rust/library/core",
    ],
    packages: "rustc-web rust-web-src rust-web-clippy rustfmt-web rust-web-llvm",
};

/// A target and how its library is had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rig {
    pub(super) triple: &'static str,
    /// The library's crates to build, where no configuration says it: `core,alloc`.
    pub(super) library: Option<&'static str>,
    /// cargo's configuration for the target (library, linker, runner), below the workspace's root.
    pub(super) config: Option<&'static str>,
}

impl Rig {
    /// Everything that is built for the target stays here, so that the library is built once.
    pub(super) fn target_dir(&self, job: &Job<'_>) -> PathBuf {
        job.workspace.target.join("rigs").join(self.triple)
    }

    /// `cargo SUBCOMMAND` for the target.
    pub(super) fn cargo(&self, job: &Job<'_>, subcommand: &str) -> Command {
        let mut command = job.cargo(subcommand);
        command
            .env("CARGO_TARGET_DIR", self.target_dir(job))
            .args(["--target", self.triple]);
        if let Some(config) = self.config {
            command.arg("--config").arg(job.workspace.root.join(config));
        }
        if !has_library(job, self.triple) {
            debian_toolchain(&mut command);
            if let Some(library) = self.library {
                command
                    .arg(format!("-Zbuild-std={library}"))
                    .arg("-Zbuild-std-features=compiler-builtins-mem");
            }
        }
        command
    }

    /// `cargo clippy -- -D warnings` for the target, where rustup's clippy does not fit Debian's library: a check with
    /// Debian's linter as the compiler, told in cargo clippy's own way what follows the `--`.
    pub(super) fn clippy(&self, job: &Job<'_>) -> Command {
        let mut command = self.cargo(job, "check");
        command
            .env("RUSTC_WORKSPACE_WRAPPER", self.clippy_driver(job))
            .env("CLIPPY_ARGS", LINTER_ARGUMENTS);
        command
    }

    fn clippy_driver(&self, job: &Job<'_>) -> &'static str {
        if has_library(job, self.triple) {
            "clippy-driver"
        } else {
            "/usr/bin/clippy-driver"
        }
    }
}

/// Warnings are errors. One lint is off: for the windows-gnu expansion of `thread_local!` it fires on initialisers that are
/// `const` already.
const LINTER_ARGUMENTS: &str = "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__\
    -A__CLIPPY_HACKERY__clippy::missing_const_for_thread_local__CLIPPY_HACKERY__";

/// Makes `command` use Debian's compiler, with the unstable options that building a library takes.
pub(super) fn debian_toolchain(command: &mut Command) {
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTDOC", "/usr/bin/rustdoc");
}

/// Whether the toolchain that runs this command has the target's library.
fn has_library(job: &Job<'_>, triple: &str) -> bool {
    let sysroot = job
        .workspace
        .program("rustc")
        .args(["--print", "sysroot"])
        .output();
    sysroot.is_ok_and(|output| {
        Path::new(String::from_utf8_lossy(&output.stdout).trim())
            .join("lib/rustlib")
            .join(triple)
            .join("lib")
            .is_dir()
    })
}
