//! Running one check for many seeds.
#![forbid(unsafe_code)]

use super::{Sim, SimOptions};
use alloc::string::String;
use core::fmt;

/// The first seed for which a check failed. Its [`Display`](fmt::Display) begins with `UNDERPIN_SEED=`.
#[derive(Debug)]
#[non_exhaustive]
pub struct SeedFailure<E> {
    /// The seed; the run can be had again from it.
    pub seed: u64,
    /// What the check said.
    pub error: E,
    /// The machine's [report](Sim::report).
    pub report: String,
}

impl<E: fmt::Display> fmt::Display for SeedFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UNDERPIN_SEED={}: {}\n{}",
            self.seed, self.error, self.report
        )
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for SeedFailure<E> {}

/// Runs `check` on a fresh machine for each seed, until one fails. For a failure again: `seed..=seed`.
///
/// Where there is `std`, panics can be caught and the seed taken from the environment: the project's own tests do so.
///
/// # Errors
/// The first failure.
pub fn check_seeds<E>(
    seeds: impl IntoIterator<Item = u64>,
    mut check: impl FnMut(&Sim) -> Result<(), E>,
) -> Result<(), SeedFailure<E>> {
    for seed in seeds {
        let sim = Sim::new(SimOptions::new(seed));
        check(&sim).map_err(|error| SeedFailure {
            seed,
            error,
            report: sim.report(),
        })?;
    }
    Ok(())
}
