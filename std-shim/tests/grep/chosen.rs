//! Searches that were chosen: each flag, and what flags do to each other.

use crate::compare::{compare_with, differences, ripgrep};
use crate::support::{Scratch, ours};
use crate::tree;
use std::collections::BTreeSet;
use std::process::Command;

/// One search a line; words are split at spaces, `~` is a space in a word, `^M` a carriage return, `^J` a line feed.
const SEARCHES: &str = include_str!("searches.txt");

#[test]
fn chosen_searches_are_the_same_bytes() {
    let Some(ripgrep) = ripgrep("chosen searches") else {
        return;
    };
    let scratch = Scratch::new("chosen");
    tree::make(scratch.path());
    std::fs::write(
        scratch.path().join("patterns.lst"),
        "foo\nbar\nstruct\nfoo\n",
    )
    .unwrap();
    let word = |word: &str| match word {
        "''" => String::new(),
        word => word
            .replace('~', " ")
            .replace("^M", "\r")
            .replace("^J", "\n"),
    };
    let searches: Vec<Vec<String>> = SEARCHES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(' ').map(word).collect())
        .collect();
    let wrong = differences(&ripgrep, scratch.path(), &searches);
    let wrong: Vec<String> = wrong.into_iter().map(|(_, why)| why).collect();
    let count = searches.len();
    println!("{count} chosen searches");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_long_flag_of_ripgrep_is_known() {
    let Some(ripgrep) = ripgrep("the flags") else {
        return;
    };
    let mut completions = Command::new(ripgrep);
    completions.args(["--generate", "complete-bash"]);
    let script = String::from_utf8(completions.output().unwrap().stdout).unwrap();
    let flags = script
        .split_whitespace()
        .map(|word| word.trim_start_matches("opts=\""))
        .filter(|word| word.starts_with("--"))
        .filter(|word| {
            word.len() > 2
                && word[2..]
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    let flags: BTreeSet<&str> = flags.collect();
    assert!(flags.len() > 100, "{flags:?}");
    let scratch = Scratch::new("flags");
    // That a value is missing, or that the flag is refused, is fine.
    let unknown: Vec<_> = flags
        .into_iter()
        .filter(|flag| {
            let output = ours(scratch.path(), &[flag]);
            String::from_utf8_lossy(&output.stderr).contains("unexpected argument")
        })
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn searches_of_the_standard_input_are_the_same_bytes() {
    let Some(ripgrep) = ripgrep("searches of the standard input") else {
        return;
    };
    let scratch = Scratch::new("chosen-stdin");
    tree::make(scratch.path());
    let mut wrong = Vec::new();
    for file in [
        "windows/newline_first.txt",
        "windows/marked8.txt",
        "windows/marked16.txt",
        "windows/nul_at_12k.txt",
        "windows/inverted.txt",
        "huge_nul.txt",
        "binary_early.bin",
        "plain.txt",
        "empty.txt",
    ] {
        let path = scratch.path().join(file);
        let open = || std::fs::File::open(&path).unwrap().into();
        for arguments in [
            &["foo", "-"][..],
            &["-n", "x", "-"],
            &["-c", "foo", "-"],
            &["-v", "-B", "1", "foo", "-"],
            &["-a", "-n", "foo", "-"],
            &["--binary", "-C", "1", "foo", "-"],
            &["-E", "latin1", "-n", "x", "-"],
            &["-U", "-n", "foo\\n.", "-"],
            &["--json", "x", "-"],
        ] {
            if let Err(why) = compare_with(&ripgrep, scratch.path(), arguments, &open) {
                wrong.push(format!("{file}: {why}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
