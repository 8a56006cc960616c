//! What may go wrong: it is said, and nothing else goes wrong with it.

use crate::support::{Random, Scratch, ours};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_invalid_pattern_shows_where() {
    let scratch = Scratch::new("invalid");
    let output = ours(scratch.path(), &["foo(bar", "."]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.contains("unclosed group") && text.contains('^'),
        "{text}"
    );
    for (pattern, word) in [
        ("a{2", "repetition"),
        ("[z-a]", "range"),
        ("foo\\n", "multiline"),
        ("\\x00", "text"),
        ("\\pX", "Unicode"),
    ] {
        let output = ours(scratch.path(), &[pattern, "."]);
        assert_eq!(output.status.code(), Some(2), "{pattern}");
        assert!(
            stderr(&output).contains(word),
            "{pattern}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn bad_arguments_are_errors() {
    let scratch = Scratch::new("arguments");
    for arguments in [
        &["-t", "nosuchtype", "foo"][..],
        &["-g", "[z-a", "foo"],
        &["--nosuchflag", "foo"],
        &["-f", "nosuchfile"],
        &["--max-filesize", "1X", "foo"],
        &["-A", "x", "foo"],
        &[],
        &["foo", "nosuchfile"],
    ] {
        let output = ours(scratch.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            !output.stderr.is_empty() && output.stdout.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_directory_loop_is_an_error_and_ends() {
    let scratch = Scratch::new("loop");
    let path = scratch.path();
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::write(path.join("a/b/file"), "foo\n").unwrap();
    symlink("..", path.join("a/b/up")).unwrap();
    symlink(".", path.join("a/self")).unwrap();
    let output = ours(path, &["--follow", "foo"]);
    assert_eq!(output.stdout, b"a/b/file:foo\n");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output).matches("loop").count(),
        2,
        "{}",
        stderr(&output)
    );
    let output = ours(path, &["foo"]);
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (&b"a/b/file:foo\n"[..], Some(0))
    );
}

#[test]
fn a_million_patterns_are_searched() {
    let scratch = Scratch::new("million");
    let path = scratch.path();
    let mut random = Random(3);
    let mut patterns = String::new();
    for _ in 0..1_000_000 {
        patterns.push_str(&format!("q{:08x}\n", random.next() as u32));
    }
    let last = patterns.lines().last().unwrap().to_owned();
    fs::write(path.join("patterns"), &patterns).unwrap();
    fs::write(
        path.join("text"),
        format!("nothing\nhere {last} it is\nnothing\n"),
    )
    .unwrap();
    let output = ours(path, &["-F", "-f", "patterns", "-n", "text"]);
    assert_eq!(stderr(&output), "");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("2:here {last} it is\n")
    );
}

#[test]
fn a_file_that_cannot_be_read_is_said_and_the_others_are_searched() {
    let scratch = Scratch::new("unreadable");
    let path = scratch.path();
    fs::write(path.join("a"), "foo\n").unwrap();
    fs::write(path.join("z"), "foo\n").unwrap();
    // Even the superuser can't read this: it begins with what is no memory of the process.
    let output = ours(path, &["-a", "foo", "a", "/proc/self/mem", "z"]);
    assert_eq!(output.stdout, b"a:foo\nz:foo\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("/proc/self/mem"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn few_handles_lose_no_file() {
    let scratch = Scratch::new("handles");
    let mut path = scratch.path().to_path_buf();
    for level in 0..14 {
        for sibling in 0..12 {
            let beside = path.join(format!("z{sibling:02}"));
            fs::create_dir_all(beside.join("inner")).unwrap();
            fs::write(beside.join("inner/file"), format!("foo {level}\n")).unwrap();
        }
        path.push("a");
    }
    let search = |limit: &str| {
        let script = format!("ulimit -n {limit}; exec \"$0\" grep -j 16 -n foo .");
        let program = env!("CARGO_BIN_EXE_underpin");
        let mut command = Command::new("sh");
        command.args(["-c", &script, program]);
        command.current_dir(scratch.path()).stdin(Stdio::null());
        command.output().unwrap()
    };
    let (few, many) = (search("40"), search("1024"));
    assert_eq!(stderr(&few), "");
    assert_eq!(
        many.stdout.split(|byte| *byte == b'\n').count(),
        14 * 12 + 1
    );
    assert!(few.stdout == many.stdout);
}

#[test]
fn an_input_without_end_is_refused_where_it_must_be_in_memory() {
    let scratch = Scratch::new("endless");
    let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "-U", "--multiline-max", "1M", "a\\nb", "-"])
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut endless = child.stdin.take().unwrap();
    while endless.write_all(&[b'x'; 4096]).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("larger than the 1048576 bytes"),
        "{}",
        stderr(&output)
    );
    fs::write(scratch.path().join("file"), "a\nb\n").unwrap();
    for (max, code) in [("3", 2), ("4", 0)] {
        let output = ours(
            scratch.path(),
            &["-U", "--multiline-max", max, "a\\nb", "file"],
        );
        assert_eq!(output.status.code(), Some(code), "{max}");
    }
}

