//! The tables that people read.

use super::leg::{Leg, Outcome};
use crate::terminal::say;
use std::process::ExitCode;
use std::time::Duration;

/// Says what the legs are, without running them.
pub(super) fn list(legs: &[&Leg]) {
    for leg in legs {
        say!("{}", leg.name);
        say!("    proves    {}", leg.proves);
        say!("    run       {}", leg.how.words());
        say!(
            "    limit     {} s{}",
            leg.limit_s,
            if leg.quick { ", part of --quick" } else { "" }
        );
        for need in leg.needs {
            say!(
                "    needs     {} [{}]",
                need.command(),
                if need.is_there() { "there" } else { "missing" }
            );
        }
    }
}

/// A leg, how it ended, and how long it took.
pub(super) type Row<'l> = (&'l Leg, Outcome, Duration);

/// Prints one row per leg and the closing line.
pub(super) fn table(rows: &[Row<'_>], took: Duration) -> ExitCode {
    say!("");
    say!(
        "{:<20} {:<8} {:>9}  {:<14} what it shows",
        "leg",
        "result",
        "time",
        "run"
    );
    for (leg, outcome, took) in rows {
        say!(
            "{:<20} {:<8} {:>7.1} s  {:<14} {}",
            leg.name,
            outcome.word(),
            took.as_secs_f64(),
            leg.how.words(),
            leg.proves
        );
        if !outcome.note().is_empty() {
            say!("{:<20} {}", "", outcome.note());
        }
    }
    let count = |word: &str| {
        rows.iter()
            .filter(|(_, outcome, _)| outcome.word() == word)
            .count()
    };
    let failed = count("FAILED");
    say!("");
    say!("total {:.0} s", took.as_secs_f64());
    say!(
        "{} passed, {failed} failed, {} skipped",
        count("passed"),
        count("SKIPPED")
    );
    ExitCode::from(u8::from(failed > 0))
}
