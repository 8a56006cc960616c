//! `underpin serve` as a process: its replies, its bounds, its durability.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests on a system with std, which fail by panicking"
)]

mod bad_input;
mod commands;
mod crash;
mod differential;
mod metrics;
mod operations;
mod process;
mod support;
mod transactions;
