//! `CONTRACTS.md` is true: its cases exist, every case is in it, and its sentences stand in the traits' documentation.
#![forbid(unsafe_code)]

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

const TABLE: &str = include_str!("../CONTRACTS.md");

/// The sources whose documentation holds the contracts, as the table's headings name them.
macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../core/src/platform/", $name)))),*]
    };
}

const SOURCES: &[(&str, &str)] = sources![
    "mod.rs",
    "clock.rs",
    "datagram.rs",
    "entropy.rs",
    "memory.rs",
    "park.rs",
    "thread.rs",
    "thread_slot.rs",
    "file.rs",
    "file_op.rs",
    "local.rs",
    "map.rs",
    "net.rs",
    "reactor.rs",
];

/// The names of all cases.
fn cases() -> Vec<&'static str> {
    let groups: &[&[&str]] = &[
        crate::platform::NAMES,
        crate::clock::NAMES,
        crate::entropy::NAMES,
        crate::memory::NAMES,
        crate::park::NAMES,
        crate::thread::NAMES,
        crate::thread::absent::NAMES,
        crate::thread::concurrent::NAMES,
        crate::thread_slot::NAMES,
        crate::thread_slot::absent::NAMES,
        crate::map::NAMES,
        crate::map::absent::NAMES,
        crate::socket_absent::NAMES,
    ];
    let nested = [crate::file::NAMES, crate::net::NAMES, crate::reactor::NAMES];
    groups
        .iter()
        .chain(nested.into_iter().flatten())
        .flat_map(|group| group.iter().copied())
        .collect()
}

/// Rows of the table: the heading they are under, the contract, the second column.
fn rows() -> Vec<(&'static str, String, &'static str)> {
    let mut heading = "";
    let mut rows = Vec::new();
    for line in TABLE.lines() {
        if let Some(name) = line.strip_prefix("## `") {
            heading = name.trim_end_matches('`');
        } else if let Some(cells) = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix(" |"))
            && let Some((contract, second)) = cells.rsplit_once(" | ")
            && contract != "contract"
        {
            rows.push((heading, contract.replace("\\|", "|"), second));
        }
    }
    rows
}

/// The documentation of a source as running text: comment marks, link targets and brackets gone, one space between words.
fn plain(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines().map(str::trim_start) {
        if let Some(doc) = line.strip_prefix("///").or(line.strip_prefix("//!")) {
            text.push_str(doc);
            text.push(' ');
        }
    }
    let mut unlinked = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("](") {
        unlinked.push_str(before);
        rest = after.split_once(')').map_or("", |(_target, after)| after);
    }
    unlinked.push_str(rest);
    let words: Vec<&str> = unlinked.split_whitespace().collect();
    words.join(" ").replace(['[', ']'], "")
}

#[test]
fn names_are_unique() {
    let cases = cases();
    let unique: BTreeSet<_> = cases.iter().collect();
    assert_eq!(unique.len(), cases.len());
}

#[test]
fn every_case_is_in_the_table_and_the_other_way_round() {
    let cases: BTreeSet<&str> = cases().into_iter().collect();
    let mut named = BTreeSet::new();
    for (_, contract, second) in rows() {
        for name in second.split('`').filter(|name| name.contains("::")) {
            assert!(cases.contains(name), "no case {name}, for: {contract}");
            named.insert(name);
        }
    }
    let missing: Vec<_> = cases.difference(&named).collect();
    assert!(missing.is_empty(), "cases without a contract: {missing:?}");
}

#[test]
fn every_contract_in_the_table_stands_in_the_documentation() {
    let sources: Vec<(&str, String)> = SOURCES
        .iter()
        .map(|(name, source)| (*name, plain(source)))
        .collect();
    let rows = rows();
    assert!(rows.len() > 150, "{} contracts", rows.len());
    for (heading, contract, _) in rows {
        let source = sources.iter().find(|(name, _)| *name == heading);
        let found = source.is_some_and(|(_, text)| text.contains(&contract));
        assert!(found, "{heading} does not say: {contract}");
    }
}

/// The sources of tests elsewhere that the table names.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "platform-linux/tests/fates.rs",
        include_str!("../../../platform-linux/tests/fates.rs"),
    ),
    (
        "platform-linux/tests/file.rs",
        include_str!("../../../platform-linux/tests/file.rs"),
    ),
    (
        "platform-linux/tests/interrupted.rs",
        include_str!("../../../platform-linux/tests/interrupted.rs"),
    ),
    (
        "platform-linux/tests/signal.rs",
        include_str!("../../../platform-linux/tests/signal.rs"),
    ),
    (
        "core/src/platform/absent/fixed_memory.rs",
        include_str!("../../../core/src/platform/absent/fixed_memory.rs"),
    ),
    (
        "core/src/platform/sim/tests/files.rs",
        include_str!("../../../core/src/platform/sim/tests/files.rs"),
    ),
    (
        "core/src/platform/sim/tests/crash.rs",
        include_str!("../../../core/src/platform/sim/tests/crash.rs"),
    ),
    (
        "tests/tests/conformance_native.rs",
        include_str!("../../tests/conformance_native.rs"),
    ),
];

#[test]
fn tests_elsewhere_are_there_or_the_table_says_why_there_can_be_none() {
    let mut named = 0;
    for (_, contract, second) in rows() {
        if second.contains("::") && !second.contains(".rs: ") {
            continue;
        }
        let mut tests = 0;
        for name in second.split('`').filter(|name| name.contains(".rs: ")) {
            let found = name.split_once(": ").is_some_and(|(file, test)| {
                let source = ELSEWHERE.iter().find(|(path, _)| *path == file);
                source.is_some_and(|(_, text)| text.contains(&alloc::format!("fn {test}(")))
            });
            assert!(found, "no test {name}, for: {contract}");
            tests += 1;
        }
        let excused = second.starts_with("beyond any test: ");
        assert!(tests > 0 || excused, "nobody checks: {contract}");
        named += tests;
    }
    assert!(named > 20, "{named} tests elsewhere");
}

/// The groups of cases that can tell about the contracts of a source. (`mod.rs` has rules for all.)
fn groups_for(heading: &str) -> &'static [&'static str] {
    match heading {
        "mod.rs" => &[""],
        "clock.rs" => &["clock::", "park::", "thread::concurrent::"],
        "entropy.rs" => &["entropy::", "thread::concurrent::"],
        "memory.rs" => &["memory::", "thread::concurrent::"],
        "park.rs" => &["park::", "thread::concurrent::"],
        "thread.rs" => &["thread::", "thread_slot::"],
        "thread_slot.rs" => &["thread_slot::"],
        "file.rs" => &["file::", "map::"],
        "map.rs" => &["map::"],
        "datagram.rs" => &["net::datagram::"],
        "local.rs" => &["net::local::"],
        "net.rs" | "reactor.rs" => &["net::", "reactor::"],
        "file_op.rs" => &["reactor::files::"],
        _ => &[],
    }
}

#[test]
fn a_contract_is_checked_by_cases_of_its_own_capability() {
    for (heading, contract, second) in rows() {
        let groups = groups_for(heading);
        for name in second.split('`').filter(|name| name.contains("::")) {
            let fits = groups.iter().any(|group| name.starts_with(group));
            assert!(fits, "{heading}: {name} says nothing about: {contract}");
        }
    }
}
