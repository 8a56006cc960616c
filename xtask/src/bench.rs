//! `cargo xtask bench`: builds and runs `tests/bench`.
//!
//! The bench is a workspace of its own, with its own lock file: an ordinary build never compiles a peer. Everything on
//! the command line goes to it as it is, so its own `--help` is the reference.

use crate::workspace::Workspace;
use std::process::{Command, ExitCode};

/// Runs the bench with the rest of the command line.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let arguments: Vec<_> = parser.raw_args().map_err(|e| e.to_string())?.collect();
    let status = build_and_run(workspace, arguments.iter().any(|arg| arg == "--quick"))
        .args(arguments)
        .status()
        .map_err(|e| format!("cargo run: {e}"))?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}

/// The cargo command that builds the bench and runs it; what follows are the bench's own arguments.
pub(crate) fn build_and_run(workspace: &Workspace, quick: bool) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(workspace.root.join("tests/bench/Cargo.toml"));
    if !quick {
        command.args(["--features", "slow-peers"]);
    }
    command.arg("--");
    command
}
