//! The safe `std` API of underpin.
//!
//! | module | what it is |
//! |---|---|
//! | `server` | the database over the Redis protocol (feature `server`) |
//! | [`sys`] | the platform that this program runs on, and the way to `std`'s types |
#![deny(unsafe_code)]

#[cfg(feature = "server")]
extern crate alloc;

#[cfg(feature = "server")]
pub mod server;
pub mod sys;
