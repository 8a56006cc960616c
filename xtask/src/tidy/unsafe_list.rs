//! Unsafe code lives in few modules, and `ARCHITECTURE.md` lists them.
//!
//! A bullet names a file or a directory. Below a listed directory a file still says `#![forbid(unsafe_code)]` unless it
//! has unsafe code; a file that only declares modules need say nothing, for it cannot forbid what a child allows; and
//! what an enclosing module forbids is forbidden.

use super::Findings;
use super::source::Source;
use super::tree::Tree;
use std::collections::BTreeMap;

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Unsafe modules";

/// Crates whose every module must say which kind it is.
const PREFIXES: &[&str] = &[
    "core/src/",
    "platform-linux/src/",
    "platform-macos/src/",
    "platform-windows/src/",
    "std-shim/src/",
    "std-shim/malloc/src/",
    "std-shim/capi/src/",
];

/// The paths in the bullets of the section, with their lines.
fn listed(document: &str) -> BTreeMap<&str, usize> {
    let mut paths = BTreeMap::new();
    let mut inside = false;
    for (index, line) in document.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line.trim() == HEADING;
        } else if inside && let Some(item) = line.trim_start().strip_prefix("- ") {
            let path = item
                .trim_start_matches('`')
                .split(['`', ' ', ':'])
                .next()
                .unwrap_or("");
            paths.insert(path, index + 1);
        }
    }
    paths
}

fn says_forbid(source: &Source<'_>) -> bool {
    (0..source.tokens.len())
        .any(|i| source.matches(i, &["#", "!", "[", "forbid", "(", "unsafe_code"]))
}

/// Where the modules that enclose `path` may stand; what they forbid holds in `path` too.
fn ancestors(path: &str) -> Vec<String> {
    let mut candidates = Vec::new();
    let mut directory = path.trim_end_matches(".rs").trim_end_matches("/mod");
    while let Some((parent, _)) = directory.rsplit_once('/') {
        for name in ["/mod.rs", "/lib.rs", ".rs"] {
            candidates.push(format!("{parent}{name}"));
        }
        directory = parent;
    }
    candidates.retain(|candidate| candidate != path);
    candidates
}

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let document = tree.file(DOCUMENT).map_or("", |file| &file.text);
    if !document.lines().any(|line| line.trim() == HEADING) {
        findings.add(
            DOCUMENT,
            0,
            format!("has no section `{HEADING}`: add it, with one bullet per unsafe module's path"),
        );
    }
    let listed = listed(document);
    for (path, line) in &listed {
        let below = format!("{}/", path.trim_end_matches('/'));
        if !tree
            .files
            .iter()
            .any(|file| file.path == **path || file.path.starts_with(&below))
        {
            findings.add(
                DOCUMENT,
                *line,
                format!("lists `{path}`, which is not there: remove it or mend the path"),
            );
        }
    }
    for file in PREFIXES.iter().flat_map(|prefix| tree.rust(prefix)) {
        let source = Source::scan(&file.text);
        let forbids = says_forbid(&source)
            || ancestors(&file.path)
                .iter()
                .filter_map(|path| tree.file(path))
                .any(|parent| says_forbid(&Source::scan(&parent.text)));
        let is_listed = listed.contains_key(file.path.as_str());
        let is_below_listed = listed.keys().any(|path| {
            file.path
                .starts_with(&format!("{}/", path.trim_end_matches('/')))
        });
        // A parent cannot forbid what one of its children allows.
        let is_parent = (0..source.tokens.len())
            .any(|i| source.at(i) == "mod" && matches!(source.at(i + 2), ";" | "{"));
        let uses_unsafe = source.tokens.iter().any(|token| token.text == "unsafe");
        if forbids || (is_parent && !uses_unsafe && !is_listed) {
            if is_listed {
                findings.add(
                    &file.path,
                    0,
                    format!("has no unsafe code and is listed in {DOCUMENT}: remove it there"),
                );
            }
        } else if !is_listed && !is_below_listed {
            findings.add(
                &file.path,
                1,
                format!("neither says `#![forbid(unsafe_code)]` nor is listed in {DOCUMENT} under `{HEADING}`: do one of both"),
            );
        } else if !uses_unsafe {
            findings.add(
                &file.path,
                1,
                "has no unsafe code: say `#![forbid(unsafe_code)]`",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(document: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![(DOCUMENT, document)];
        all.extend_from_slice(files);
        let mut findings = Findings::default();
        check(&Tree::of(&all), &mut findings);
        findings.0
    }

    const LIST: &str = "# A\n## Unsafe modules\n\nText.\n\n- `core/src/a.rs`: reads memory\n- core/src/b\n\n## Next\n- `core/src/c.rs`\n";

    #[test]
    fn a_module_forbids_or_is_listed() {
        let good = [
            (
                "core/src/lib.rs",
                "#![deny(unsafe_code)] mod a; pub mod b; mod d;",
            ),
            ("core/src/a.rs", "unsafe {}"),
            ("core/src/b/x.rs", "unsafe {}"),
            ("core/src/b/y.rs", "#![forbid(unsafe_code)]"),
            ("core/src/d/mod.rs", "#![forbid(unsafe_code)] mod e;"),
            ("core/src/d/e/f.rs", "fn f() {}"),
        ];
        assert_eq!(findings(LIST, &good), [""; 0]);
    }

    #[test]
    fn every_disagreement_is_found() {
        let ab = [
            ("core/src/a.rs", "unsafe {}"),
            ("core/src/b/x.rs", "unsafe {}"),
        ];
        for (extra, wanted) in [
            (("core/src/c.rs", "fn f() {}"), "neither"),
            (("core/src/c.rs", "// #![forbid(unsafe_code)]"), "neither"),
            (("core/src/c.rs", "#![deny(unsafe_code)]"), "neither"),
            (("core/src/c.rs", "mod d; unsafe fn f() {}"), "neither"),
            (("platform-linux/src/lib.rs", ""), "neither"),
            (("core/src/b/c.rs", "fn f() {}"), "has no unsafe code"),
        ] {
            let found = findings(LIST, &[ab[0], ab[1], extra]);
            assert_eq!(found.len(), 1, "{extra:?}: {found:?}");
            assert!(found[0].contains(wanted), "{found:?}");
        }
        let found = findings(LIST, &[("core/src/a.rs", "#![forbid(unsafe_code)]"), ab[1]]);
        assert!(
            found.len() == 1 && found[0].contains("remove it there"),
            "{found:?}"
        );
        let found = findings(LIST, &[ab[0]]);
        assert!(
            found.len() == 1 && found[0].contains("not there"),
            "{found:?}"
        );
        assert!(findings("# A\n", &[])[0].contains("no section"));
    }
}