#[test]
fn a_line_without_end_is_an_error_and_the_other_files_are_searched() {
    let scratch = Scratch::new("long-line");
    let path = scratch.path();
    fs::create_dir(path.join("d")).unwrap();
    fs::write(path.join("d/a"), "foo\n").unwrap();
    fs::write(path.join("d/long"), "x".repeat(3 << 20) + "\nfoo\n").unwrap();
    fs::write(path.join("d/z"), "foo\n").unwrap();
    for arguments in [
        // In parts, in windows of a named file, and in those of a file that was found.
        &["d/a", "d/long", "d/z"][..],
        &["-C1", "--no-context-separator", "d/a", "d/long", "d/z"],
        &["-a", "d"],
        &["d"],
    ] {
        let search = |max: &str| {
            let limit = ["--line-max", max, "-n", "foo"];
            ours(path, &[&limit[..], arguments].concat())
        };
        let output = search("1M");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"d/a:1:foo\nd/z:1:foo\n", "{arguments:?}");
        let why = stderr(&output);
        assert!(
            why.contains("d/long: a line is longer than the 1048576 bytes"),
            "{arguments:?}: {why}"
        );
        let count = ["--line-max", "1M", "-c", "foo"];
        let output = ours(path, &[&count[..], arguments].concat());
        assert_eq!(output.stdout, b"d/a:1\nd/z:1\n", "{arguments:?}");
        let output = search("4M");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("d/long:2:foo\n"),
            "{arguments:?}"
        );
    }
}

#[test]
fn what_a_repository_must_not_have_is_not_waited_for() {
    let scratch = Scratch::new("pipes");
    let path = scratch.path();
    let fifo = |name: &str| {
        let made = Command::new("mkfifo").arg(path.join(name)).status();
        assert!(made.unwrap().success());
    };
    for directory in ["pipe", "device", "common", "rules"] {
        fs::create_dir(path.join(directory)).unwrap();
        fs::write(path.join(directory).join("file"), "foo\n").unwrap();
        fs::write(path.join(directory).join(".ignore"), "no such name\n").unwrap();
    }
    fifo("pipe/.git");
    symlink("/dev/zero", path.join("device/.git")).unwrap();
    fs::write(path.join("common/.git"), "gitdir: .\n").unwrap();
    fifo("common/commondir");
    fifo("rules/.gitignore");
    fs::create_dir(path.join("rules/.git")).unwrap();
    let output = ours(path, &["foo"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "common/file:foo\ndevice/file:foo\npipe/file:foo\nrules/file:foo\n"
    );
    assert_eq!(
        stderr(&output).matches("not a regular file").count(),
        1,
        "{}",
        stderr(&output)
    );
    // As a directory above, too.
    for directory in ["pipe", "device", "common"] {
        fs::create_dir(path.join(directory).join("inner")).unwrap();
        fs::write(path.join(directory).join("inner/file"), "foo\n").unwrap();
        let output = ours(&path.join(directory), &["foo", "inner"]);
        assert_eq!(output.stdout, b"inner/file:foo\n");
    }
}

#[test]
fn very_many_matches_in_a_line_or_over_lines_are_linear() {
    let scratch = Scratch::new("quadratic");
    let path = scratch.path();
    // Looking for the line's ends at each match would take minutes.
    fs::write(path.join("line"), "\" ".repeat(400_000)).unwrap();
    let output = ours(path, &["-U", "--count-matches", "\"\\s", "line"]);
    assert_eq!(output.stdout, b"400000\n");
    fs::write(path.join("lines"), "a\n".repeat(100_000)).unwrap();
    let output = ours(path, &["-U", "--vimgrep", "a\\n", "lines"]);
    assert!(output.stdout.ends_with(b"\nlines:100000:1:a\n"));
    assert_eq!(
        output.stdout.iter().filter(|b| **b == b'\n').count(),
        100_000
    );
}

#[test]
fn a_large_binary_file_is_counted_as_a_small_one() {
    use underpin::grep::{GrepOptions, Matcher, Mode, PatternOptions, run};
    let scratch = Scratch::new("large-binary");
    let matcher = Matcher::new(&["foo"], &PatternOptions::default()).unwrap();
    let mut options = GrepOptions::default();
    options.print.mode = Mode::Count;
    for (name, behind) in [("small", 10), ("large", 400_000)] {
        let path = scratch.path().join(name);
        let text = "foo\n".repeat(40_000) + "foo \0 foo\n" + &"foo\n".repeat(behind);
        fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let outcome = run(&matcher, &options, &[path], &mut out, &|_| ()).unwrap();
        assert!(
            out.is_empty() && !outcome.matched,
            "{name}: {}",
            String::from_utf8_lossy(&out)
        );
    }
}

#[test]
fn a_line_is_shown_before_the_next_one_comes_if_that_is_wanted() {
    let scratch = Scratch::new("lines");
    let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "--line-buffered", "foo", "-"])
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for _ in 0..3 {
        stdin.write_all(b"bar\nfoo\n").unwrap();
        let mut line = [0; 4];
        stdout.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"foo\n");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// These arguments are refused with a complaint that has `word`.
