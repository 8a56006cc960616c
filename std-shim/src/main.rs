//! The `underpin` command.
//!
//! Every subcommand is a file of `cli/`. Errors are one line on stderr and exit code 2; what was asked for and not found is 1.
#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a program, which has std"
)]

mod cli;

#[global_allocator]
static ALLOCATOR: underpin::alloc::Underpin = underpin::alloc::Underpin;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
