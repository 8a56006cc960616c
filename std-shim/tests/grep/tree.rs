//! A tree with everything that a search may meet.

use crate::support::Random;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

const WORDS: &[&str] = &[
    "foo",
    "bar",
    "Foo",
    "FOO",
    "baz",
    "foobar",
    "foo_bar",
    "struct",
    "fn main() {",
    "return 0;",
    "x",
    "",
    "  indented",
    "\tTabbed",
    "über",
    "Straße",
    "naïve",
    "日本語",
    "Ω",
    "ſ",
    "K",
    "123",
    "4567",
    "a.b",
    "(paren)",
    "[brack]",
    "foo foo",
    "the quick brown fox",
    "-dash",
    "end;",
    "\u{212A}elvin",
    "κόσμος",
    "ΚΌΣΜΟΣ",
    "snake_case_word",
    "CamelCase",
];

fn line(random: &mut Random) -> String {
    let words = random.below(7);
    let mut line = String::new();
    for word in 0..words {
        if word > 0 && !random.one_in(4) {
            line.push(' ');
        }
        line.push_str(random.pick(WORDS));
    }
    line
}

fn text(random: &mut Random, lines: usize, ending: &str) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..lines {
        text.push_str(&line(random));
        text.push_str(ending);
    }
    text.into_bytes()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let mut bytes = if big {
        vec![0xFE, 0xFF]
    } else {
        vec![0xFF, 0xFE]
    };
    for unit in text.encode_utf16() {
        let (high, low) = ((unit >> 8) as u8, (unit & 0xFF) as u8);
        bytes.extend(if big { [high, low] } else { [low, high] });
    }
    bytes
}

