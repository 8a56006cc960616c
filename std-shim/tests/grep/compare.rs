//! Running both programs and comparing what they write.

use crate::support::ours_with;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// ripgrep's path, or a loud word that a test did not run.
pub(crate) fn ripgrep(test: &str) -> Option<String> {
    let path = std::env::var("UNDERPIN_RIPGREP").ok();
    if path.is_none() {
        eprintln!(
            "NOT RUN: {test}: UNDERPIN_RIPGREP names no ripgrep (cargo xtask test-all grep installs one)"
        );
    }
    path
}

/// ripgrep's spelling of flags for which we follow GNU grep.
fn translated(argument: &str) -> &str {
    match argument {
        "-L" => "--files-without-match",
        "-h" => "--no-filename",
        "-z" => "--null-data",
        other => other,
    }
}

/// What differs from run to run: times. ripgrep counts separators as printed when it has one thread, so bytes printed go too.
fn masked(output: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        if text.contains(" seconds ") || text.contains("bytes printed") {
            continue;
        }
        if text.starts_with("{\"type\":\"end\"") || text.starts_with("{\"data\":{\"elapsed_total\"")
        {
            lines.extend(
                without_numbers_after(
                    &text,
                    &[
                        "\"secs\":",
                        "\"nanos\":",
                        "\"human\":\"",
                        "\"bytes_printed\":",
                    ],
                )
                .into_bytes(),
            );
        } else {
            lines.extend_from_slice(line);
        }
    }
    lines
}

fn without_numbers_after(text: &str, names: &[&str]) -> String {
    let mut out = text.to_owned();
    for name in names {
        let mut rebuilt = String::new();
        let mut rest = out.as_str();
        while let Some(at) = rest.find(name) {
            let (head, tail) = rest.split_at(at + name.len());
            rebuilt.push_str(head);
            rest = tail.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == 's');
        }
        rebuilt.push_str(rest);
        out = rebuilt;
    }
    out
}

/// The first difference, in words.
fn difference(ours: &Output, theirs: &Output) -> Option<String> {
    if ours.status.code() != theirs.status.code() {
        return Some(format!(
            "exit code {:?}, not {:?}; our stderr: {}; theirs: {}",
            ours.status.code(),
            theirs.status.code(),
            String::from_utf8_lossy(&ours.stderr),
            String::from_utf8_lossy(&theirs.stderr)
        ));
    }
    let (left, right) = (masked(&ours.stdout), masked(&theirs.stdout));
    if left == right {
        return None;
    }
    let mut left_lines = left.split(|byte| *byte == b'\n');
    let mut right_lines = right.split(|byte| *byte == b'\n');
    let mut number = 0;
    loop {
        number += 1;
        let pair = (left_lines.next(), right_lines.next());
        if pair.0 != pair.1 || pair.0.is_none() {
            let shown = |line: Option<&[u8]>| {
                line.map(|line| {
                    let text = String::from_utf8_lossy(line);
                    text.chars().take(200).collect::<String>()
                })
            };
            return Some(format!(
                "line {number} of the output: {:?}, not {:?}",
                shown(pair.0),
                shown(pair.1)
            ));
        }
    }
}

/// Runs both for each of `searches` in `directory`, on as many threads as there are processors; what differs.
pub(crate) fn differences(
    ripgrep: &str,
    directory: &Path,
    searches: &[Vec<String>],
) -> Vec<(usize, String)> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let hands = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(search) = searches.get(index) else {
                        break;
                    };
                    let words: Vec<&str> = search.iter().map(String::as_str).collect();
                    if let Err(why) = compare(ripgrep, directory, &words) {
                        wrong.lock().unwrap().push((index, why));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort_unstable();
    wrong
}

/// Runs both in `directory`; what differs.
pub(crate) fn compare(ripgrep: &str, directory: &Path, arguments: &[&str]) -> Result<(), String> {
    compare_with(ripgrep, directory, arguments, &Stdio::null)
}

/// As [`compare`], with a standard input.
pub(crate) fn compare_with(
    ripgrep: &str,
    directory: &Path,
    arguments: &[&str],
    stdin: &dyn Fn() -> Stdio,
) -> Result<(), String> {
    let mut command = Command::new(ripgrep);
    command.arg("--no-config").args(["--sort", "path"]);
    command.args(arguments.iter().map(|argument| translated(argument)));
    let theirs = command
        .current_dir(directory)
        .stdin(stdin())
        .output()
        .unwrap();
    let ours = ours_with(directory, arguments, stdin());
    match difference(&ours, &theirs) {
        None => Ok(()),
        Some(why) => Err(format!("{arguments:?}: {why}")),
    }
}
