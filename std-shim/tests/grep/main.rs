//! `underpin grep` against ripgrep, byte for byte, and on bad input.
//!
//! The comparison needs ripgrep 15: its path in `UNDERPIN_RIPGREP`, which the test leg `grep` sets. Without it the tests say
//! loudly that they did not run. Random searches come from `UNDERPIN_SEED`, which a failure prints; `UNDERPIN_GREP_SEARCHES`
//! says how many.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests on a system with std, which fail by panicking"
)]
#![cfg(target_os = "linux")]

mod bad_input;
mod chosen;
mod compare;
mod random;
mod support;
mod tree;
