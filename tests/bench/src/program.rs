//! Programs of others that are measured.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The full path of `program` on the search path, if it is there.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

/// The first thing in `--version` that looks like one.
pub(crate) fn version(program: &Path) -> String {
    Command::new(program)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| {
            String::from_utf8_lossy(&output.stdout)
                .split_whitespace()
                .map(|word| word.trim_start_matches("v=").to_owned())
                .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        })
        .unwrap_or_else(|| "unknown".into())
}
