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
//! A failure prints `UNDERPIN_SEED=n`; with that variable in the environment the same test runs for that seed alone. A panic on
//! a simulated thread ends the process (its entry must not unwind), so a hook prints the seeds that are running then.
#![forbid(unsafe_code)]

use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Mutex, Once};

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

/// Seeds that are running now, on all threads of the process.
static RUNNING: Mutex<Vec<u64>> = Mutex::new(Vec::new());

std::thread_local! {
    /// Whether this thread is inside [`check`], which prints the seed itself.
    static CHECKING: Cell<bool> = const { Cell::new(false) };
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |panic| {
            previous(panic);
            if !CHECKING.get()
                && let Ok(running) = RUNNING.try_lock()
            {
                running.iter().for_each(|seed| report(*seed));
            }
        }));
    });
}

/// Notes that `seed` starts or ends.
fn note(seed: u64, starts: bool) {
    CHECKING.set(starts);
    if let Ok(mut running) = RUNNING.lock() {
        if starts {
            running.push(seed);
        } else if let Some(at) = running.iter().position(|other| *other == seed) {
            running.swap_remove(at);
        }
    }
}

/// Runs `test` for each of [`seeds`]`(count)`. If it panics, the seed is printed and the panic goes on.
pub fn check(count: u64, mut test: impl FnMut(u64)) {
    install_hook();
    for seed in seeds(count) {
        note(seed, true);
        let outcome = catch_unwind(AssertUnwindSafe(|| test(seed)));
        note(seed, false);
        if let Err(panic) = outcome {
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

    #[test]
    #[ignore = "run by the next test, in a process of its own"]
    fn a_thread_panics_under_seed_two() {
        check(3, |seed| {
            let thread = std::thread::spawn(move || assert!(seed != 2));
            let _panicked = thread.join();
        });
    }

    #[test]
    fn a_panic_on_another_thread_prints_the_seeds_that_run() {
        let this = std::env::current_exe().expect("the test's own program");
        let output = std::process::Command::new(this)
            .args(["--exact", "seeds::tests::a_thread_panics_under_seed_two"])
            .args(["--ignored", "--nocapture"])
            .env_remove(VARIABLE)
            .output()
            .expect("a second process");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("UNDERPIN_SEED=2"), "{text}");
        assert!(!text.contains("UNDERPIN_SEED=1"), "{text}");
    }
}
