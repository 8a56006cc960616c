//! The reactor: what each operation brings, the five rules of the module, cancellation, wakers, and a random storm.
#![forbid(unsafe_code)]

mod cancel;
pub(crate) mod concurrent;
pub(crate) mod files;
mod operation;
mod rules;
mod storm;
mod wait;

use crate::Report;
use crate::case::Context;
use underpin_core::platform::Reactor;

/// Runs all groups of the reactor.
pub(crate) fn run<P: Reactor>(cx: &Context<'_, P>, report: &mut dyn Report) {
    operation::run(cx, report);
    rules::run(cx, report);
    cancel::run(cx, report);
    wait::run(cx, report);
    storm::run(cx, report);
}

/// The names of all groups' cases.
#[cfg(test)]
pub(crate) const NAMES: &[&[&str]] = &[
    operation::NAMES,
    rules::NAMES,
    cancel::NAMES,
    wait::NAMES,
    storm::NAMES,
    concurrent::NAMES,
    files::NAMES,
];
