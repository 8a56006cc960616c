//! Model checkers, sanitizers and auditors.

use crate::test_all::job::Job;
use crate::test_all::rig::debian_toolchain;
use std::process::Command;
use std::time::Duration;

/// Loom explores thread interleavings of the models in core's modules named `loom`.
pub(super) fn loom(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = job.cargo("test");
    job.run(
        test.env("RUSTFLAGS", "--cfg loom")
            .env("CARGO_TARGET_DIR", job.workspace.target.join("loom"))
            .args(["--release", "--package", "underpin-core", "--lib", "loom"]),
    )
}

/// The variable that adds the thread sanitizer to the address sanitizer's leg: ten minutes or so, most of them for the first build.
const TSAN: &str = "UNDERPIN_TSAN";

/// The address sanitizer comes with nightly alone; its newer lints are not this leg's business. Leaks are not looked for: tests
/// leak on purpose what must live for ever.
pub(super) fn asan(job: &mut Job<'_>) -> Result<(), String> {
    let mut test = Command::new("rustup");
    test.current_dir(&job.workspace.root)
        .env_remove("CARGO")
        .env("CARGO_TERM_COLOR", "never")
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("RUSTFLAGS", "-Zsanitizer=address --cap-lints allow")
        .env("CARGO_TARGET_DIR", job.workspace.target.join("asan"))
        .args(["run", "nightly", "cargo", "test", "--locked", "--lib"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(["--package", "underpin-core", "--package", "underpin-linux"]);
    job.run(&mut test)?;
    if std::env::var_os(TSAN).is_none() {
        job.note(&format!("not run: the thread sanitizer ({TSAN}=1)"));
        return Ok(());
    }
    job.extend_clock(Duration::from_secs(3600));
    tsan(job)?;
    job.note("the pool's native tests without a data race");
    Ok(())
}

/// The pool's tests on real threads. A race counts only if the standard library is watched too, so that is built for it, by Debian's compiler, which
/// comes with the sources; the sanitizer's own library is nightly's. The sanitizer knows no fences: a race that it sees may be one that a fence forbids.
fn tsan(job: &mut Job<'_>) -> Result<(), String> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let sysroot = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output()
        .map_err(|e| format!("rustup: {e}"))?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout);
    let library = format!(
        "{}/lib/rustlib/{TARGET}/lib/librustc-nightly_rt.tsan.a",
        sysroot.trim()
    );
    let mut test = job.cargo("test");
    debian_toolchain(&mut test);
    test.env(
        "RUSTFLAGS",
        format!(
            "--cap-lints allow -Zsanitizer=thread -Zexternal-clangrt -Zpre-link-arg=-Wl,--whole-archive -Zpre-link-arg={library} \
             -Zpre-link-arg=-Wl,--no-whole-archive -Clink-arg=-fuse-ld=lld -Clink-arg=-lstdc++ -Clink-arg=-lm \
             -Clink-arg=-ldl -Clink-arg=-lpthread -Clink-arg=-lc"
        ),
    )
    .env("CARGO_TARGET_DIR", job.workspace.target.join("tsan"))
    // Its own record of calls ends at 65,536.
    .env("UNDERPIN_POOL_DEPTH", "10000")
    .args(["-Zbuild-std=std,panic_unwind,test", "--target", TARGET])
    .args(["--package", "underpin-tests"]);
    for name in ["pool_native", "pool_deadlock", "pool_iter", "pool_names"] {
        test.args(["--test", name]);
    }
    job.run(&mut test)
}

/// What `tests/fuzz` has a target for.
const FUZZ_TARGETS: &[&str] = &[
    "log",
    "manifest",
    "table",
    "values",
    "resp",
    "substring",
    "patterns",
    "text",
    "folding",
];

/// The variable that makes it the long run: seconds for each target.
const FUZZ_SECONDS: &str = "UNDERPIN_FUZZ_SECONDS";

/// A smoke run: the targets build, and a few seconds each find nothing. The long run takes as many as the variable says. Longer ones are a person's,
/// by cargo-fuzz, whose flags these are.
pub(super) fn fuzz(job: &mut Job<'_>) -> Result<(), String> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let directory = job.workspace.target.join("fuzz");
    let mut build = Command::new("rustup");
    build
        .current_dir(&job.workspace.root)
        .env_remove("CARGO")
        .env("CARGO_TERM_COLOR", "never")
        .env(
            "RUSTFLAGS",
            "--cfg fuzzing --cap-lints allow -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
             -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
             -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares",
        )
        .env("CARGO_TARGET_DIR", &directory)
        .args(["run", "nightly", "cargo", "build", "--locked", "--release"])
        .args(["--target", TARGET, "--manifest-path", "tests/fuzz/Cargo.toml"]);
    job.run(&mut build)?;
    let seconds: u32 = match std::env::var(FUZZ_SECONDS) {
        Ok(text) => text
            .parse()
            .map_err(|e| format!("{FUZZ_SECONDS}={text}: {e}"))?,
        Err(_) => 5,
    };
    let all = seconds.saturating_mul(FUZZ_TARGETS.len() as u32);
    job.extend_clock(Duration::from_secs(u64::from(all) + 60));
    for target in FUZZ_TARGETS {
        let corpus = directory.join("corpus").join(target);
        std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
        let mut run = job
            .workspace
            .program(directory.join(TARGET).join("release").join(target));
        run.arg(format!("-max_total_time={seconds}"))
            .args(["-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1"])
            .arg(format!(
                "-artifact_prefix={}/{target}-",
                directory.display()
            ))
            .arg(&corpus);
        job.run(&mut run)?;
    }
    job.note(&format!(
        "{}: {seconds} s each; the long run, not done here, is {FUZZ_SECONDS}=60",
        FUZZ_TARGETS.join(", ")
    ));
    Ok(())
}

pub(super) fn deny(job: &mut Job<'_>) -> Result<(), String> {
    let mut check = job.cargo("deny");
    job.run(check.args(["--offline", "check", "bans", "licenses", "sources"]))
}
