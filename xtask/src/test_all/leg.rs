//! What a leg is, and how one ends.

use super::job::Job;
use super::need::Need;

/// How the code under test is executed; said with every claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// On this machine's own kernel and processor.
    Native,
    /// A Windows program over wine's implementation of Windows.
    Wine,
    /// On an emulated processor and board.
    Emulated,
    /// Checked, linted or linked, never run.
    CompiledOnly,
    /// On the core's own simulated machine.
    Simulated,
}

impl How {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Native => "natively",
            Self::Wine => "under wine",
            Self::Emulated => "emulated",
            Self::CompiledOnly => "compiled only",
            Self::Simulated => "simulated",
        }
    }
}

/// What a leg may run beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// It builds in `target` itself, where cargo lets one build in at a time.
    Shared,
    /// It builds in a directory of its own: it runs beside the legs of `Shared`, one after the other.
    Apart,
    /// It takes times: it runs after all others, with nothing beside it.
    Alone,
}

/// One row of the table.
pub(super) struct Leg {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What a pass shows.
    pub(super) proves: &'static str,
    /// How it is executed.
    pub(super) how: How,
    /// What runs beside it.
    pub(super) lane: Lane,
    /// Whether `--quick` runs it.
    pub(super) quick: bool,
    /// What must be installed.
    pub(super) needs: &'static [Need],
    /// Seconds after which it has failed.
    pub(super) limit_s: u64,
    /// Runs it; an error says what failed in one line.
    pub(super) run: fn(&mut Job<'_>) -> Result<(), String>,
}

/// How a leg ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With what was counted, such as the number of tests.
    Passed(String),
    /// With what failed.
    Failed(String),
    /// With what is missing and the command that enables the leg.
    Skipped(String),
}

impl Outcome {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "SKIPPED",
        }
    }

    pub(super) fn note(&self) -> &str {
        let (Self::Passed(note) | Self::Failed(note) | Self::Skipped(note)) = self;
        note
    }
}
