//! `cargo xtask bench`: builds and runs `tests/bench`.
//!
//! The bench is a workspace of its own, with its own lock file: an ordinary build never compiles a peer. Everything on
//! the command line goes to it as it is, so its own `--help` is the reference.

use crate::workspace::Workspace;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the bench with the rest of the command line.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let mut arguments: Vec<OsString> = parser.raw_args().map_err(|e| e.to_string())?.collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let served = ["alloc", "pool", "async", "search", "platform"]
        .iter()
        .all(|part| !has(part))
        || has("db");
    let quick = has("--quick");
    if served && !has("--help") {
        let server = server(workspace)?;
        arguments.extend(["--server".into(), server.into_os_string()]);
    }
    let mut bench = workspace.cargo();
    bench
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(workspace.root.join("tests/bench/Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace.target.join("bench"));
    if !quick {
        bench.args(["--features", "rocksdb"]);
    }
    let status = bench
        .arg("--")
        .args(arguments)
        .status()
        .map_err(|e| format!("cargo run: {e}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Builds the command whose server the served cases measure.
fn server(workspace: &Workspace) -> Result<PathBuf, String> {
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
        return Err("the server does not build".into());
    }
    let name = format!("underpin{}", std::env::consts::EXE_SUFFIX);
    Ok(workspace.target.join("release").join(name))
}
