//! ripgrep, the model of `underpin grep`, built once under `target`.

use crate::workspace::Workspace;
use std::path::PathBuf;
use std::process::Command;

/// The release that is the model; another one may differ in places.
pub(crate) const VERSION: &str = "15.2.0";

/// Where it is.
#[derive(Debug)]
pub(crate) struct Ripgrep {
    /// The program.
    pub(crate) program: PathBuf,
    /// What builds it, if it isn't there.
    pub(crate) install: Option<Command>,
}

/// Looks for it.
pub(crate) fn ripgrep(workspace: &Workspace) -> Ripgrep {
    let root = workspace.target.join("ripgrep");
    let program = root.join("bin/rg");
    let is_there = Command::new(&program)
        .arg("--version")
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).starts_with(&format!("ripgrep {VERSION}"))
        });
    let install = (!is_there).then(|| {
        let mut install = workspace.cargo();
        install
            .args(["install", "ripgrep", "--version", VERSION, "--root"])
            .arg(&root);
        install
    });
    Ripgrep { program, install }
}
