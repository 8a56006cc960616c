//! `underpin kv`, `info` and the arguments themselves.

#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests on a system with std, which fail by panicking"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("underpin-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input has ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs `kv` on `directory`; its exit code, stdout and stderr.
fn kv(directory: &Path, words: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut arguments = vec!["kv", text(directory)];
    arguments.extend(words);
    let output = run(&arguments, input);
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn keys_are_put_read_listed_and_removed() {
    let scratch = Scratch::new("verbs");
    let directory = &scratch.0;
    let (code, _, complaint) = kv(directory, &["get", "a"], b"");
    assert_eq!(code, 2, "reading makes no database");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(!directory.exists());
    for (key, value) in [("a", "1"), ("b", "2 words"), ("ab", "3")] {
        assert_eq!(kv(directory, &["put", key, value], b"").0, 0);
    }
    assert_eq!(
        kv(directory, &["get", "b"], b""),
        (0, "2 words\n".into(), String::new())
    );
    assert_eq!(
        kv(directory, &["get", "c"], b""),
        (1, String::new(), String::new())
    );
    assert_eq!(kv(directory, &["scan"], b"").1, "a\t1\nab\t3\nb\t2 words\n");
    assert_eq!(
        kv(directory, &["scan", "--prefix", "a", "--keys"], b"").1,
        "a\nab\n"
    );
    assert_eq!(
        kv(directory, &["scan", "--from", "ab", "--limit", "1"], b"").1,
        "ab\t3\n"
    );
    assert_eq!(kv(directory, &["del", "a", "c"], b"").0, 0);
    assert_eq!(kv(directory, &["get", "a"], b"").0, 1);
    assert_eq!(kv(directory, &["verify"], b"").0, 0);
    assert_eq!(kv(directory, &["stats"], b"").0, 0);
}

#[test]
fn a_dump_loads_into_an_equal_database() {
    let (first, second) = (Scratch::new("dump"), Scratch::new("load"));
    let lines = b"k\\x00\\xff\\ty\tvalue\\n\nplain\t\n\\\\\tback\\\\slash\n";
    assert_eq!(
        kv(&first.0, &["load"], lines),
        (0, String::new(), String::new())
    );
    let (code, dump, _) = kv(&first.0, &["dump"], b"");
    assert_eq!(code, 0);
    assert_eq!(dump.lines().count(), 3);
    assert!(dump.contains("k\\x00\\xff\\ty\tvalue\\n\n"), "{dump}");
    assert_eq!(kv(&second.0, &["load"], dump.as_bytes()).0, 0);
    assert_eq!(kv(&second.0, &["dump"], b"").1, dump);
    let (code, _, complaint) = kv(&second.0, &["load"], b"a\tb\nno tab\n");
    assert_eq!(code, 2);
    assert!(complaint.contains("line 2"), "{complaint}");
}

#[test]
fn a_backup_is_restored_and_builds_on_an_earlier_one() {
    let scratch = Scratch::new("backup");
    std::fs::create_dir(&scratch.0).unwrap();
    let path = |name: &str| scratch.0.join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let db = path("db");
    assert_eq!(kv(&db, &["put", "a", "1"], b"").0, 0);
    assert_eq!(kv(&db, &["compact"], b"").0, 0);
    assert_eq!(kv(&db, &["backup", &text("first")], b"").0, 0);
    assert_eq!(kv(&db, &["put", "b", "2"], b"").0, 0);
    let base = text("first");
    let words = ["backup", &text("second"), "--base", &base];
    assert_eq!(kv(&db, &words, b"").0, 0);
    let (code, _, complaint) = kv(&db, &words, b"");
    assert_eq!(code, 2, "it is there already");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert_eq!(kv(&path("second"), &["restore", &text("back")], b"").0, 0);
    assert_eq!(kv(&path("back"), &["scan"], b"").1, "a\t1\nb\t2\n");
    let (code, _, complaint) = kv(&path("none"), &["restore", &text("new")], b"");
    assert_eq!(code, 2);
    assert!(complaint.contains("none"), "{complaint}");
}

#[test]
fn served_values_are_told_from_plain_ones() {
    let scratch = Scratch::new("served");
    assert_eq!(kv(&scratch.0, &["--served", "put", "a", "x"], b"").0, 0);
    assert_eq!(kv(&scratch.0, &["--served", "get", "a"], b"").1, "x\n");
    assert_eq!(kv(&scratch.0, &["get", "a"], b"").1, "\0x\n");
    assert_eq!(kv(&scratch.0, &["put", "b", "x"], b"").0, 0);
    let (code, _, complaint) = kv(&scratch.0, &["--served", "get", "b"], b"");
    assert_eq!(code, 2);
    assert!(complaint.contains("--served"), "{complaint}");
}

#[test]
fn what_expires_is_dumped_and_loaded_as_such() {
    let (first, second) = (Scratch::new("expiry"), Scratch::new("expiry-back"));
    let lines = b"gone\tx\t1\nlate\tx\t99999999999999\nstays\ty\n";
    let load = ["--served", "load"];
    assert_eq!(kv(&first.0, &load, lines).0, 0);
    let (code, dump, _) = kv(&first.0, &["--served", "dump"], b"");
    assert_eq!(code, 0);
    assert_eq!(dump, "late\tx\t99999999999999\nstays\ty\n");
    assert_eq!(kv(&first.0, &["--served", "get", "gone"], b"").0, 1);
    let scan = ["--served", "scan", "--limit", "1", "--keys"];
    assert_eq!(kv(&first.0, &scan, b"").1, "late\n");
    assert_eq!(kv(&second.0, &load, dump.as_bytes()).0, 0);
    assert_eq!(kv(&second.0, &["--served", "dump"], b"").1, dump);
    let (code, _, complaint) = kv(&second.0, &["load"], dump.as_bytes());
    assert_eq!(code, 2);
    assert!(complaint.contains("--served"), "{complaint}");
}

/// Each call leaves a table: they must not become more than there are handles for.
#[cfg(unix)]
#[test]
fn a_database_that_only_the_command_writes_keeps_opening() {
    let scratch = Scratch::new("handles");
    let script = "ulimit -n 64; i=0; while [ $i -lt 90 ]; do \"$0\" kv \"$1\" put k$i v || exit; i=$((i + 1)); done";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_underpin")])
        .arg(&scratch.0)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(kv(&scratch.0, &["scan"], b"").1.lines().count(), 90);
}

#[test]
fn errors_are_one_line_that_names_the_place() {
    let scratch = Scratch::new("places");
    std::fs::create_dir(&scratch.0).unwrap();
    let (file, copy) = (scratch.0.join("file"), scratch.0.join("copy"));
    let db = scratch.0.join("made").join("on the way");
    std::fs::write(&file, b"no database").unwrap();
    assert_eq!(kv(&db, &["put", "a", "1"], b"").0, 0);
    assert_eq!(kv(&db, &["checkpoint", text(&copy)], b"").0, 0);
    for (directory, words, input, parts) in [
        (
            &file,
            &["get", "a"][..],
            &b""[..],
            &["file: not a directory"][..],
        ),
        (&file, &["put", "a", "1"], b"", &["file: "]),
        (
            &file.join("below"),
            &["put", "a", "1"],
            b"",
            &["file is not a directory"],
        ),
        (&scratch.0, &["get", "a"], b"", &["no database", "`put`"]),
        (
            &db,
            &["checkpoint", text(&copy)],
            b"",
            &["on the way", "copied to", "copy: "],
        ),
        (
            &db,
            &["backup", text(&copy)],
            b"",
            &["on the way", "copied to", "copy: "],
        ),
        (&db, &["load"], b"b\t1\nno tab\n", &["stdin: line 2 "]),
    ] {
        let (code, _, complaint) = kv(directory, words, input);
        assert_eq!(code, 2, "{words:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{words:?}: {complaint}");
        for part in parts {
            assert!(complaint.contains(part), "{words:?}: {complaint}");
        }
    }
    assert_eq!(
        kv(&db, &["get", "b"], b"").1,
        "1\n",
        "what was before a bad line stays"
    );
    assert_eq!(kv(&db, &["del"], b"").0, 2, "a key is needed");
    for copies in [&file, &db] {
        let output = run(
            &[
                "serve",
                "--dir",
                text(&db),
                "--listen",
                "192.0.2.1:1", // nobody's: it fails there if not before
                "--backup-dir",
                text(copies),
            ],
            b"",
        );
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("directory"), "{complaint}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_told_of() {
    let scratch = Scratch::new("full");
    assert_eq!(kv(&scratch.0, &["put", "a", "1"], b"").0, 0);
    for words in [
        &["kv", text(&scratch.0), "get", "a"][..],
        &["kv", text(&scratch.0), "dump"],
        &["info"],
        &["grep", "name", "Cargo.toml"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_underpin"))
            .args(words)
            .stdout(full)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{words:?}: {complaint}");
        assert!(complaint.contains("stdout"), "{words:?}: {complaint}");
    }
}

/// After the write that failed the database refuses the rest, and its close; what is told is the first.
#[cfg(target_os = "linux")]
#[test]
fn a_load_that_the_disk_cuts_short_says_why() {
    let scratch = Scratch::new("short");
    let mut lines = String::new();
    for number in 0..60_000 {
        lines.push_str(&format!("key{number}\t{:0>60}\n", number));
    }
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2048; exec \"$0\" kv \"$1\" load",
        ])
        .args([env!("CARGO_BIN_EXE_underpin"), text(&scratch.0)])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains(".log: "), "{complaint}");
    let (code, _, complaint) = kv(&scratch.0, &["verify"], b"");
    assert_eq!(code, 0, "what came before is whole: {complaint}");
}

#[test]
fn a_damaged_file_is_named() {
    let scratch = Scratch::new("damaged");
    assert_eq!(kv(&scratch.0, &["load"], b"a\t1\nb\t2\n").0, 0);
    let mut damaged = false;
    for entry in std::fs::read_dir(&scratch.0).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        // The first bytes of every file tell its format; an empty file has none.
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            damaged = true;
        }
    }
    assert!(damaged);
    let (code, _, complaint) = kv(&scratch.0, &["verify"], b"");
    assert_eq!(code, 2, "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn help_version_and_info_go_to_stdout() {
    for (arguments, words) in [
        (&["--help"][..], &["serve", "kv", "info"][..]),
        (
            &["serve", "--help"],
            &["--dir", "--listen", "--appendfsync", "everysec"],
        ),
        (
            &["kv", "--help"],
            &[
                "get", "put", "del", "scan", "load", "dump", "stats", "verify",
            ],
        ),
        (&["--version"], &["underpin ", env!("CARGO_PKG_VERSION")]),
        (&["info"], &["version", "processors", "capabilities"]),
        (&["info", "--json"], &["{", "\"version\"", "}"]),
    ] {
        let output = run(arguments, b"");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }
}
