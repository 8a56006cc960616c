//! `cargo xtask dist`: the release artefacts, under `target/dist`.

use crate::terminal::say;
use crate::workspace::Workspace;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// What a release holds one day and does not yet.
const NOT_BUILT_YET: &[&str] = &[
    "lib/libunderpin_malloc.so",
    "lib/libunderpin.so",
    "lib/libunderpin.a",
    "include/underpin.h",
];

/// Builds, copies and tries the artefacts.
pub(crate) fn main(workspace: &Workspace, mut parser: lexopt::Parser) -> Result<ExitCode, String> {
    if let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        return Err(arg.unexpected().to_string());
    }
    let status = workspace
        .cargo()
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "underpin",
            "--bin",
            "underpin",
        ])
        .status()
        .map_err(|e| format!("cargo build: {e}"))?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    let dist = workspace.target.join("dist");
    let binary = Path::new("bin").join(format!("underpin{}", std::env::consts::EXE_SUFFIX));
    let built = workspace
        .target
        .join("release")
        .join(binary.file_name().unwrap_or_default());
    install(&built, &dist.join(&binary))?;
    let version = workspace
        .program(dist.join(&binary))
        .arg("--version")
        .output()
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    let output = String::from_utf8_lossy(&version.stdout);
    let said = output.lines().next().unwrap_or("");
    let expected = env!("CARGO_PKG_VERSION");
    if !version.status.success() || !said.contains(expected) {
        say!(
            "{} --version says `{}`, not {expected}",
            binary.display(),
            said
        );
        return Ok(ExitCode::FAILURE);
    }
    let bytes = fs::metadata(dist.join(&binary)).map_or(0, |metadata| metadata.len());
    say!(
        "target/dist/{}  {bytes} bytes, answers `{}`",
        binary.display(),
        said
    );
    say!("not built yet: {}", NOT_BUILT_YET.join(", "));
    Ok(ExitCode::SUCCESS)
}

fn install(from: &Path, to: &Path) -> Result<(), String> {
    let dir = to.parent().ok_or("an artefact without a directory")?;
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    fs::copy(from, to).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))?;
    Ok(())
}
