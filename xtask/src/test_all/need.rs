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
    /// A Python package, newest, in the environment under `target/python`.
    Python(&'static str),
    /// An npm package, newest, under `target/node`.
    Node(&'static str),
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
            // The newest is wanted, so pip and npm are asked in every run.
            Self::Python(_) | Self::Node(_) => false,
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
            Self::Python(package) => {
                format!("python3 -m venv target/python && target/python/bin/pip install {package}")
            }
            Self::Node(package) => format!("npm install --prefix target/node {package}"),
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
        job.extend_clock(Duration::from_secs(900));
        let done = match need {
            Need::Debian { packages, .. } => self.install_debian(packages, job),
            Need::Python(package) => self.install_python(package, job),
            Need::Node(package) => self.install_node(package, job),
            Need::Nightly | Need::CargoTool(_) => Err("missing".into()),
        };
        let usable = match need {
            Need::Debian { .. } => need.is_there(),
            _ => true,
        };
        match done {
            Ok(()) if usable => Ok(()),
            Ok(()) => Err("installed, and still lacks a program that is needed".into()),
            Err(why) => Err(format!("{why}; enable with: {}", need.command())),
        }
    }

    fn install_debian(&mut self, packages: &str, job: &mut Job<'_>) -> Result<(), String> {
        if !self.allowed || find_program("apt-get").is_none() {
            return Err("missing".into());
        }
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
            apt
        };
        if !self.lists_are_fresh {
            // Stale lists may still do; if not, the installation says so.
            let _ = job.run(&mut apt(&["update"]));
            self.lists_are_fresh = true;
        }
        let mut install = apt(&["install", "-y", "--no-install-recommends"]);
        install.args(packages.split(' '));
        job.run(&mut install)
    }

    /// Into an environment of our own: nothing outside `target` changes, so no leave is asked.
    fn install_python(&mut self, package: &str, job: &mut Job<'_>) -> Result<(), String> {
        let environment = job.workspace.target.join("python");
        let pip = environment.join("bin/pip");
        if !pip.is_file() {
            let make = |job: &mut Job<'_>| {
                let mut venv = job.workspace.program("python3");
                job.run(venv.args(["-m", "venv"]).arg(&environment))
            };
            if make(job).is_err() {
                self.install_debian("python3 python3-venv", job)?;
                make(job)?;
            }
        }
        let mut install = job.workspace.program(pip);
        job.run(install.args(["install", "--quiet", "--upgrade", package]))
    }

    fn install_node(&mut self, package: &str, job: &mut Job<'_>) -> Result<(), String> {
        if find_program("npm").is_none() {
            self.install_debian("nodejs npm", job)?;
        }
        let prefix = job.workspace.target.join("node");
        std::fs::create_dir_all(&prefix).map_err(|e| format!("{}: {e}", prefix.display()))?;
        let mut install = job.workspace.program("npm");
        install.args(["install", "--no-fund", "--no-audit", "--prefix"]);
        job.run(install.arg(&prefix).arg(format!("{package}@latest")))
    }
}
