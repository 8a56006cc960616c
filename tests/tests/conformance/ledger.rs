//! A report for the standard test harness: what came of each case, and a failure that names them all.
#![allow(dead_code, reason = "each runner uses a part")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the harness shows it"
)]

use core::fmt::{self, Write};
use underpin_conformance::{Effort, Report};
use underpin_core::platform::RingBackend;

/// What came of the cases so far.
pub(crate) struct Ledger {
    title: String,
    effort: Effort,
    running: Option<&'static str>,
    passed: usize,
    failures: Vec<String>,
    skips: Vec<(&'static str, &'static str)>,
}

impl Ledger {
    /// A report whose messages start with `title`. `UNDERPIN_SEED` and `UNDERPIN_ROUNDS` set the effort.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        let mut effort = Effort::default();
        if let Some(seed) = number("UNDERPIN_SEED") {
            effort = effort.with_seed(seed);
        }
        if let Some(rounds) = number("UNDERPIN_ROUNDS") {
            effort = effort.with_rounds(u32::try_from(rounds).expect("UNDERPIN_ROUNDS"));
        }
        Self {
            title: title.into(),
            effort,
            running: None,
            passed: 0,
            failures: Vec::new(),
            skips: Vec::new(),
        }
    }

    pub(crate) fn with_effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// The same, over rings of this kind.
    pub(crate) fn over(mut self, ring: RingBackend) -> Self {
        self.effort = self.effort.with_ring(ring);
        self
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed
    }

    /// The failures so far, each with its case.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The skipped cases with the reasons.
    pub(crate) fn skips(&self) -> &[(&'static str, &'static str)] {
        &self.skips
    }

    /// As [`settle`](Self::settle), where the system under the platform is known to break some contracts: each case with
    /// what the system lacks. Those that failed are printed and do not count.
    pub(crate) fn settle_but(mut self, beyond: &[(&str, &str)]) {
        for (name, lack) in beyond {
            let line = format!("  {name}: ");
            if let Some(index) = self
                .failures
                .iter()
                .position(|failure| failure.starts_with(&line))
            {
                println!(
                    "{}: beyond this system, {lack}:{}",
                    self.title, self.failures[index]
                );
                self.failures.remove(index);
            }
        }
        self.settle();
    }

    /// Prints what was skipped, and panics if a case failed.
    pub(crate) fn settle(&self) {
        for (name, reason) in &self.skips {
            println!("{}: skipped {name}: {reason}", self.title);
        }
        println!(
            "{}: {} passed, {} failed, {} skipped",
            self.title,
            self.passed,
            self.failures.len(),
            self.skips.len()
        );
        assert!(
            self.failures.is_empty(),
            "{}: {} contracts broken (UNDERPIN_SEED={}):\n{}",
            self.title,
            self.failures.len(),
            self.effort.seed,
            self.failures.join("\n")
        );
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

impl Report for Ledger {
    fn begin(&mut self, name: &'static str) {
        assert!(
            self.running.is_none(),
            "{name} begins before the last case has ended"
        );
        self.running = Some(name);
        if std::env::var_os("UNDERPIN_VERBOSE").is_some() {
            eprintln!("{}: {name}", self.title);
        }
    }

    fn pass(&mut self, name: &'static str) {
        assert_eq!(self.running.take(), Some(name));
        self.passed += 1;
    }

    fn fail(&mut self, name: &'static str, why: fmt::Arguments<'_>) {
        assert_eq!(self.running.take(), Some(name));
        let mut line = String::new();
        write!(line, "  {name}: {why}").expect("writing to a string");
        self.failures.push(line);
    }

    fn skip(&mut self, name: &'static str, reason: &'static str) {
        assert_eq!(self.running.take(), Some(name));
        self.skips.push((name, reason));
    }

    fn effort(&self) -> Effort {
        self.effort
    }
}
