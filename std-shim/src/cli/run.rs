//! `underpin run`: another program under our malloc.
#![forbid(unsafe_code)]

use super::console::Failure;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the library is called.
const LIBRARY: &str = "libunderpin_malloc.so";

/// Arguments of `run`.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// The library to load, instead of the one beside this program
    #[arg(long, value_name = "FILE", env = "UNDERPIN_MALLOC_LIBRARY")]
    library: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Run {
    /// Becomes the program, so that its exit code, its signals and its terminal are its own.
    #[cfg(target_os = "linux")]
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        use std::os::unix::process::CommandExt as _;
        let library = self.library()?;
        let mut preload = library.into_os_string();
        if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
            preload.push(":");
            preload.push(others);
        }
        let (program, arguments) = self.command.split_first().ok_or_else(no_program)?;
        let error = std::process::Command::new(program)
            .args(arguments)
            .env("LD_PRELOAD", preload)
            .exec();
        Err(Failure::new(format!("{}: {error}", program.display())))
    }

    /// Elsewhere no loader puts a library before the C library's allocator.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let _ = (self.library, self.command, LIBRARY, no_program);
        Err(Failure::new("run: works on Linux only"))
    }

    /// The library: as asked for, or where a release has it, or where `cargo xtask dist` puts it.
    #[cfg(target_os = "linux")]
    fn library(&self) -> Result<PathBuf, Failure> {
        if let Some(library) = &self.library {
            return match library.canonicalize() {
                Ok(path) => Ok(path),
                Err(error) => Err(Failure::new(format!("{}: {error}", library.display()))),
            };
        }
        let own = std::env::current_exe()?;
        let directory = own.parent().unwrap_or(&own);
        ["../lib", "../dist/lib", "."]
            .iter()
            .filter_map(|place| directory.join(place).join(LIBRARY).canonicalize().ok())
            .next()
            .ok_or_else(|| {
                Failure::new(format!(
                    "{LIBRARY} is not beside this program; `cargo xtask dist` builds it, --library names it"
                ))
            })
    }
}

fn no_program() -> Failure {
    Failure::new("run: no program")
}
