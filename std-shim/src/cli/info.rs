//! `underpin info`.
#![forbid(unsafe_code)]

use super::console::{self, Failure};
use clap::Args;
use std::io::Write as _;
use std::process::ExitCode;
use underpin::sys::{
    Clock as _, ClockId, Memory as _, Native, Platform as _, Threads as _, native,
};

/// Arguments of `info`.
#[derive(Args, Debug)]
pub(super) struct Info {
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl Info {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let facts = facts();
        let mut out = console::out();
        if self.json {
            let fields: Vec<String> = facts
                .iter()
                .map(|(name, value)| format!("  {}: {}", quote(name), quote(value)))
                .collect();
            writeln!(out, "{{\n{}\n}}", fields.join(",\n"))?;
        } else {
            for (name, value) in facts {
                writeln!(out, "{name:<20} {value}")?;
            }
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn facts() -> Vec<(&'static str, String)> {
    let platform = native();
    let caps: Vec<String> = platform
        .caps()
        .iter_names()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let memory = platform.memory_info();
    vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("platform", <Native as underpin::sys::Platform>::NAME.into()),
        ("architecture", std::env::consts::ARCH.into()),
        ("processors", platform.parallelism().to_string()),
        ("page bytes", memory.page_bytes.to_string()),
        (
            "clock resolution ns",
            platform.resolution_ns(ClockId::Monotonic).to_string(),
        ),
        ("capabilities", caps.join(" ")),
    ]
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if u32::from(c) < 0x20 => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
