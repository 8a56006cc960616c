//! The `no_std` core of underpin: six systems behind one seam to the outside world.
//!
//! # Layers
//!
//! A module imports only from layers below its own; siblings do not import each other.
//!
//! ```text
//! L3  pool     exec      db            (all here)
//! L2  alloc    search    deque         (search and deque are here; alloc attaches beside them)
//! L1  platform: the capability traits, locks built on them, absent parts, middleware, simulator
//! L0  error  limits  sync (atomics or loom)  codec (varint, crc32c)
//! ```
//!
//! Nothing here names an operating system, `libc` or `std`; a system that wants memory, threads,
//! time or files is generic over the smallest set of [`platform`] traits that gives them.
//!
//! # Where to start
//!
//! [`platform`] explains the seam and lists what a port implements; [`allocator`] is `malloc`; `exec` runs futures; `db` is the key-value store.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

#[cfg(any(feature = "alloc", test, loom))]
extern crate alloc;
#[cfg(any(test, loom))]
extern crate std;

// The crate `alloc` has the name of the directory.
#[path = "alloc/mod.rs"]
pub mod allocator;
#[cfg(feature = "alloc")]
pub mod codec;
#[cfg(feature = "alloc")]
pub mod db;
pub mod deque;
pub mod error;
pub mod exec;
pub mod limits;
pub mod platform;
#[cfg(feature = "alloc")]
pub mod pool;
pub mod search;
pub mod sync;

pub use error::{Domain, Error, Kind, Operation, Result};
