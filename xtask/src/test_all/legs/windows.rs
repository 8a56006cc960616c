//! Windows: cross-compiled with Debian's Rust and MinGW, executed by wine.

use crate::test_all::job::Job;
use crate::test_all::rig::Rig;
use std::path::PathBuf;

const WINDOWS: Rig = Rig {
    triple: "x86_64-pc-windows-gnu",
    library: None,
    config: Some("xtask/rigs/windows-gnu.toml"),
};

/// The packages whose code differs on Windows, and the tests that run there.
const LINTED: &[&str] = &[
    "--package",
    "underpin-windows",
    "--package",
    "underpin",
    "--package",
    "underpin-conformance",
    "--package",
    "underpin-tests",
];

/// Rounds of each stress case of the contracts: a call costs far more under wine than on a system of its own.
const WINE_ROUNDS: &str = "200";

pub(super) fn clippy(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = WINDOWS.clippy(job);
    job.run(check.args(LINTED).arg("--all-targets"))
}

pub(super) fn wine(job: &mut Job<'_>) -> Result<(), String> {
    let prefix = prefix(job)?;
    let mut own = WINDOWS.cargo(job, "test");
    job.run(own.env("WINEPREFIX", &prefix).args([
        "--package",
        "underpin-windows",
        "--lib",
        "--tests",
    ]))?;
    // The two together, for one choice of features and so one build of what is below them.
    const BOTH: &[&str] = &["--package", "underpin-tests", "--package", "underpin"];
    let mut contracts = WINDOWS.cargo(job, "test");
    job.run(
        contracts
            .env("WINEPREFIX", &prefix)
            .env("UNDERPIN_ROUNDS", WINE_ROUNDS)
            .args(BOTH)
            .args(["--test", "conformance_native"]),
    )?;
    let mut server = WINDOWS.cargo(job, "test");
    job.run(server.env("WINEPREFIX", &prefix).args(BOTH).args([
        "--lib",
        "--",
        "server::event_loop",
        "sys::events",
    ]))
}

/// wine's idea of a Windows machine, made once: Windows 10, with the one library that Rust's std wants and wine lacks.
fn prefix(job: &mut Job<'_>) -> Result<PathBuf, String> {
    let prefix = job.workspace.target.join("rigs/wine");
    let library = prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
    if library.is_file() {
        return Ok(prefix);
    }
    std::fs::create_dir_all(&prefix).map_err(|e| format!("{}: {e}", prefix.display()))?;
    for arguments in [&["wineboot", "-i"][..], &["wine", "winecfg", "-v", "win10"]] {
        let mut wine = job.workspace.program(arguments[0]);
        wine.args(&arguments[1..])
            .env("WINEDEBUG", "-all")
            .env("WINEPREFIX", &prefix);
        job.run(&mut wine)?;
    }
    let mut compile = job.workspace.program("x86_64-w64-mingw32-gcc");
    compile
        .args(["-shared", "-nostartfiles", "-nostdlib", "-Wl,-e,0", "-o"])
        .arg(&library)
        .args(["xtask/rigs/bcryptprimitives.c", "-ladvapi32", "-lkernel32"]);
    job.run(&mut compile)?;
    Ok(prefix)
}
