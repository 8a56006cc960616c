//! `--version`.
#![forbid(unsafe_code)]

/// The package's version, and what the program was built for.
pub(super) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nlicence: ",
    env!("CARGO_PKG_LICENSE"),
);
