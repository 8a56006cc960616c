//! Names, sizes and words of files.

use super::Findings;
use super::tree::Tree;

/// Names that say nothing about what is inside.
const BANNED_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "manager", "inner", "misc",
];

const LINES_MAX: usize = 1_200;

/// Kinds of files that people write and read.
const SOURCES: &[&str] = &[
    ".rs", ".md", ".py", ".mjs", ".sh", ".toml", ".c", ".h", ".ld", ".x", ".yml",
];

/// Where this rule's own words stand.
const OWN_WORDS: &str = "xtask/src/tidy/files.rs";

fn is_source(path: &str) -> bool {
    SOURCES.iter().any(|ending| path.ends_with(ending)) || path.starts_with(".ci/")
}

pub(super) fn check_names(tree: &Tree, findings: &mut Findings) {
    for file in &tree.files {
        let parts = file.path.split('/').map(|part| part.split('.').next());
        for stem in parts.flatten().filter(|stem| BANNED_NAMES.contains(stem)) {
            findings.add(
                &file.path,
                0,
                format!("`{stem}` names nothing: use the field's noun for what is inside"),
            );
        }
    }
}

pub(super) fn check_sizes(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|file| is_source(&file.path)) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            findings.add(
                &file.path,
                0,
                format!("{lines} lines, over {LINES_MAX}: split it by idea"),
            );
        }
    }
}

/// A compiler that only checks leaves an empty `a.out` behind, and `git add` takes it along.
pub(super) fn check_contents(tree: &Tree, findings: &mut Findings) {
    let kept = |path: &str| path.starts_with("tests/golden/");
    for file in tree.files.iter().filter(|file| file.text.is_empty()) {
        if !kept(&file.path) {
            findings.add(&file.path, 0, "nothing is in it: remove it");
        }
    }
}

pub(super) fn check_words(tree: &Tree, findings: &mut Findings) {
    for file in tree.files.iter().filter(|file| is_source(&file.path)) {
        if file.path == OWN_WORDS {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            for marker in ["TODO", "FIXME", "XXX", "HACK"] {
                if has_word(line, marker) {
                    findings.add(
                        &file.path,
                        index + 1,
                        format!("`{marker}`: do it now, or say what is missing where users look"),
                    );
                }
            }
            for path in ["/root/", "/work/", "/home/"] {
                if has_path(line, path) {
                    findings.add(
                        &file.path,
                        index + 1,
                        format!("`{path}` is a path of one machine: make it relative"),
                    );
                }
            }
        }
    }
}

/// Whether `word` stands in `line` with no letter, digit or underscore on either side.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

/// Whether an absolute path that starts with `path` stands in `line`; `target/work/x` is none.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at]
            .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '}' | ')'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(check: fn(&Tree, &mut Findings), path: &str, text: &str) -> usize {
        let mut findings = Findings::default();
        check(&Tree::of(&[(path, text)]), &mut findings);
        findings.0.len()
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(run(check_names, "core/src/db/utils.rs", ""), 1);
        assert_eq!(run(check_names, "core/src/common/mod.rs", ""), 1);
        assert_eq!(run(check_names, "core/src/db/inner_node.rs", ""), 0);
        assert_eq!(run(check_names, "core/src/db/memtable.rs", ""), 0);
    }

    #[test]
    fn long_sources_are_found_and_data_is_not() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(run(check_sizes, "a.rs", &long), 1);
        assert_eq!(run(check_sizes, "a.rs", &long[2..]), 0);
        assert_eq!(run(check_sizes, "Cargo.lock", &long), 0);
    }

    #[test]
    fn empty_files_are_found_outside_the_golden_ones() {
        assert_eq!(run(check_contents, "a.out", ""), 1);
        assert_eq!(run(check_contents, "core/src/lib.rs", "//! x"), 0);
        assert_eq!(run(check_contents, "tests/golden/v1/LOCK", ""), 0);
    }

    #[test]
    fn markers_and_machine_paths_are_found() {
        for bad in [
            "// TODO: x",
            "FIXME",
            "# XXX",
            "a /root/x",
            "\"/home/me\"",
            "(/work/x)",
        ] {
            assert_eq!(run(check_words, "a.rs", bad), 1, "{bad}");
        }
        for good in [
            "mktemp XXXXXX",
            "AUTODOC",
            "target/work/x",
            "{root}/home/x",
            "https://x.y/home/",
        ] {
            assert_eq!(run(check_words, "a.rs", good), 0, "{good}");
        }
    }
}
