//! What `underpin-core` may depend on.

use super::Findings;
use super::tree::Tree;

/// Crates that were checked to build without std; the second row comes along with the first.
const ALLOWED: &[&[&str]] = &[
    &[
        "underpin-core",
        "bitflags",
        "hashbrown",
        "heapless",
        "spin",
        "futures-core",
        "pin-project-lite",
        "xxhash-rust",
        "foldhash",
        "lz4_flex",
        "portable-atomic",
        "critical-section",
        "allocator-api2",
        "lock_api",
        "embedded-io",
        "embedded-io-async",
        "embedded-storage",
        "log",
        "defmt",
    ],
    &[
        "hash32",
        "stable_deref_trait",
        "byteorder",
        "scopeguard",
        "equivalent",
        "twox-hash",
        "defmt-macros",
    ],
];

pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    match &tree.core_dependencies {
        Err(why) => findings.add("core/Cargo.toml", 0, format!("`cargo tree` failed: {why}")),
        Ok(names) => {
            for name in names {
                if !ALLOWED.iter().any(|row| row.contains(&name.as_str())) {
                    findings.add(
                        "core/Cargo.toml",
                        0,
                        format!("brings in `{name}`: check that it builds without std for a bare-metal target, then add it to xtask/src/tidy/dependencies.rs"),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_crate_is_found() {
        let mut tree = Tree::of(&[]);
        tree.core_dependencies = Ok(vec!["bitflags".into(), "libc".into()]);
        let mut findings = Findings::default();
        check(&tree, &mut findings);
        assert_eq!(findings.0.len(), 1);
        assert!(findings.0[0].contains("`libc`"));
    }
}
