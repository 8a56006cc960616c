//! What the checks look at: the files that git tracks or would track, and what core depends on.

use crate::workspace::Workspace;
use std::fs;

/// A text file of the repository.
#[derive(Debug)]
pub(super) struct File {
    /// From the repository's root, with `/` between the parts.
    pub(super) path: String,
    /// Its contents.
    pub(super) text: String,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Names of the crates that `underpin-core` brings along with every feature, or why they are not known.
    pub(super) core_dependencies: Result<Vec<String>, String>,
}

impl Tree {
    /// Reads the tracked files, and the untracked ones that are not ignored.
    pub(super) fn read(workspace: &Workspace) -> Result<Self, String> {
        let listing = workspace
            .program("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .output()
            .map_err(|e| format!("git ls-files: {e}"))?;
        if !listing.status.success() {
            return Err("`git ls-files` failed: tidy looks at what git tracks".into());
        }
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
            // A file that is not text, or deleted and not yet committed, is none of the checks' business.
            if let Ok(text) = fs::read_to_string(workspace.root.join(path)) {
                files.push(File {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        Ok(Self {
            files,
            core_dependencies: core_dependencies(workspace),
        })
    }

    /// Rust sources below `prefix`.
    pub(super) fn rust(&self, prefix: &str) -> impl Iterator<Item = &File> {
        let prefix = prefix.to_owned();
        self.files
            .iter()
            .filter(move |file| file.path.starts_with(&prefix) && file.path.ends_with(".rs"))
    }

    /// The file at exactly `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A tree for unit tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| File {
                    path: (*path).to_owned(),
                    text: (*text).to_owned(),
                })
                .collect(),
            core_dependencies: Ok(Vec::new()),
        }
    }
}

/// Asked for a bare-metal target, so that what only the model checker or a hosted build wants is left out.
fn core_dependencies(workspace: &Workspace) -> Result<Vec<String>, String> {
    let output = workspace
        .cargo()
        .args(["tree", "--package", "underpin-core", "--edges", "normal"])
        .args(["--all-features", "--target", "thumbv7em-none-eabihf"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .map_err(|e| format!("cargo tree: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let mut names: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
