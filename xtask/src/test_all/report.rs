//! The tables that people read.

use super::leg::{Leg, Outcome};
use std::process::ExitCode;
use std::time::Duration;

/// Says what the legs are, without running them.
pub(super) fn list(legs: &[&Leg]) {
    for leg in legs {
        println!("{}", leg.name);
        println!("    proves    {}", leg.proves);
        println!("    run       {}", leg.how.words());
        println!(
            "    limit     {} s{}",
            leg.limit_s,
            if leg.quick { ", part of --quick" } else { "" }
        );
        for need in leg.needs {
            println!(
                "    needs     {} [{}]",
                need.command(),
                if need.is_there() { "there" } else { "missing" }
            );
        }
    }
}

/// Prints one row per leg and the closing line.
pub(super) fn table(rows: &[(&Leg, Outcome, Duration)]) -> ExitCode {
    println!();
    println!(
        "{:<20} {:<8} {:>9}  {:<14} what it shows",
        "leg", "result", "time", "run"
    );
    for (leg, outcome, took) in rows {
        println!(
            "{:<20} {:<8} {:>7.1} s  {:<14} {}",
            leg.name,
            outcome.word(),
            took.as_secs_f64(),
            leg.how.words(),
            leg.proves
        );
        if !outcome.note().is_empty() {
            println!("{:<20} {}", "", outcome.note());
        }
    }
    let count = |word: &str| {
        rows.iter()
            .filter(|(_, outcome, _)| outcome.word() == word)
            .count()
    };
    let failed = count("FAILED");
    let total: Duration = rows.iter().map(|(_, _, took)| *took).sum();
    println!();
    println!("total {:.0} s", total.as_secs_f64());
    println!(
        "{} passed, {failed} failed, {} skipped",
        count("passed"),
        count("SKIPPED")
    );
    ExitCode::from(u8::from(failed > 0))
}