fn assert_refused(scratch: &Scratch, arguments: &[&str], word: &str) {
    let output = ours(scratch.path(), arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let complaint = stderr(&output);
    assert!(complaint.contains(word), "{arguments:?}: {complaint}");
}

#[test]
fn what_ripgrep_has_and_we_do_not_is_refused_in_words() {
    let scratch = Scratch::new("refused");
    for (arguments, word) in [
        (&["-P", "(?<=a)b"][..], "PCRE2"),
        (&["--engine", "pcre2", "b"], "PCRE2"),
        (&["--hyperlink-format", "default", "b"], "links"),
        (&["--trace", "b"], "log"),
    ] {
        assert_refused(&scratch, arguments, word);
    }
}

#[test]
fn flags_with_values_that_are_none_are_refused() {
    let scratch = Scratch::new("values");
    for (arguments, word) in [
        (&["--colors", "path:fg:mauve", "b"][..], "mauve"),
        (&["--colors", "path", "b"], "`path`"),
        (&["--path-separator", "ab", "b"], "one byte"),
        (&["--pre", "cat", "--pre-glob", "a[", "b"], "a["),
    ] {
        assert_refused(&scratch, arguments, word);
    }
}

#[test]
fn a_program_that_fails_is_said_with_its_words() {
    let scratch = Scratch::new("pre");
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("d")).unwrap();
    fs::write(path("d/-good"), "foo\n").unwrap();
    fs::write(path("d/bad"), "foo\n").unwrap();
    let program = "#!/bin/sh\nfoo=$(cat)\ncase \"$1\" in *bad) echo \"$foo is bad\" >&2; exit 3;; esac\necho \"$1 $foo\"\n";
    fs::write(path("program"), program).unwrap();
    fs::set_permissions(path("program"), fs::Permissions::from_mode(0o755)).unwrap();

    let output = ours(&path("d"), &["--pre", "../program", "foo"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "-good:./-good foo\n"
    );
    assert!(
        stderr(&output).contains("foo is bad"),
        "{}",
        stderr(&output)
    );

    let output = ours(&path("d"), &["--pre", "../nothing", "foo", "bad"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("could not be started"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_file_of_flags_comes_before_the_command_line() {
    let scratch = Scratch::new("config");
    let path = |name: &str| scratch.path().join(name);
    fs::write(
        path("flags"),
        "# comment\n\n  --line-number\n--glob=!*.log\n-M\n9\n",
    )
    .unwrap();
    fs::write(path("a.log"), "foo\n").unwrap();
    fs::write(path("a.txt"), "foo foo foo\nfoo\n").unwrap();
    let run = |config: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_underpin"));
        command
            .arg("grep")
            .args(arguments)
            .current_dir(scratch.path());
        command.env("UNDERPIN_GREP_CONFIG_PATH", config);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        (text, output)
    };
    let out = |config: &str, arguments: &[&str]| run(config, arguments).0;
    let long = "[Omitted long line with 3 matches]";
    assert!(
        out("flags", &["foo"]).starts_with("a.txt:1:[Omitted"),
        "{long}"
    );
    assert_eq!(
        out("flags", &["-N", "-M0", "foo", "a.txt"]),
        "foo foo foo\nfoo\n"
    );
    assert_eq!(
        out("flags", &["--no-config", "-c", "foo"]),
        "a.log:1\na.txt:2\n"
    );
    assert_eq!(out("", &["-c", "foo"]), "a.log:1\na.txt:2\n");
    let (text, output) = run("missing", &["-c", "foo"]);
    assert_eq!(
        (text.as_str(), output.status.code()),
        ("a.log:1\na.txt:2\n", Some(0))
    );
    assert!(stderr(&output).contains("missing"), "{}", stderr(&output));
    fs::write(path("flags"), "--no-such-flag\n").unwrap();
    assert_eq!(run("flags", &["foo"]).1.status.code(), Some(2));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_just_ends() {
    let scratch = Scratch::new("shrinks");
    let path = scratch.path().join("file");
    let line = "some line of text without it\n";
    let text = line.repeat(600_000);
    let stop = std::sync::atomic::AtomicBool::new(false);
    fs::write(&path, &text).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut short = false;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(if short { text.len() as u64 } else { 100_000 })
                    .unwrap();
                short = !short;
            }
        });
        for flags in [
            &["-c", "it"][..],
            &["-n", "it"],
            &["-a", "-v", "it"],
            &["-U", "-c", "it\\nsome"],
            &["-C1", "-c", "it"],
        ] {
            let mut arguments = flags.to_vec();
            arguments.push("file");
            let output = ours(scratch.path(), &arguments);
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "{flags:?}: {:?} {}",
                output.status,
                stderr(&output)
            );
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn pipes_and_devices_are_read_only_when_named() {
    let scratch = Scratch::new("devices");
    let path = scratch.path();
    assert!(
        Command::new("mkfifo")
            .arg(path.join("fifo"))
            .status()
            .unwrap()
            .success()
    );
    symlink("/dev/zero", path.join("zero")).unwrap();
    fs::write(path.join("file"), "foo\n").unwrap();
    // Reading the pipe or the device would never end.
    let output = ours(path, &["foo"]);
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (&b"file:foo\n"[..], Some(0))
    );
    let output = ours(path, &["foo", "/dev/null", "file"]);
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (&b"file:foo\n"[..], Some(0))
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "-n", "foo", "fifo"])
        .current_dir(path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(path.join("fifo"))
        .unwrap()
        .write_all(b"bar\nfoo")
        .unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(out, "2:foo\n");
}

#[test]
fn the_standard_input_is_searched() {
    let scratch = Scratch::new("stdin");
    for arguments in [&["grep", "-n", "b"][..], &["grep", "-n", "b", "-"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
            .args(arguments)
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"a\nb\nab").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"2:b\n3:ab\n");
    }
}