/// Makes the tree in `root`.
pub(crate) fn make(root: &Path) {
    let mut random = Random(7);
    let random = &mut random;
    let put = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put(".git/config", b"foo in git\n");
    put(".git/info/exclude", b"excluded.txt\n");
    put(
        ".gitignore",
        b"*.log\n/build/\n!keep.log\nsub/*.tmp\n# comment foo\n\\#literal\ndir_only/\n",
    );
    put(".ignore", b"ignored_by_ignore*\n");
    put("sub/.rgignore", b"!x.tmp\nrg_ignored.txt\n");
    put(
        "sub/.gitignore",
        b"!special.log\n/rooted.txt\n**/deep/*.c\n",
    );
    put("sub/.ignore", b"!ignored_by_ignore_not.txt\n");
    for path in [
        "a.log",
        "keep.log",
        "build/out.txt",
        "sub/build/out.txt",
        "sub/x.tmp",
        "sub/y.tmp",
        "sub/special.log",
        "sub/rooted.txt",
        "sub/inner/rooted.txt",
        "sub/inner/deep/q.c",
        "sub/inner/deep/q.h",
        "excluded.txt",
        "sub/excluded.txt",
        "ignored_by_ignore.txt",
        "sub/ignored_by_ignore_not.txt",
        "sub/rg_ignored.txt",
        "#literal",
        "dir_only",
        "sub/dir_only/f.txt",
        ".hidden",
        ".hidden_dir/file.txt",
        "sub/.hidden.c",
        "plain.txt",
        "sub/plain.c",
        "sub/inner/plain.h",
        "sub/inner/plain.rs",
        "zz/a.py",
        "zz/b.py",
        "zz/c/d/e/f/g.txt",
        "sub-dash/a.txt",
        "sub.dot/a.txt",
        "Sub/upper.txt",
        "space name/a b.txt",
    ] {
        let lines = 1 + random.below(40);
        put(path, &text(random, lines, "\n"));
    }
    put("empty.txt", b"");
    put("only_newlines.txt", b"\n\n\n\n");
    put("no_final_newline.txt", b"foo\nbar\nlast foo");
    put("crlf.txt", &text(random, 30, "\r\n"));
    put("crlf_end.txt", b"foo\r\nbar\r\nfoo");
    put(
        "mixed_ends.txt",
        b"foo\r\nfoo\n\r\nbar\rfoo\r\n\n  foo bar foo\r\nxfoo\r\r\n\r\nfoobar \n\tfoo foo \r\nend foo\r",
    );
    put("upper.sh", b"#!/bin/sh\nexec tr a-z A-Z\n");
    fs::set_permissions(root.join("upper.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    put(
        "invalid_utf8.txt",
        b"foo \xff\xfe bar\n\x80foo\x80\nfoo\xc3\n\xe6\x97foo\nbar foo\xf0\x9f\n",
    );
    put("latin1.txt", b"stra\xdfe foo\n\xfcber foo\n");
    put("bom_utf8.txt", b"\xef\xbb\xbffoo first\nbar foo\nlast\n");
    put(
        "bom_utf16le.txt",
        &utf16("foo first\nbar über foo\n日本語 foo\nlast foo", false),
    );
    put(
        "bom_utf16be.txt",
        &utf16("foo first\r\nbar 😀 foo\r\nlast\r\n", true),
    );
    put("bom_only.txt", b"\xef\xbb\xbf");
    put(
        "utf16_odd.txt",
        &[&utf16("foo\nbar", false)[..], b"\x66"].concat(),
    );
    put(
        "long_lines.txt",
        &[
            &b"x".repeat(5000)[..],
            b"foo",
            &b"y".repeat(9000),
            b"\nshort foo\n",
            &b"z".repeat(3000),
            b"\n",
        ]
        .concat(),
    );
    put("binary_start.bin", b"\0foo\nbar foo\n");
    put(
        "binary_early.bin",
        b"foo one\nbar\0baz\nfoo two\nfoo three\n",
    );
    put("binary_in_match.bin", b"bar\nfoo\0foo\nfoo\n");
    put("binary_no_match.bin", b"nothing\0here\nat all\n");
    put("binary_first_line.bin", b"a\nfoo\nb\0\n");
    // A NUL behind the first window, with matches before, in and after the window.
    for (name, at) in [
        ("binary_late.bin", 70_000),
        ("binary_window.bin", 65_000),
        ("binary_later.bin", 200_000),
    ] {
        let mut bytes = Vec::new();
        while bytes.len() < at {
            bytes.extend(text(random, 20, "\n"));
        }
        bytes.extend(b"nul \0 foo\n");
        bytes.extend(text(random, 300, "\n"));
        put(name, &bytes);
    }
    let mut bytes = Vec::new();
    while bytes.len() < 70_000 {
        bytes.extend(b"only at the end there is something\n");
    }
    bytes.extend(b"needle\n\0\n");
    put("binary_tail.bin", &bytes);
    let large = |random: &mut Random, size: usize| {
        let mut bytes = Vec::new();
        while bytes.len() < size {
            bytes.extend(text(random, 50, "\n"));
        }
        bytes
    };
    put("large.txt", &large(random, 300_000));
    // Large enough to be searched in parts.
    put("huge.txt", &large(random, 9 << 17));
    let mut bytes = large(random, 9 << 17);
    bytes.extend(b"foo \0 and\nfoo again\n");
    bytes.extend(text(random, 300, "\n"));
    bytes.pop();
    put("huge_nul.txt", &bytes);
    let _ = symlink("plain.txt", root.join("link.txt"));
    let _ = symlink("..", root.join("sub/loop"));
    let _ = symlink("nowhere", root.join("dangling"));
    let _ = symlink("/dev/null", root.join("device"));
    assert!(
        Command::new("mkfifo")
            .arg(root.join("fifo"))
            .status()
            .unwrap()
            .success()
    );
    put("unreadable.txt", b"foo\n");
    fs::set_permissions(
        root.join("unreadable.txt"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    put("bad_glob/.gitignore", b"[z-a\n*.skip\n");
    put("bad_glob/a.skip", b"foo\n");
    put("bad_glob/a.txt", b"foo\n");
    put("nested/.git/HEAD", b"ref\n");
    put("nested/.gitignore", b"inner.txt\n");
    put("nested/inner.txt", b"foo\n");
    put("nested/outer.log", b"foo\n");
    put(
        "utf16_unmarked.txt",
        utf16("foo first\nbar über foo\nlast foo", false)
            .get(2..)
            .unwrap_or_default(),
    );
    put("sjis.txt", b"\x93\xfa\x96\x7b\x8c\xea foo\n\x93\xfa\n");
    // As large as what is read at once, and a byte more or less.
    for (name, size) in [
        ("size_less.txt", (128 << 10) - 1),
        ("size_exact.txt", 128 << 10),
        ("size_more.txt", (128 << 10) + 1),
    ] {
        let mut bytes = large(random, size);
        bytes.truncate(size);
        put(name, &bytes);
    }
    // What a NUL hides depends on where windows end.
    let mut bytes = b"\n".to_vec();
    while bytes.len() < (64 << 10) - 4 {
        let left = (64 << 10) - 4 - bytes.len();
        bytes.extend(&b"0123456789abcdef0123456789abcde\n"[32 - left.min(32)..]);
    }
    bytes.extend(b".foo\n");
    bytes.extend(b"w\n".repeat(2000));
    bytes.extend(b"\0foo\nfoo\nfoo\n");
    put("windows/newline_first.txt", &bytes);
    put("windows/marked8.txt", b"\xef\xbb\xbfx\nyyyy\0foo x\nx\n");
    put("windows/marked16.txt", &utf16("x\nyyyy\0foo x\nx\n", false));
    let mut bytes = b"foo 1\n".repeat(2000);
    bytes.extend(b"\0foo\n");
    bytes.extend(b"foo 2\nbar\n".repeat(200));
    put("windows/nul_at_12k.txt", &bytes);
    let mut bytes = b"a\n".repeat(40_000);
    bytes.extend(b"b\0\n");
    // No match of `foo\n.` touches another: both programs are quadratic in such runs with --vimgrep.
    bytes.extend(b"a\nfoo\n\n".repeat(20_000));
    put("windows/inverted.txt", &bytes);
    put("packed/bad.gz", b"foo, but not compressed\n");
    for program in ["gzip", "xz", "bzip2"] {
        // A machine without the program has one file less.
        let _ = Command::new(program)
            .args(["-k", "-q", "zz/a.py", "large.txt"])
            .current_dir(root)
            .status();
    }
    let _ = fs::rename(root.join("zz/a.py.gz"), root.join("packed/-c.gz"));
}
