//! Core's layers: a module imports only from below.

use super::Findings;
use super::source::Source;
use super::tree::Tree;
use std::collections::BTreeMap;

/// Core's modules from the ground up. Modules of one row do not import each other. The lowest layer of the
/// architecture is two rows here: the codecs, too, take their atomics from `sync`.
const LAYERS: &[&[&str]] = &[
    &["error", "limits", "sync"],
    &["codec"],
    &["platform"],
    &["alloc", "search", "deque"],
    &["pool", "exec", "db"],
];

const CORE: &str = "core/src/";

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that enclose a file, from its path below `src`: `db/wal/mod.rs` is `[db, wal]`.
fn module_path(below_src: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = below_src.trim_end_matches(".rs").split('/').collect();
    if matches!(parts.last(), Some(&("mod" | "lib"))) {
        parts.pop();
    }
    parts
}

/// What the crate root re-exports, and from which module: `pub use error::{Error, Kind}`.
fn reexports(root: &str) -> BTreeMap<&str, &str> {
    let source = Source::scan(root);
    let mut names = BTreeMap::new();
    for index in 0..source.tokens.len() {
        if !source.matches(index, &["pub", "use"]) || source.at(index + 3) != "::" {
            continue;
        }
        for name in source.path_heads(index + 4) {
            names.insert(name, source.at(index + 2));
        }
    }
    names
}

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let root = tree.file("core/src/lib.rs").map_or("", |file| &file.text);
    let reexports = reexports(root);
    for file in tree.rust(CORE) {
        let path = module_path(&file.path[CORE.len()..]);
        let Some(&own) = path.first() else { continue };
        let Some(own_layer) = layer_of(own) else {
            findings.add(
                &file.path,
                0,
                format!("module `{own}` has no layer: give it one in xtask/src/tidy/layers.rs and ARCHITECTURE.md"),
            );
            continue;
        };
        let source = Source::scan(&file.text);
        for (index, head) in crate_paths(&source, path.len()) {
            let target = reexports.get(head).copied().unwrap_or(head);
            let Some(layer) = layer_of(target) else {
                continue;
            };
            if target == own || layer < own_layer {
                continue;
            }
            let relation = if layer == own_layer {
                "its sibling"
            } else {
                "the higher"
            };
            findings.add(
                &file.path,
                source.tokens[index].line,
                format!("`{own}` imports {relation} `{target}`: move what is shared to a lower layer, or take it through a trait of `{own}`"),
            );
        }
    }
}

/// Every name directly below the crate root that a path in `source` starts from, with where it stands.
fn crate_paths<'a>(source: &Source<'a>, module_depth: usize) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < source.tokens.len() {
        let start = index;
        index += 1;
        if start > 0 && source.at(start - 1) == "::" {
            continue;
        }
        let after = match source.at(start) {
            "crate" if source.at(start + 1) == "::" => start + 2,
            "super" => {
                let mut after = start;
                let mut climbed = 0;
                while source.matches(after, &["super", "::"]) {
                    climbed += 1;
                    after += 2;
                }
                if climbed == 0 || climbed != module_depth + source.tokens[start].inline_depth {
                    continue;
                }
                after
            }
            _ => continue,
        };
        found.extend(
            source
                .path_heads(after)
                .into_iter()
                .map(|head| (start, head)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(files), &mut findings);
        findings.0
    }

    #[test]
    fn imports_from_below_pass() {
        let files = [
            (
                "core/src/lib.rs",
                "pub use db::Db; pub use error::{Error, Kind};",
            ),
            (
                "core/src/db/wal/mod.rs",
                "use crate::{Error, platform::{Files, Park}, sync}; use super::batch; use crate::db::options;",
            ),
            (
                "core/src/platform/sim/disk.rs",
                "use super::super::file; use super::super::super::codec;",
            ),
        ];
        assert_eq!(findings(&files), [""; 0]);
    }

    #[test]
    fn siblings_and_higher_layers_are_found() {
        for (path, text, wanted) in [
            (
                "core/src/db/mod.rs",
                "use crate::pool::Pool;",
                "its sibling `pool`",
            ),
            (
                "core/src/db/mod.rs",
                "use super::exec;",
                "its sibling `exec`",
            ),
            (
                "core/src/platform/net.rs",
                "use crate::{error, db::Db};",
                "the higher `db`",
            ),
            (
                "core/src/platform/net.rs",
                "use crate::Db;",
                "the higher `db`",
            ),
            (
                "core/src/sync/lock.rs",
                "fn f() { crate::platform::x() }",
                "the higher `platform`",
            ),
            (
                "core/src/sync/lock.rs",
                "mod m { use super::super::super::platform; }",
                "the higher `platform`",
            ),
            ("core/src/misc.rs", "", "has no layer"),
        ] {
            let found = findings(&[("core/src/lib.rs", "pub use db::Db;"), (path, text)]);
            assert_eq!(found.len(), 1, "{path}: {text}: {found:?}");
            assert!(found[0].contains(wanted), "{found:?}");
        }
    }

    #[test]
    fn comments_are_not_imports() {
        let files = [(
            "core/src/sync/mod.rs",
            "//! See [`crate::db`].\n/* use crate::db; */",
        )];
        assert_eq!(findings(&files), [""; 0]);
    }
}
