//! What is measured: cases, the subjects that do them, and one round's sample.

use crate::cost::{Cost, Tail};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// What the command line chose.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Fewer rounds, fewer operations.
    pub(crate) quick: bool,
    /// The `underpin` command, for cases that run it.
    pub(crate) server: Option<PathBuf>,
    /// ripgrep's newest release.
    pub(crate) ripgrep: Option<PathBuf>,
    /// Our `malloc` to be preloaded.
    pub(crate) malloc: Option<PathBuf>,
    /// Where subjects may write; on a real disk, not in memory.
    pub(crate) scratch: PathBuf,
}

impl Settings {
    pub(crate) fn new() -> Self {
        Self {
            quick: false,
            server: None,
            ripgrep: None,
            malloc: None,
            scratch: Path::new(env!("CARGO_MANIFEST_DIR")).join("target/scratch"),
        }
    }

    /// Measured rounds; one more comes first and does not count.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// `full` operations, or a share of them.
    pub(crate) fn operations(&self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }
}

/// One task and those who do it.
pub(crate) struct Case {
    /// What is done, in a few words.
    pub(crate) name: String,
    /// What is equal for all subjects, and what is not.
    pub(crate) terms: String,
    /// Us.
    pub(crate) ours: Subject,
    /// The others; at least one.
    pub(crate) peers: Vec<Subject>,
}

/// Somebody who can do a case.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Prepares, does the task, verifies; only the task is in the sample's time.
    pub(crate) run: Run,
    /// The most memory of the last round in KiB, where that is measured.
    pub(crate) peak_kib: Rc<Cell<Option<u64>>>,
    /// What the last round cost, where that is measured.
    pub(crate) cost: Rc<Cell<Option<Cost>>>,
    /// Does one more round, for its slowest calls.
    pub(crate) tail: Option<RunForTail>,
}

/// One round of a subject, in a directory of its own that outlives the round.
pub(crate) type Run = Box<dyn FnMut(&Path) -> Result<Sample, String>>;

/// As [`Run`], but says how long the slowest calls took, if there were enough.
pub(crate) type RunForTail = Box<dyn FnMut(&Path) -> Result<Option<Tail>, String>>;

impl Subject {
    pub(crate) fn new(
        name: &'static str,
        version: impl Into<String>,
        run: impl FnMut(&Path) -> Result<Sample, String> + 'static,
    ) -> Self {
        Self {
            name,
            version: version.into(),
            run: Box::new(run),
            peak_kib: Rc::default(),
            cost: Rc::default(),
            tail: None,
        }
    }

    /// The same under another name.
    pub(crate) fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// One whose rounds tell the most memory that they had, in KiB.
    pub(crate) fn with_peak(
        name: &'static str,
        version: impl Into<String>,
        mut run: impl FnMut(&Path) -> Result<(Sample, u64), String> + 'static,
    ) -> Self {
        let peak_kib = Rc::<Cell<Option<u64>>>::default();
        let told = peak_kib.clone();
        let mut subject = Self::new(name, version, move |dir| {
            let (sample, peak) = run(dir)?;
            told.set(Some(peak));
            Ok(sample)
        });
        subject.peak_kib = peak_kib;
        subject
    }
}

/// One round of one subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) operations: u64,
    pub(crate) elapsed: Duration,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// The version of `package` in this bench's lock file.
pub(crate) fn locked_version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"");
    lock.lines()
        .skip_while(|line| *line != name)
        .nth(1)
        .and_then(|line| line.split('"').nth(1))
        .unwrap_or("unknown")
        .to_owned()
}
