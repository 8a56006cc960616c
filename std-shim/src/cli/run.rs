//! `underpin run`: another program under our malloc.
#![forbid(unsafe_code)]

use super::console::Failure;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use underpin::sys::exec_preloaded;

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
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = self.library()?;
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::new("run: no program"));
        };
        let error = exec_preloaded(&library, program, arguments);
        Err(Failure::new(format!("{}: {error}", program.display())))
    }

    /// The library: as asked for, or where a release has it, or where `cargo xtask dist` puts it.
    fn library(&self) -> Result<PathBuf, Failure> {
        if let Some(library) = &self.library {
            return match library.canonicalize() {
                Ok(path) => Ok(path),
                Err(error) => Err(Failure::new(format!("{}: {error}", library.display()))),
            };
        }
        let own = std::env::current_exe().map_err(|error| {
            Failure::new(format_args!("cannot tell where this program lies: {error}"))
        })?;
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
