//! Searches at random: flags that get along, over patterns from a grammar.
//!
//! Left out: `\A` and `\z`, whose meaning in ripgrep depends on its windows.

use crate::compare::{differences, ripgrep};
use crate::support::{Random, Scratch};
use crate::tree;

const FLAGS: &[&str] = &[
    "-i",
    "-S",
    "-w",
    "-x",
    "-v",
    "-n",
    "-N",
    "-b",
    "--column",
    "-o",
    "-H",
    "-h",
    "--heading",
    "--trim",
    "-0",
    "-u",
    "-uu",
    "-a",
    "--hidden",
    "--no-ignore",
    "-F",
    "-U",
    "--passthru",
    "-q",
    "--include-zero",
    "--no-unicode",
    "--vimgrep",
    "--binary",
    "--crlf",
    "--max-columns-preview",
];
const MODES: &[&str] = &["-c", "--count-matches", "-l", "-L", "--json", "--stats"];
const VALUED: &[(&str, &[&str])] = &[
    ("-A", &["0", "1", "3", "50"]),
    ("-B", &["0", "1", "3", "50"]),
    ("-C", &["1", "2", "10"]),
    ("-m", &["1", "2", "5"]),
    ("-r", &["X", "<$0>", "$1-$2", ""]),
    (
        "-g",
        &[
            "*.txt", "!*.txt", "sub/**", "*.c", "*.bin", "huge*", "!huge*",
        ],
    ),
    ("-t", &["c", "py", "rust"]),
    ("-M", &["10", "40"]),
    ("--color", &["always", "never"]),
    (
        "--colors",
        &["match:none", "highlight:bg:blue", "path:style:bold"],
    ),
    ("--path-separator", &["+", ""]),
    ("-d", &["1", "2", "3"]),
    ("-j", &["1", "2", "5"]),
];
const ATOMS: &[&str] = &[
    "foo", "bar", "Foo", "x", "struct", "\\w", "\\s", ".", "[a-f]", "[^o]", "\\d", "ß", "日", "_",
    " ", "\\b", "^", "$", "o", "é", "\\W", "1", "ü", "K", "ſ", "\\B", "Ω",
];
const PATHS: &[&str] = &[
    "sub",
    "zz",
    "plain.txt",
    "large.txt",
    "huge.txt",
    "huge_nul.txt",
    "binary_early.bin",
    "binary_late.bin",
    "invalid_utf8.txt",
    "crlf.txt",
    "mixed_ends.txt",
    "bom_utf16le.txt",
    "long_lines.txt",
    "no_final_newline.txt",
    "empty.txt",
    "nosuch",
    ".",
    "./sub/inner",
];

fn pattern(random: &mut Random, depth: usize) -> String {
    let mut pattern = String::new();
    for _ in 0..1 + random.below(3) {
        if depth > 0 && random.one_in(5) {
            let (left, right) = (
                self::pattern(random, depth - 1),
                self::pattern(random, depth - 1),
            );
            pattern.push_str(&format!("({left}|{right})"));
        } else {
            pattern.push_str(random.pick(ATOMS));
        }
        if random.one_in(5) && !pattern.ends_with(['^', '$', 'b', 'B']) {
            pattern.push_str(random.pick(&["*", "+", "?", "{2}", "{1,3}", "+?"]));
        }
    }
    pattern
}

fn arguments(random: &mut Random) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    for _ in 0..random.below(5) {
        arguments.push(random.pick(FLAGS).into());
    }
    if random.one_in(3) {
        arguments.push(random.pick(MODES).into());
    }
    for _ in 0..random.below(3) {
        let (flag, values) = VALUED[random.below(VALUED.len())];
        arguments.extend([flag.into(), random.pick(values).into()]);
    }
    let multi_line = arguments.iter().any(|argument| argument == "-U");
    let count = if random.one_in(6) { 2 } else { 1 };
    for _ in 0..count {
        let mut text = pattern(random, 2);
        if multi_line && random.one_in(2) {
            text.push_str("\\n");
            text.push_str(random.pick(ATOMS));
        }
        arguments.extend(["-e".into(), text]);
    }
    if random.one_in(2) {
        for _ in 0..1 + random.below(3) {
            arguments.push(random.pick(PATHS).into());
        }
    }
    arguments
}

#[test]
fn random_searches_are_the_same_bytes() {
    let Some(ripgrep) = ripgrep("random searches") else {
        return;
    };
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name}={text} is no number"))
        })
    };
    let (first, count) = (
        number("UNDERPIN_SEED", 1),
        number("UNDERPIN_GREP_SEARCHES", 150),
    );
    let scratch = Scratch::new("random");
    tree::make(scratch.path());
    let searches: Vec<Vec<String>> = (first..first + count)
        .map(|seed| arguments(&mut Random(seed)))
        .collect();
    let wrong: Vec<String> = differences(&ripgrep, scratch.path(), &searches)
        .into_iter()
        .map(|(index, why)| {
            let seed = first + index as u64;
            format!("UNDERPIN_SEED={seed} UNDERPIN_GREP_SEARCHES=1: {why}")
        })
        .collect();
    println!("{count} random searches from UNDERPIN_SEED={first}");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
