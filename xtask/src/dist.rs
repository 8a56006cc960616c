//! `cargo xtask dist`: the release artefacts, under `target/dist`, each tried once.

use crate::terminal::say;
use crate::workspace::Workspace;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The preloadable allocator's file.
pub(crate) const MALLOC_LIBRARY: &str = "libunderpin_malloc.so";

/// The C interface as cargo names its files, and as a release does.
const C_LIBRARIES: &[(&str, &str)] = &[
    ("libunderpin_capi.so", "lib/libunderpin.so"),
    ("libunderpin_capi.a", "lib/libunderpin.a"),
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
    if cfg!(target_os = "linux") {
        c_interface(workspace, &dist)?;
        malloc(workspace, &dist, &dist.join(&binary))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the C interface, and runs a program in C over either library.
fn c_interface(workspace: &Workspace, dist: &Path) -> Result<(), String> {
    let mut build = workspace.cargo();
    run(build.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "underpin-capi",
    ]))?;
    for (built, name) in C_LIBRARIES {
        install(
            &workspace.target.join("release").join(built),
            &dist.join(name),
        )?;
    }
    let package = workspace.root.join("std-shim/capi");
    install(
        &package.join("include/underpin.h"),
        &dist.join("include/underpin.h"),
    )?;
    let scratch = workspace.target.join("dist-check");
    for (kind, library) in [("shared", "libunderpin.so"), ("static", "libunderpin.a")] {
        let program = scratch.join(format!("store-{kind}"));
        let data = scratch.join(format!("data-{kind}"));
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        }
        fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let mut compile = workspace.program("cc");
        compile
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(dist.join("include"))
            .arg(package.join("examples/store.c"))
            .arg(dist.join("lib").join(library))
            .arg("-o")
            .arg(&program)
            .arg(format!("-Wl,-rpath,{}", dist.join("lib").display()))
            .args(["-lpthread", "-ldl", "-lm"]);
        run(&mut compile)?;
        let said = run(workspace.program(&program).arg(&data))?;
        say!(
            "target/dist/lib/{library}  a C program over it says `{}`",
            said.trim()
        );
    }
    Ok(())
}

/// The command that builds the preloadable allocator, which is a workspace of its own, and where the library then is.
pub(crate) fn malloc_build(workspace: &Workspace) -> (Command, std::path::PathBuf) {
    let target = workspace.target.join("malloc");
    let mut build = workspace.cargo();
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(workspace.root.join("std-shim/malloc/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    (build, target.join("release").join(MALLOC_LIBRARY))
}

/// Builds the allocator for other programs, and runs one under it.
fn malloc(workspace: &Workspace, dist: &Path, underpin: &Path) -> Result<(), String> {
    let (mut build, built) = malloc_build(workspace);
    run(&mut build)?;
    install(&built, &dist.join("lib").join(MALLOC_LIBRARY))?;
    let mut under = workspace.program(underpin);
    let said = run(under
        .args([
            "run",
            "--",
            "sh",
            "-c",
            "grep -c \"$0\" /proc/self/maps && echo runs",
        ])
        .arg(MALLOC_LIBRARY))?;
    let bytes = fs::metadata(&built).map_or(0, |metadata| metadata.len());
    if !said.ends_with("runs\n") {
        return Err(format!("{MALLOC_LIBRARY} was not loaded: {said}"));
    }
    say!("target/dist/lib/{MALLOC_LIBRARY}  {bytes} bytes, a program runs under it");
    Ok(())
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{} failed ({}): {}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn install(from: &Path, to: &Path) -> Result<(), String> {
    let dir = to.parent().ok_or("an artefact without a directory")?;
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    fs::copy(from, to).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))?;
    Ok(())
}
