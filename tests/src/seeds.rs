//! The runner of seeded tests: many seeds in a plain run, one from `UNDERPIN_SEED` in a second one.
//!
//! ```no_run
//! use underpin_core::platform::sim::Sim;
//!
//! underpin_tests::seeds::check(1_000, |seed| {
//!     let sim = Sim::new(seed);
//!     // A workload; any panic fails the seed.
//!     # let _ = sim;
//! });
//! ```
//!
//! A failure prints `UNDERPIN_SEED=n`; with that variable in the environment the same test runs for that seed alone.
#![forbid(unsafe_code)]

use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

/// The variable that picks one seed.
const VARIABLE: &str = "UNDERPIN_SEED";

/// The seeds to run: `0..count`, or the one in `UNDERPIN_SEED`.
///
/// # Panics
/// If the variable is not a number.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let only = std::env::var(VARIABLE)
        .ok()
        .map(|text| match text.parse::<u64>() {
            Ok(seed) => seed,
            Err(_) => panic!("{VARIABLE}={text} is not a number"),
        });
    match only {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..count,
    }
}

/// Runs `test` for each of [`seeds`]`(count)`. If it panics, the seed is printed and the panic goes on.
pub fn check(count: u64, mut test: impl FnMut(u64)) {
    for seed in seeds(count) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            report(seed);
            resume_unwind(panic);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the line that a person needs to see the failure again"
)]
fn report(seed: u64) {
    eprintln!("{VARIABLE}={seed}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_seed_stops_the_run() {
        let mut ran = Vec::new();
        let failed = catch_unwind(AssertUnwindSafe(|| {
            check(10, |seed| {
                ran.push(seed);
                assert!(seed != 3);
            });
        }));
        if std::env::var(VARIABLE).is_err() {
            assert!(failed.is_err());
            assert_eq!(ran, [0, 1, 2, 3]);
        }
    }
}
