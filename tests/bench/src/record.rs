//! Everything that was measured, as JSON: later runs are compared with earlier ones from these files.

use crate::case::Settings;
use crate::harness::{Measured, Rates};
use crate::machine::Machine;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes `path`.
pub(crate) fn write(
    path: &Path,
    settings: &Settings,
    parts: &[(&str, Vec<Measured>)],
) -> Result<(), String> {
    let machine = Machine::read();
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let document = json!({
        "format": 1,
        "unix_time_s": seconds,
        "quick": settings.quick,
        "rounds": settings.rounds(),
        "machine": {
            "processor": machine.processor,
            "cores": machine.cores,
            "memory_mib": machine.memory_mib,
            "kernel": machine.kernel,
            "compiler": machine.compiler,
            "file_system": machine.file_system,
        },
        "parts": parts.iter().map(|(name, cases)| json!({
            "part": name,
            "cases": cases.iter().map(case).collect::<Vec<Value>>(),
        })).collect::<Vec<Value>>(),
    });
    let text = serde_json::to_string_pretty(&document).map_err(|e| e.to_string())?;
    fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))
}

fn case(measured: &Measured) -> Value {
    json!({
        "name": measured.name,
        "terms": measured.terms,
        "ratio_to_best_peer": measured.ratio_to_best_peer(),
        "memory_to_leanest_peer": measured.memory_to_leanest_peer(),
        "pressure_percent": [measured.pressure.0, measured.pressure.1],
        "ours": rates(&measured.ours),
        "peers": measured.peers.iter().map(|pair| json!({
            "rates": rates(&pair.peer),
            "ratios": pair.ratios,
        })).collect::<Vec<Value>>(),
    })
}

fn rates(rates: &Rates) -> Value {
    json!({
        "name": rates.name,
        "version": rates.version,
        "per_second": rates.rates,
        "peaks_kib": rates.peaks_kib,
        "costs": rates.costs.iter().map(|cost| cost.to_json()).collect::<Vec<Value>>(),
        "p99_ns": rates.tail.map(|tail| tail.p99),
        "p999_ns": rates.tail.map(|tail| tail.p999),
    })
}
