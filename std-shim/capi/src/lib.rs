//! The C interface: the key-value database for programs that are not written in Rust.
//!
//! | file | what it is |
//! |---|---|
//! | `status` | status codes, the last error of a thread, the guard around every call |
//! | `bytes` | memory that goes to the caller, and slices that come from it |
//! | `db` | open, close, get, put, remove, sync, verify |
//! | `batch` | writes that are applied together or not at all |
//! | `cursor` | walking a range of keys |
//!
//! # Rules
//!
//! R1. No panic crosses the interface: [`status::guard`] turns one into `UNDERPIN_INTERNAL`.
//! R2. A null pointer where one is not allowed is `UNDERPIN_INVALID`, never undefined behaviour.
//! R3. What a function gives out is freed by the function of its type, once; freeing null does nothing.
//! R4. The header `include/underpin.h` is made from this source; the test `header` compares them.
#![deny(unsafe_code)]
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a library over std"
)]
#![allow(
    non_camel_case_types,
    reason = "the names are C's, and stand in the header as they are here"
)]

pub mod batch;
pub mod bytes;
pub mod cursor;
pub mod db;
pub mod status;
