//! `cargo xtask`: the project's own commands.
//!
//! | command | module | what it does |
//! |---|---|---|
//! | `test-all` | [`test_all`] | every test leg, each installed, run, timed and told in a table |
//! | `tidy` | [`tidy`] | the architecture's rules, checked against the sources |
//! | `bench` | [`bench`] | builds and runs `tests/bench` |
//! | `dist` | [`dist`] | release artefacts under `target/dist` |
//!
//! Exit codes: 0 all is well, 1 something failed, 2 the command line is wrong.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its user"
)]
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a program of the build machine, always with std"
)]

mod bench;
mod dist;
mod ripgrep;
mod terminal;
mod test_all;
mod tidy;
mod workspace;

use std::process::ExitCode;
use terminal::say;
use workspace::Workspace;

const HELP: &str = "\
underpin's own commands

usage: cargo xtask COMMAND

  test-all [--quick] [--list] [--serial] [LEG..]
        run every test leg (or those named), print a table, end with `N passed, N failed, N skipped`
        --quick   formatting, lints, architecture rules and unit tests only
        --list    say what each leg proves, how it is run and what it needs, and run nothing
        --serial  one leg after the other; else those that build in directories of their own run beside the rest
  tidy [--list]
        check the architecture's rules against the sources
  bench [PART..] [--quick] [--json FILE] [--plot DIR]
        measure against peers, in turns; PART is alloc, pool, async, search, db or platform
        --quick   fewer rounds and fewer operations, without the peers that are slow to compile
        --json    write every round of every subject to FILE
        --plot    draw one SVG per part into DIR
  dist
        build the release artefacts under target/dist
  help
        this text";

/// Names of the commands, for the check that README speaks of no other.
const COMMANDS: &[&str] = &["test-all", "tidy", "bench", "dist", "help"];

fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

fn dispatch() -> Result<ExitCode, String> {
    let mut parser = lexopt::Parser::from_env();
    let workspace = Workspace::find()?;
    match parser.next().map_err(|e| e.to_string())? {
        None | Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            say!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(lexopt::Arg::Value(command)) => match command.to_string_lossy().as_ref() {
            "test-all" => test_all::main(&workspace, parser),
            "tidy" => tidy::main(&workspace, parser),
            "bench" => bench::main(&workspace, parser),
            "dist" => dist::main(&workspace, parser),
            "help" => {
                say!("{HELP}");
                Ok(ExitCode::SUCCESS)
            }
            other => Err(format!("no command `{other}`; see `cargo xtask help`")),
        },
        Some(other) => Err(other.unexpected().to_string()),
    }
}