#[test]
fn a_closed_pipe_is_quiet_success() {
    let scratch = Scratch::new("pipe");
    fs::write(
        scratch.path().join("file"),
        "a line that matches\n".repeat(500_000),
    )
    .unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "-n", "matches", "file"])
        .current_dir(scratch.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
}

#[test]
fn output_to_a_file_in_the_tree_is_not_searched() {
    let scratch = Scratch::new("output");
    fs::write(scratch.path().join("a"), "foo\n").unwrap();
    let out = fs::File::create(scratch.path().join("out")).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "foo"])
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(fs::read(scratch.path().join("out")).unwrap(), b"a:foo\n");
}

#[test]
fn help_manual_and_completions_come_from_one_definition() {
    let scratch = Scratch::new("generate");
    let help = ours(scratch.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in ["--files-with-matches", "--max-count", "--sortr"] {
        assert!(help.contains(flag), "{flag}");
        for what in [
            "man",
            "complete-bash",
            "complete-zsh",
            "complete-fish",
            "complete-powershell",
        ] {
            let output = ours(scratch.path(), &["--generate", what]);
            assert_eq!(output.status.code(), Some(0), "{what}");
            let text = String::from_utf8(output.stdout)
                .unwrap()
                .replace("\\-", "-");
            let bare = flag.trim_start_matches("--");
            assert!(text.contains(bare), "{what} {flag}");
        }
    }
}

/// Each line that is written would be a line to find.
#[test]
fn what_a_program_makes_of_the_output_is_not_searched() {
    let scratch = Scratch::new("own-output");
    let path = scratch.path();
    let lines = 20_000;
    fs::write(path.join("a"), "foo\n".repeat(lines)).unwrap();
    let output = fs::File::create(path.join("z")).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_underpin"))
        .args(["grep", "--pre", "cat", "foo", "."])
        .current_dir(path)
        .stdin(Stdio::null())
        .stdout(output)
        .status()
        .unwrap();
    assert!(status.success());
    let found = fs::read(path.join("z")).unwrap();
    assert_eq!(found.split(|byte| *byte == b'\n').count(), lines + 1);
}
