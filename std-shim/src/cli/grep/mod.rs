//! `underpin grep`.
#![forbid(unsafe_code)]

mod arguments;
mod config;
mod generate;
mod plan;
mod refused;
mod undo;

pub(super) use arguments::Grep;

use super::console::{self, Failure};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use underpin::grep;

/// Nothing was found.
const NONE: u8 = 1;
/// Something went wrong.
const WRONG: u8 = 2;

impl Grep {
    /// The whole command line, if a file has more to say than `arguments`, which these were read from.
    pub(super) fn configured(&self, arguments: &[OsString]) -> Option<Vec<OsString>> {
        if self.undo.no_config {
            return None;
        }
        let more = config::flags(&mut |message| console::complain(message));
        if more.is_empty() {
            return None;
        }
        // The program and the subcommand come first.
        let (head, tail) = arguments.split_at(arguments.len().min(2));
        Some([head, &more, tail].concat())
    }

    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(what) = self.generate {
            generate::write(what, &mut console::out())?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.type_list {
            let mut out = console::out();
            for definition in plan::types(&self)?.definitions() {
                writeln!(
                    out,
                    "{}: {}",
                    definition.name(),
                    definition.globs().join(", ")
                )?;
            }
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        }
        let messages = !self.no_messages;
        let plan = plan::Plan::new(self)?;
        if plan.nothing_can_match {
            return Ok(ExitCode::from(NONE));
        }
        let complain = |message: &str| {
            if messages {
                console::complain(message);
            }
        };
        let mut stdout = io::stdout();
        let outcome = grep::run(
            &plan.matcher,
            &plan.options,
            &plan.roots,
            &mut stdout,
            &complain,
        )?;
        if plan.options.implicit_roots && !outcome.searched && !plan.options.list_files {
            complain(
                "no file was searched: a filter, such as an ignore file, may leave all of them out",
            );
            return Ok(ExitCode::from(WRONG));
        }
        let quiet = plan.options.print.quiet;
        Ok(ExitCode::from(
            if outcome.matched && (quiet || !outcome.failed) {
                0
            } else if outcome.failed {
                WRONG
            } else {
                NONE
            },
        ))
    }
}
