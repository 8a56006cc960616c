//! The Redis serialisation protocol without any I/O: bytes in, arguments out; replies in, bytes out.
//!
//! [`Parser`] reads requests and borrows the arguments from the buffer they came in; [`Reply`] writes both
//! versions of the protocol, 2 and 3, and picks the spelling by the version that the client asked for.
//!
//! # Bounds
//!
//! [`Limits`]: a declared length is checked against its limit when its line is complete, and never used as a
//! size to allocate. What a parser keeps between two calls is a few words and 16 bytes per argument seen.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod inline;
mod number;
mod parser;
mod reply;

pub use number::{parse_f64, parse_i64};
pub(crate) use parser::Arg;
pub use parser::{Args, Limits, Parsed, Parser, ProtocolError};
pub(crate) use reply::itoa;
pub use reply::{Protocol, Reply};
