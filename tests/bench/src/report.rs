//! Tables for people, and the closing line for programs.

use crate::harness::{Measured, Rates, median};

/// One block per case.
pub(crate) fn table(part: &str, cases: &[Measured]) {
    println!();
    println!(
        "{:<34} {:<20} {:>12} {:>12} {:>8} {:>10}",
        part, "subject", "median", "best", "spread", "us / it"
    );
    for case in cases {
        row(&case.name, &case.ours, "");
        for pair in &case.peers {
            row("", &pair.peer, &format!("{:.2}", median(&pair.ratios)));
        }
        println!("    {}", case.terms);
        if case.pressure.0.max(case.pressure.1) > 20.0 {
            println!(
                "    busy machine: something waited for a processor {:.0} % of the time before, {:.0} % after",
                case.pressure.0, case.pressure.1
            );
        }
    }
    println!();
}

fn row(case: &str, rates: &Rates, ratio: &str) {
    println!(
        "{:<34} {:<20} {:>10}/s {:>10}/s {:>6.0} % {:>10}{}",
        case,
        format!("{} {}", rates.name, rates.version),
        short(median(&rates.rates)),
        short(rates.best()),
        rates.spread() * 100.0,
        ratio,
        peak(rates)
    );
    if let Some(cost) = cost(rates) {
        println!("{:<34}   {cost}", "");
    }
}

/// What it cost, where that is measured.
fn cost(rates: &Rates) -> Option<String> {
    let [cpu, written, disk, peak] = rates.median_cost().map(|(_, value)| value);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let parts = [
        cpu.map(|ns| format!("processor {} an operation", time(ns))),
        rates
            .tail
            .map(|tail| format!("p99 {}, p99.9 {}", time(tail.p99), time(tail.p999))),
        written.map(|ratio| format!("{ratio:.2} bytes written per byte")),
        disk.map(|bytes| format!("{:.1} MiB of disk", mib(bytes))),
        peak.map(|bytes| format!("{:.1} MiB of memory", mib(bytes))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn time(ns: f64) -> String {
    match ns {
        t if t >= 1e6 => format!("{:.2} ms", t / 1e6),
        t if t >= 1e3 => format!("{:.2} us", t / 1e3),
        t => format!("{t:.0} ns"),
    }
}

/// The memory, where it is measured.
fn peak(rates: &Rates) -> String {
    if rates.peaks_kib.is_empty() {
        return String::new();
    }
    format!(" {:>8.1} MiB", median(&rates.peaks_kib) / 1024.0)
}

/// A rate in three digits and a letter.
fn short(rate: f64) -> String {
    match rate {
        r if r >= 1e9 => format!("{:.2} G", r / 1e9),
        r if r >= 1e6 => format!("{:.2} M", r / 1e6),
        r if r >= 1e3 => format!("{:.1} k", r / 1e3),
        r => format!("{r:.0}"),
    }
}

/// `bench PART: RATIO x best peer (geometric mean of N cases)`.
pub(crate) fn closing_line(part: &str, cases: &[Measured]) -> String {
    let logarithms: f64 = cases
        .iter()
        .map(|case| case.ratio_to_best_peer().ln())
        .sum();
    let mean = (logarithms / cases.len() as f64).exp();
    let line = format!(
        "bench {part}: {mean:.2} x best peer (geometric mean of {} cases)",
        cases.len()
    );
    let memory: Vec<f64> = cases
        .iter()
        .filter_map(|case| Some(case.memory_to_leanest_peer()?.ln()))
        .collect();
    if memory.is_empty() {
        return line;
    }
    let mean = (memory.iter().sum::<f64>() / memory.len() as f64).exp();
    format!(
        "memory of {part}: {mean:.2} x leanest peer (geometric mean of {} cases)\n{line}",
        memory.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Pair;

    fn measured(ratio: f64) -> Measured {
        let rates = || Rates {
            name: "x",
            peaks_kib: Vec::new(),
            costs: Vec::new(),
            tail: None,
            version: "1".into(),
            rates: vec![1.0],
        };
        Measured {
            name: "case".into(),
            terms: String::new(),
            ours: rates(),
            peers: vec![Pair {
                peer: rates(),
                ratios: vec![ratio],
            }],
            pressure: (0.0, 0.0),
        }
    }

    #[test]
    fn the_closing_line_is_a_geometric_mean() {
        assert_eq!(
            closing_line("db", &[measured(4.0), measured(0.25), measured(8.0)]),
            "bench db: 2.00 x best peer (geometric mean of 3 cases)"
        );
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(short(1_234.0), "1.2 k");
        assert_eq!(short(12_345_678.0), "12.35 M");
        assert_eq!(short(12.3), "12");
    }
}
