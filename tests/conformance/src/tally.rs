//! A report that writes a line per case and counts: for boards, and for anybody who has only a line to write to.
#![forbid(unsafe_code)]

use crate::{Effort, Report};
use core::fmt::{self, Write};

/// Writes what came of each case to `W`. Passed cases give a line too, so that a hang shows where it happened.
///
/// A write that fails is not reported: there is no other line to say it on.
#[derive(Debug)]
pub struct Tally<W> {
    out: W,
    effort: Effort,
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl<W: Write> Tally<W> {
    /// A report that writes to `out`.
    pub const fn new(out: W, effort: Effort) -> Self {
        Self {
            out,
            effort,
            passed: 0,
            failed: 0,
            skipped: 0,
        }
    }

    /// Writes the closing line, `N passed, N failed, N skipped`, and says whether the platform keeps the contracts: no case
    /// failed, and at least one passed.
    pub fn close(mut self) -> bool {
        let _ = writeln!(
            self.out,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        self.failed == 0 && self.passed > 0
    }
}

impl<W: Write> Report for Tally<W> {
    fn begin(&mut self, name: &'static str) {
        let _ = write!(self.out, "{name} ... ");
    }

    fn pass(&mut self, _name: &'static str) {
        self.passed += 1;
        let _ = writeln!(self.out, "ok");
    }

    fn fail(&mut self, _name: &'static str, why: fmt::Arguments<'_>) {
        self.failed += 1;
        let _ = writeln!(self.out, "FAILED: {why}");
    }

    fn skip(&mut self, _name: &'static str, reason: &'static str) {
        self.skipped += 1;
        let _ = writeln!(self.out, "skipped: {reason}");
    }

    fn effort(&self) -> Effort {
        self.effort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn counts_and_tells() {
        let mut text = String::new();
        let mut tally = Tally::new(&mut text, Effort::default());
        tally.begin("a");
        tally.pass("a");
        tally.begin("b");
        tally.skip("b", "no files");
        tally.begin("c");
        tally.fail("c", format_args!("{} is not 1", 2));
        assert!(!tally.close());
        assert_eq!(
            text,
            "a ... ok\nb ... skipped: no files\nc ... FAILED: 2 is not 1\n\
             1 passed, 1 failed, 1 skipped\n"
        );
        assert!(
            !Tally::new(&mut text, Effort::default()).close(),
            "nothing ran"
        );
    }
}
