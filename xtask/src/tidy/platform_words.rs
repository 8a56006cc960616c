//! Who may know which system it runs on: core never, a platform crate only its own, the shim in one place.

use super::Findings;
use super::source::Source;
use super::tree::Tree;
use std::collections::BTreeSet;

/// Bindings to systems and to std that core must not name, in tests either.
const BINDINGS: &[&str] = &["libc", "rustix", "windows_sys", "nix", "mio"];

/// Conditions on which system the build is for.
const SYSTEM_CONDITIONS: &[&str] = &[
    "target_os",
    "target_vendor",
    "target_family",
    "target_env",
    "windows",
    "unix",
];

/// What each platform crate may depend on besides the seam.
const PLATFORM_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("platform-linux", &["rustix", "linux-raw-sys"]),
    ("platform-macos", &["libc"]),
    ("platform-windows", &["windows-sys"]),
];

/// What every platform crate may depend on.
const COMMON_DEPENDENCIES: &[&str] = &["underpin-core", "bitflags"];

fn system_conditions(source: &Source<'_>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for range in source.conditions() {
        for token in &source.tokens[range] {
            if SYSTEM_CONDITIONS.contains(&token.text) {
                found.push((token.line, token.text.to_owned()));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Core and the conformance suite.
pub(super) fn check_core(tree: &Tree, findings: &mut Findings) {
    for prefix in ["core/src/", "tests/conformance/src/"] {
        let test_files = test_only_files(tree, prefix);
        for file in tree.rust(prefix) {
            let source = Source::scan(&file.text);
            for (line, word) in system_conditions(&source) {
                findings.add(
                    &file.path,
                    line,
                    format!("`cfg({word})` here: ask the platform value (`Caps`), or move this to a platform crate"),
                );
            }
            let is_test = test_files
                .iter()
                .any(|path| file.path == *path || file.path.starts_with(&path.replace(".rs", "/")));
            for (index, token) in source.tokens.iter().enumerate() {
                if BINDINGS.contains(&token.text) {
                    findings.add(
                        &file.path,
                        token.line,
                        format!(
                            "names `{}`: only a platform crate talks to a system",
                            token.text
                        ),
                    );
                }
                let is_root = index == 0 || source.at(index - 1) != "::";
                if token.text == "std"
                    && is_root
                    && !token.in_test
                    && !is_test
                    && (source.at(index + 1) == "::" || source.at(index.wrapping_sub(1)) == "crate")
                {
                    findings.add(
                        &file.path,
                        token.line,
                        "names `std` outside tests: use `core`, `alloc` or a platform trait",
                    );
                }
            }
        }
    }
}

/// Files whose `mod` line is for tests only.
fn test_only_files(tree: &Tree, prefix: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for file in tree.rust(prefix) {
        let directory = if file.path.ends_with("/mod.rs") || file.path.ends_with("/lib.rs") {
            file.path.rsplit_once('/').map_or("", |(dir, _)| dir)
        } else {
            file.path.trim_end_matches(".rs")
        };
        for module in Source::scan(&file.text).test_modules() {
            files.insert(format!("{directory}/{module}.rs"));
            files.insert(format!("{directory}/{module}/mod.rs"));
        }
    }
    files
}

/// Each platform crate's manifest.
pub(super) fn check_platform_crates(tree: &Tree, findings: &mut Findings) {
    for (package, own) in PLATFORM_DEPENDENCIES {
        let path = format!("{package}/Cargo.toml");
        let Some(manifest) = tree.file(&path) else {
            findings.add(&path, 0, "the platform crate is missing");
            continue;
        };
        for (line, name) in dependencies(&manifest.text) {
            if !own.contains(&name) && !COMMON_DEPENDENCIES.contains(&name) {
                findings.add(
                    &path,
                    line,
                    format!("depends on `{name}`: a platform crate needs the seam and its system's bindings alone"),
                );
            }
        }
    }
}

/// Names below `[dependencies]` and `[target.X.dependencies]`; dev-dependencies are free.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section == "dependencies" || section.ends_with(".dependencies");
            if let Some((_, name)) = section.split_once("dependencies.")
                && !section.contains("dev-dependencies")
            {
                names.push((index + 1, name));
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line
                .find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
                .unwrap_or(line.len());
            if line[end..].starts_with([' ', '=', '.']) {
                names.push((index + 1, &line[..end]));
            }
        }
    }
    names
}

/// The shim's sources.
pub(super) fn check_shim(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust("std-shim/src/") {
        if file.path.starts_with("std-shim/src/sys/") || file.path == "std-shim/src/sys.rs" {
            continue;
        }
        for (line, word) in system_conditions(&Source::scan(&file.text)) {
            findings.add(
                &file.path,
                line,
                format!("`cfg({word})` here: which system this is, is decided under std-shim/src/sys alone"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(check: fn(&Tree, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(files), &mut findings);
        findings.0
    }

    #[test]
    fn core_may_use_std_in_tests_only() {
        let good = [
            (
                "core/src/lib.rs",
                "#[cfg(test)] extern crate std; #[cfg(test)] mod tests;",
            ),
            ("core/src/tests.rs", "use std::vec;"),
            ("core/src/tests/deep.rs", "use std::vec;"),
            (
                "core/src/a.rs",
                "// std::vec\n#[cfg(test)] mod tests { use std::vec; } fn f() { x::std::y() }",
            ),
        ];
        assert_eq!(run(check_core, &good), [""; 0]);
        for bad in [
            "use std::vec;",
            "extern crate std;",
            "use rustix::fs;",
            "#[cfg(test)] use libc::c_int;",
            "#[cfg(target_os = \"linux\")] fn f() {}",
            "fn f() { if cfg!(windows) {} }",
            "cfg_select! { unix => {} }",
            "#[cfg_attr(target_vendor = \"apple\", x)] fn f() {}",
        ] {
            for path in ["core/src/a.rs", "tests/conformance/src/a.rs"] {
                assert_eq!(run(check_core, &[(path, bad)]).len(), 1, "{bad}");
            }
        }
    }

    #[test]
    fn an_identifier_that_only_looks_like_a_system_is_fine() {
        let good = [(
            "core/src/a.rs",
            "fn windows(unix: u8) { slice.windows(2); }",
        )];
        assert_eq!(run(check_core, &good), [""; 0]);
    }

    #[test]
    fn platform_crates_are_held_to_their_lists() {
        let files = |linux| {
            [
                ("platform-linux/Cargo.toml", linux),
                (
                    "platform-macos/Cargo.toml",
                    "[dependencies]\nlibc = \"0.2\"",
                ),
                (
                    "platform-windows/Cargo.toml",
                    "[dependencies.windows-sys]\nversion = \"1\"",
                ),
            ]
        };
        let good = "[features]\nx = []\n[dependencies]\n# why\nunderpin-core.workspace = true\nrustix = { version = \"1\" }\n[dev-dependencies]\nproptest = \"1\"";
        assert_eq!(run(check_platform_crates, &files(good)), [""; 0]);
        for bad in [
            "[dependencies]\nlibc = \"0.2\"",
            "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"",
            "[dependencies.libc]\nversion = \"0.2\"",
        ] {
            assert_eq!(run(check_platform_crates, &files(bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn the_shim_decides_in_one_place() {
        let text = "#[cfg(target_os = \"linux\")] mod x;";
        assert_eq!(
            run(check_shim, &[("std-shim/src/sys/mod.rs", text)]),
            [""; 0]
        );
        assert_eq!(run(check_shim, &[("std-shim/src/kv.rs", text)]).len(), 1);
    }
}
