//! ripgrep, the model of `underpin grep` and a peer in its benchmarks, built once under `target`.

use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release that is the model; another one may differ in places.
pub(crate) const VERSION: &str = "15.2.0";

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be as fast as it is published.
    Peer,
    /// To write what it writes: built in less time, unless the other one is there.
    Model,
}

/// Where it is.
#[derive(Debug)]
pub(crate) struct Ripgrep {
    /// The program.
    pub(crate) program: PathBuf,
    /// What builds it, if it isn't there.
    pub(crate) install: Option<Command>,
}

/// Looks for it.
pub(crate) fn ripgrep(workspace: &Workspace, purpose: Purpose) -> Ripgrep {
    let peer = workspace.target.join("ripgrep");
    let program = peer.join("bin/rg");
    if is_there(&program) {
        return Ripgrep {
            program,
            install: None,
        };
    }
    let root = match purpose {
        Purpose::Peer => peer,
        Purpose::Model => workspace.target.join("ripgrep-model"),
    };
    let program = root.join("bin/rg");
    let install = (!is_there(&program)).then(|| {
        let mut install = workspace.cargo();
        install
            .args(["install", "ripgrep", "--version", VERSION, "--root"])
            .arg(&root);
        if purpose == Purpose::Model {
            install
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        }
        install
    });
    Ripgrep { program, install }
}

fn is_there(program: &Path) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).starts_with(&format!("ripgrep {VERSION}"))
        })
}
