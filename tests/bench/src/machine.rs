//! What the figures were measured on, and how busy it was.

use std::fs;
use std::process::Command;

/// The machine, as far as it tells.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) compiler: String,
    pub(crate) file_system: String,
}

impl Machine {
    pub(crate) fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .and_then(|line| line.split(':').nth(1))
                .map(|value| value.trim().to_owned())
        };
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or_else(|| "unknown processor".into()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field(&meminfo, "MemTotal")
                .and_then(|value| value.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024,
            kernel: first_line("uname", &["-sr"]),
            compiler: first_line("rustc", &["--version"]),
            file_system: first_line(
                "stat",
                &["--file-system", "--format=%T", env!("CARGO_MANIFEST_DIR")],
            ),
        }
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{}, {} cores, {} MiB, {}, {}, files on {}, processor pressure {:.0} %",
            self.processor,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.compiler,
            self.file_system,
            pressure()
        )
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .and_then(|output| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .next()
                .map(|line| line.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".into())
}

/// Percent of the last ten seconds in which some task waited for a processor; NaN where the kernel does not say.
pub(crate) fn pressure() -> f64 {
    fs::read_to_string("/proc/pressure/cpu")
        .ok()
        .and_then(|text| {
            let (_, rest) = text.split_once("some avg10=")?;
            rest.split(' ').next()?.parse().ok()
        })
        .unwrap_or(f64::NAN)
}
