//! The safe `std` API of underpin.
//!
//! | module | what it is |
//! |---|---|
//! | [`alloc`] | the allocator, as a program's `GlobalAlloc` |
//! | `grep` | searching files for lines (feature `grep`) |
//! | [`kv`] | the key-value database over paths and `std::io` |
//! | [`pool`] | the work-stealing pool: `join`, `scope`, `spawn`, parallel iterators |
//! | [`rt`] | the async runtime: tasks, timers, TCP |
//! | `server` | the database over the Redis protocol (feature `server`) |
//! | [`search`] | bytes, substrings and sets of patterns, in memory and in readers |
//! | [`sys`] | the platform that this program runs on, and the way to `std`'s types |
#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    reason = "the module `alloc` is our allocator, as users look for it, so the crate of that name goes by `std`"
)]

pub mod alloc;
#[cfg(feature = "grep")]
pub mod grep;
pub mod kv;
pub mod pool;
pub mod rt;
pub mod search;
#[cfg(feature = "server")]
pub mod server;
pub mod sys;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
