//! `cargo xtask tidy`: the rules of `ARCHITECTURE.md` as checks over the sources.
//!
//! A check is a name, the rule in one line, and a function from the [`Tree`] of tracked files to findings; each
//! finding says where, what is wrong and what to do. The checks read sources with a small scanner
//! ([`source`]) that knows comments, literals, `use` trees and test-only items, and nothing of types: a rule that
//! needs more than that is clippy's.

mod dependencies;
mod files;
mod layers;
mod platform_words;
mod readme;
mod source;
mod tree;
mod unsafe_list;

use crate::terminal::say;
use crate::workspace::Workspace;
use std::process::ExitCode;
use tree::Tree;

/// One rule.
struct Check {
    name: &'static str,
    rule: &'static str,
    run: fn(&Tree, &mut Findings),
}

/// Everything that is wrong.
#[derive(Debug, Default)]
struct Findings(Vec<String>);

impl Findings {
    /// Something is wrong in `path` at `line` (0 for the whole file).
    fn add(&mut self, path: &str, line: usize, message: impl AsRef<str>) {
        let message = message.as_ref();
        self.0.push(if line == 0 {
            format!("{path}: {message}")
        } else {
            format!("{path}:{line}: {message}")
        });
    }
}

const CHECKS: &[Check] = &[
    Check {
        name: "layers",
        rule: "a core module imports only from lower layers, never a sibling",
        run: layers::check,
    },
    Check {
        name: "core-names-no-system",
        rule: "core and tests/conformance name no operating system, no libc, no std",
        run: platform_words::check_core,
    },
    Check {
        name: "platform-crates",
        rule: "a platform crate depends on the seam and its system's bindings alone",
        run: platform_words::check_platform_crates,
    },
    Check {
        name: "shim-cfg",
        rule: "std-shim asks which system it is on only in its manifest and under src/sys",
        run: platform_words::check_shim,
    },
    Check {
        name: "unsafe-modules",
        rule: "a module forbids unsafe code or stands in ARCHITECTURE.md's list",
        run: unsafe_list::check,
    },
    Check {
        name: "file-names",
        rule: "files are named after nouns of their field",
        run: files::check_names,
    },
    Check {
        name: "file-sizes",
        rule: "no source file is longer than 1,200 lines",
        run: files::check_sizes,
    },
    Check {
        name: "file-contents",
        rule: "no file is empty, but for a kept sample of the on-disk format",
        run: files::check_contents,
    },
    Check {
        name: "words",
        rule: "no leftover markers, no paths of somebody's machine",
        run: files::check_words,
    },
    Check {
        name: "core-dependencies",
        rule: "underpin-core depends only on crates known to need no std",
        run: dependencies::check,
    },
    Check {
        name: "readme-commands",
        rule: "every command that README shows exists",
        run: readme::check_commands,
    },
    Check {
        name: "links",
        rule: "every relative link in a document leads to a file",
        run: readme::check_links,
    },
];

/// Runs every check, or lists them.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    let mut list = false;
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("list") => list = true,
            other => return Err(other.unexpected().to_string()),
        }
    }
    if list {
        for check in CHECKS {
            say!("{:<22}{}", check.name, check.rule);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::read(workspace)?;
    let mut failed = 0;
    for check in CHECKS {
        let mut findings = Findings::default();
        (check.run)(&tree, &mut findings);
        if findings.0.is_empty() {
            say!("ok      {:<22}{}", check.name, check.rule);
        } else {
            failed += 1;
            say!("FAILED  {:<22}{}", check.name, check.rule);
            for finding in &findings.0 {
                say!("        {finding}");
            }
        }
    }
    say!(
        "{} rules over {} files, {failed} broken",
        CHECKS.len(),
        tree.files.len()
    );
    Ok(ExitCode::from(u8::from(failed > 0)))
}
