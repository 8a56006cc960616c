//! Sockets over the loopback address: addresses, streams, ends and errors. Connections are made through a ring.
#![deny(unsafe_code)]

mod address;
pub(crate) mod datagram;
pub(crate) mod local;
mod stream;
pub(crate) mod wire;

use crate::Report;
use crate::case::Context;
use underpin_core::platform::Reactor;

/// Runs all groups of sockets.
pub(crate) fn run<P: Reactor>(cx: &Context<'_, P>, report: &mut dyn Report) {
    address::run(cx, report);
    stream::run(cx, report);
}

/// The names of all groups' cases.
#[cfg(test)]
pub(crate) const NAMES: &[&[&str]] =
    &[address::NAMES, stream::NAMES, datagram::NAMES, local::NAMES];
