//! The traits of others on our types, each behind a feature that names the foreign version.

#[cfg(feature = "embedded-io-async-v0_7")]
mod embedded_io;
#[cfg(feature = "futures-io-v0_3")]
mod futures_io;
#[cfg(feature = "hyper-v1")]
mod hyper;

#[cfg(feature = "hyper-v1")]
pub use hyper::{HyperExecutor, HyperTimer};
