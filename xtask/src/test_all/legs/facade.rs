//! The test suites of other crates, with memchr replaced by ours.

use crate::test_all::job::Job;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The variable that asks for all of them.
const ALL: &str = "UNDERPIN_FACADE_ALL";

/// Their limit: most of it is compiling.
const ALL_LIMIT: Duration = Duration::from_secs(3_600);

/// Crates that use memchr, the quickest to build first, and those of their tests that are published with all the files they need (none of bstr's).
/// ripgrep's tests run the program.
const SUITES: &[(&str, &[&str])] = &[
    ("aho-corasick", &["--lib"]),
    ("regex-automata", &["--lib"]),
    ("regex", &["--lib", "--test", "integration"]),
    ("ripgrep", &["--bins", "--test", "integration"]),
];

pub(super) fn run(job: &mut Job<'_>) -> Result<(), String> {
    let all = std::env::var_os(ALL).is_some();
    if all {
        job.extend_clock(ALL_LIMIT);
    }
    let number = if all { SUITES.len() } else { 1 };
    for (name, arguments) in &SUITES[..number] {
        let copy = copy(job, name)?;
        let manifest = copy.join("Cargo.toml");
        // A patch that does not fit is but a warning: then the suite would test memchr itself.
        let mut tree = unlocked(job, "tree");
        let tree = tree
            .current_dir(&copy)
            .args(["--invert", "memchr", "--depth", "0", "--manifest-path"])
            .arg(&manifest)
            .output()
            .map_err(|e| format!("cargo tree: {e}"))?;
        let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
        if !tree.contains("facade/memchr") {
            return Err(format!("{name} does not use the facade: {tree}"));
        }
        let mut test = unlocked(job, "test");
        test.current_dir(&copy)
            .env(
                "CARGO_TARGET_DIR",
                job.workspace.target.join("facade/build"),
            )
            // Its warnings are its authors' business.
            .env("RUSTFLAGS", "--cap-lints allow")
            .arg("--manifest-path")
            .arg(&manifest)
            .args(*arguments);
        job.run(&mut test)?;
    }
    let names = |suites: &[(&'static str, &[&str])]| {
        let names: Vec<&str> = suites.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let mut note = names(&SUITES[..number]);
    if !all {
        let rest = names(&SUITES[number..]);
        note = format!("{note}; not run without {ALL}: {rest}");
    }
    job.note(&note);
    Ok(())
}

/// Cargo without `--locked`: a copy has no lock file.
fn unlocked(job: &Job<'_>, command: &str) -> Command {
    let mut cargo = job.workspace.cargo();
    cargo.arg(command);
    cargo
}

/// A copy of a crate's source, as the lock file of `tests/facade` pins it, in which memchr is ours.
fn copy(job: &Job<'_>, name: &str) -> Result<PathBuf, String> {
    let facade = job.workspace.root.join("tests/facade");
    let mut metadata = job.cargo("metadata");
    let output = metadata
        .args(["--format-version", "1", "--manifest-path"])
        .arg(facade.join("Cargo.toml"))
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cargo metadata: {why}"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let is_it = |folder: &Path| {
        let folder = folder.file_name().map(|name| name.to_string_lossy());
        folder
            .as_deref()
            .and_then(|folder| folder.strip_prefix(name)?.strip_prefix('-'))
            .is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    };
    let sources = || {
        text.split("\"manifest_path\":\"")
            .skip(1)
            .filter_map(|rest| Path::new(rest.split('"').next()?).parent())
    };
    // What has no library is not named, but it was fetched to where the others are.
    let program = || {
        let pinned = format!("{name}-{}", crate::ripgrep::VERSION);
        let beside = sources().filter_map(Path::parent);
        beside
            .map(|folder| folder.join(&pinned))
            .find(|folder| folder.is_dir() && is_it(folder))
    };
    let source = sources()
        .find(|folder| is_it(folder))
        .map(Path::to_path_buf)
        .or_else(program)
        .ok_or_else(|| format!("{name} is not in tests/facade/Cargo.lock"))?;
    let copy = job.workspace.target.join("facade").join(name);
    let _ = fs::remove_dir_all(&copy);
    copy_folder(&source, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    // Of its tests, the corpus of fuzzers is not published; the module that would read it stays empty.
    let tests = copy.join("tests");
    if tests.join("lib.rs").is_file() {
        fs::create_dir_all(tests.join("fuzz"))
            .and_then(|()| fs::write(tests.join("fuzz/mod.rs"), ""))
            .map_err(|e| format!("{}: {e}", tests.display()))?;
    }
    // Its lock file knows another memchr.
    let _ = fs::remove_file(copy.join("Cargo.lock"));
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let patch = format!(
        "{text}\n[workspace]\n\n[patch.crates-io]\nmemchr = {{ path = {:?} }}\n",
        facade.join("memchr")
    );
    fs::write(&manifest, patch).map_err(|e| format!("{}: {e}", manifest.display()))?;
    Ok(copy)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
