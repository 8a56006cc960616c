//! The command line: what may be said, who deals with it, and how failures end.

mod console;
mod grep;
mod info;
mod kv;
mod run;
mod serve;
mod signal;
mod version;

use clap::{Parser, Subcommand};
use console::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// One no_std core for systems programs: allocator, pool, runtime, platform, search and database.
#[derive(Debug, Parser)]
#[command(name = "underpin", version, long_version = version::LONG, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a database over the Redis protocol, RESP2 and RESP3
    Serve(serve::Serve),
    /// Read, write and check a database directory
    Kv(kv::Kv),
    /// Run any program under underpin's malloc
    Run(run::Run),
    /// Search files for lines, as ripgrep does, in order
    Grep(Box<grep::Grep>),
    /// Tell what this build and this machine offer
    Info(info::Info),
}

/// Runs the command that the program's arguments name.
pub(crate) fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let configured = |arguments: Arguments| match &arguments.command {
        Command::Grep(grep) => grep
            .configured(&words)
            .map_or(Ok(arguments), Arguments::try_parse_from),
        _ => Ok(arguments),
    };
    let arguments = match Arguments::try_parse_from(&words).and_then(configured) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Kv(kv) => kv.run(),
        Command::Run(run) => run.run(),
        Command::Grep(grep) => grep.run(),
        Command::Info(info) => info.run(),
    };
    match result {
        Ok(code) => code,
        Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            console::complain(&message);
            ExitCode::from(2)
        }
    }
}
