//! What legs need from the machine, how to see whether it is there, and how to get it.

use super::job::Job;
use crate::workspace::find_program;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Something that must be installed before a leg can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Debian packages that give these programs (names on the search path, or full paths).
    Debian {
        programs: &'static [&'static str],
        packages: &'static str,
    },
    /// rustup's nightly toolchain.
    Nightly,
    /// A cargo subcommand that is used when it is there and built by nobody unasked: it takes minutes.
    CargoTool(&'static str),
}

impl Need {
    /// Whether it is there.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Debian { programs, .. } => programs.iter().all(|program| {
                if program.starts_with('/') {
                    Path::new(program).exists()
                } else {
                    find_program(program).is_some()
                }
            }),
            Self::Nightly => Command::new("rustup")
                .args(["run", "nightly", "rustc", "--version"])
                .stdin(Stdio::null())
                .output()
                .is_ok_and(|output| output.status.success()),
            Self::CargoTool(tool) => find_program(tool).is_some(),
        }
    }

    /// The command that gets it.
    pub(super) fn command(&self) -> String {
        match self {
            Self::Debian { packages, .. } => {
                format!("apt-get install -y --no-install-recommends {packages}")
            }
            Self::Nightly => "rustup toolchain install nightly --profile minimal".into(),
            Self::CargoTool(tool) => format!("cargo install --locked {tool}"),
        }
    }
}

/// Installs what is missing, when it may.
#[derive(Debug)]
pub(super) struct Installer {
    allowed: bool,
    lists_are_fresh: bool,
}

impl Installer {
    /// Unasked installing is for machines that are there for it: `CI=true`, or root.
    pub(super) fn new() -> Self {
        let is_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
        Self {
            allowed: is_root || env::var("CI").is_ok_and(|value| value == "true"),
            lists_are_fresh: false,
        }
    }

    /// Gets `need`, or says why not and which command would.
    pub(super) fn install(&mut self, need: &Need, job: &mut Job<'_>) -> Result<(), String> {
        let command = need.command();
        let missing = format!("missing; enable with: {command}");
        let Need::Debian { packages, .. } = need else {
            return Err(missing);
        };
        if !self.allowed || find_program("apt-get").is_none() {
            return Err(missing);
        }
        job.extend_clock(Duration::from_secs(900));
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
            apt
        };
        if !self.lists_are_fresh {
            let _ = job.run(&mut apt(&["update"]));
            self.lists_are_fresh = true;
        }
        let mut install = apt(&["install", "-y", "--no-install-recommends"]);
        install.args(packages.split(' '));
        job.run(&mut install)
            .map_err(|why| format!("not installable ({why}); enable with: {command}"))?;
        if need.is_there() {
            Ok(())
        } else {
            Err(format!(
                "{packages} is installed and lacks a program that is needed"
            ))
        }
    }
}
