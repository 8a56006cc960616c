//! `cargo xtask bench`: builds and runs `tests/bench`.
//!
//! The bench is a workspace of its own, with its own lock file: an ordinary build never compiles a peer. Everything on
//! the command line goes to it as it is, so its own `--help` is the reference.

use crate::ripgrep::{Purpose, Ripgrep, ripgrep};
use crate::workspace::Workspace;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

/// Runs the bench with the rest of the command line.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let mut arguments: Vec<OsString> = parser.raw_args().map_err(|e| e.to_string())?.collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = ["alloc", "pool", "async", "search", "grep", "db", "platform"]
        .iter()
        .all(|part| !has(part));
    let quick = has("--quick");
    let runs = |part: &str| (all || has(part)) && !has("--help");
    let (runs_command, runs_greps) = (runs("db") || runs("grep"), runs("grep"));
    let runs_malloc = runs("alloc");
    if runs_command {
        let command = command(workspace)?;
        arguments.extend(["--server".into(), command.into_os_string()]);
    }
    if runs_malloc {
        let (mut build, library) = crate::dist::malloc_build(workspace);
        let status = build.status().map_err(|e| format!("cargo build: {e}"))?;
        if !status.success() {
            return Err("the allocator's library does not build".into());
        }
        arguments.extend(["--malloc".into(), library.into_os_string()]);
    }
    if runs_greps {
        let Ripgrep { program, install } = ripgrep(workspace, Purpose::Peer);
        if let Some(mut install) = install {
            let status = install
                .status()
                .map_err(|e| format!("cargo install: {e}"))?;
            if !status.success() {
                return Err("ripgrep does not build".into());
            }
        }
        arguments.extend(["--ripgrep".into(), program.into_os_string()]);
    }
    let mut bench = workspace.cargo();
    bench
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(workspace.root.join("tests/bench/Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace.target.join("bench"));
    if !quick && has_libclang() {
        bench.args(["--features", "rocksdb"]);
    } else if !quick {
        eprintln!(
            "RocksDB is left out: its bindings need libclang; enable with: \
             apt-get install -y --no-install-recommends libclang-dev"
        );
    }
    if !quick {
        // forte states a newer compiler than it needs.
        bench.args(["--features", "forte", "--ignore-rust-version"]);
    }
    let status = bench
        .arg("--")
        .args(arguments)
        .status()
        .map_err(|e| format!("cargo run: {e}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Whether libclang is where `clang-sys` looks for it: `LIBCLANG_PATH`, or Debian's places.
fn has_libclang() -> bool {
    let is_libclang = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libclang") && name.ends_with(".so") && !name.contains("cpp")
    };
    let in_directory = |dir: PathBuf| {
        let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.any(is_libclang)
    };
    let debian = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    env::var_os("LIBCLANG_PATH").is_some()
        || ["/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"]
            .into_iter()
            .any(|dir| in_directory(dir.into()))
        || debian
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"))
            .any(|entry| in_directory(entry.path().join("lib")))
}

/// Builds the command, which some parts run.
fn command(workspace: &Workspace) -> Result<PathBuf, String> {
    let status = workspace
        .cargo()
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "underpin",
        ])
        .status()
        .map_err(|e| format!("cargo build: {e}"))?;
    if !status.success() {
        return Err("the command does not build".into());
    }
    let name = format!("underpin{}", env::consts::EXE_SUFFIX);
    Ok(workspace.target.join("release").join(name))
}
