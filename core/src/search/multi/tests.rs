//! All kinds of sets, levels and engines against the plain way.
#![forbid(unsafe_code)]

use super::*;
use crate::search::work;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn is_at(haystack: &[u8], start: usize, pattern: &[u8], fold: bool) -> bool {
    haystack[start..].get(..pattern.len()).is_some_and(|part| {
        if fold {
            part.eq_ignore_ascii_case(pattern)
        } else {
            part == pattern
        }
    })
}

fn naive(patterns: &[Vec<u8>], haystack: &[u8], options: Options) -> Vec<Match> {
    let (mut all, mut at, mut last_end) = (Vec::new(), 0, None);
    while at <= haystack.len() {
        let here = patterns
            .iter()
            .enumerate()
            .filter(|(_, p)| is_at(haystack, at, p, options.ignore_ascii_case));
        let best = match options.kind {
            Kind::LeftmostFirst => here.min_by_key(|(i, _)| *i),
            Kind::LeftmostLongest => here.min_by_key(|(i, p)| (core::cmp::Reverse(p.len()), *i)),
        };
        match best {
            Some((pattern, bytes)) if !(bytes.is_empty() && last_end == Some(at)) => {
                all.push(Match {
                    pattern,
                    start: at,
                    end: at + bytes.len(),
                });
                last_end = Some(at + bytes.len());
                at += bytes.len().max(1);
            }
            _ => at += 1,
        }
    }
    all
}

fn naive_overlapping(patterns: &[Vec<u8>], haystack: &[u8], fold: bool) -> Vec<Match> {
    let mut all = Vec::new();
    for start in 0..=haystack.len() {
        let mut here: Vec<_> = (0..patterns.len())
            .filter(|p| is_at(haystack, start, &patterns[*p], fold))
            .collect();
        here.sort_by_key(|p| (patterns[*p].len(), *p));
        all.extend(here.into_iter().map(|pattern| Match {
            pattern,
            start,
            end: start + patterns[pattern].len(),
        }));
    }
    all
}

fn agree(patterns: &[Vec<u8>], haystack: &[u8]) {
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for kind in [Kind::LeftmostFirst, Kind::LeftmostLongest] {
            for ignore_ascii_case in [false, true] {
                let options = Options {
                    kind,
                    ignore_ascii_case,
                    level: Some(level),
                };
                let multi = Multi::with_options(options, patterns).unwrap();
                let show = || {
                    let patterns: Vec<String> = patterns
                        .iter()
                        .map(|p| p.escape_ascii().collect::<Vec<u8>>())
                        .map(|p| String::from_utf8(p).unwrap())
                        .collect();
                    format!("{options:?} {patterns:?} in {}", haystack.escape_ascii())
                };
                let found: Vec<Match> = multi.find_iter(haystack).collect();
                assert_eq!(found, naive(patterns, haystack, options), "{}", show());
                if kind == Kind::LeftmostFirst {
                    let found: Vec<Match> = multi.find_overlapping_iter(haystack).collect();
                    assert_eq!(
                        found,
                        naive_overlapping(patterns, haystack, ignore_ascii_case),
                        "{}",
                        show()
                    );
                }
            }
        }
    }
}

#[test]
fn an_empty_pattern_is_found_behind_hard_stretches_too() {
    let patterns = [Vec::new(), [&[b'a'; 60][..], b"b"].concat()];
    agree(&patterns, &[&[b'a'; 300][..], b"zz"].concat());
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }

    fn word(&mut self, len: usize, letters: &[u8]) -> Vec<u8> {
        (0..len)
            .map(|_| letters[self.below(letters.len())])
            .collect()
    }
}

fn owned(patterns: &[&str]) -> Vec<Vec<u8>> {
    patterns.iter().map(|p| p.as_bytes().to_vec()).collect()
}

#[test]
fn the_cases_that_tell_the_kinds_apart() {
    for (patterns, haystack) in [
        (&["a", "ab", "abc"][..], "xabcabcab"),
        (&["abc", "ab", "a"], "xabcabcab"),
        (&["abcd", "bce", "b"], "abce"),
        (&["abcdefghi", "hz", "abcdefgh"], "abcdefghz"),
        (
            &["abcdefghi", "cde", "hz", "abcdefgh"],
            "abcdefghzabcdefghi",
        ),
        (&["samwise", "sam"], "samwise sam SAM"),
        (&["", "a"], "baab"),
        (&["a", ""], "baab"),
        (&["same", "same", "sam"], "the same"),
        (&[], "anything"),
        (&["@[`{", "z"], "@[`{Z@{`["),
        (&["Kelvin"], "kelvin KELVIN"),
    ] {
        agree(&owned(patterns), haystack.as_bytes());
    }
}

#[test]
fn single_letters_in_texts_full_of_them() {
    let mut random = Random(8);
    for letters in [&b"abcdefghijklmnopqrstuvwxyz"[..], b"aAbBc", b"ab"] {
        let mut patterns: Vec<Vec<u8>> = letters.iter().map(|letter| vec![*letter]).collect();
        patterns.push(vec![letters[0]]);
        let mut haystack = random.word(400, letters);
        haystack.extend(random.word(200, b".-"));
        haystack.extend(random.word(200, letters));
        agree(&patterns, &haystack);
    }
}

#[test]
fn sets_whose_members_share_rare_bytes() {
    let sets: [&[&str]; 5] = [
        &["foo@", "@", "a@b"],
        &["mail@host", "x~", "some~thing"],
        &["ab\x01", "\x02cd", "abcdef\x03abc"],
        &["Jab", "jba", "abab~"],
        &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"],
    ];
    let mut random = Random(21);
    for set in sets {
        let patterns = [owned(set), owned(&["z@z"])].concat();
        for gap in [30, 300, 700] {
            // Patterns, some of them spoilt, in every place of a window.
            let mut haystack = Vec::new();
            while haystack.len() < if cfg!(miri) { 800 } else { 3_000 } {
                let filler = random.below(gap);
                haystack.extend(random.word(filler, b"abc"));
                let mut pattern = patterns[random.below(patterns.len())].clone();
                if random.below(3) == 0 {
                    pattern[0] = b'.';
                }
                haystack.extend(pattern);
            }
            agree(&patterns, &haystack);
        }
    }
}

#[test]
fn patterns_lie_over_the_end_of_what_a_rare_byte_opens() {
    let patterns = owned(&["abcdefg@", "hijklmn@x"]);
    for distance in 400..600 {
        let mut haystack = vec![b'.'; 100];
        haystack.push(b'@');
        haystack.resize(101 + distance, b'.');
        haystack.extend_from_slice(&patterns[0]);
        haystack.resize(haystack.len() + 900, b'.');
        let multi = Multi::new(&patterns).unwrap();
        let start = 101 + distance;
        assert_eq!(multi.find(&haystack).map(|found| found.start), Some(start));
    }
}

#[test]
fn random_sets_in_random_texts() {
    let mut random = Random(3);
    for round in 0..140 {
        let letters: &[u8] = [
            &b"ab"[..],
            b"abcAB",
            b"abcdefghijklmnopqrstuvwxyz",
            b"\x00\xffaz\x80",
        ][round % 4];
        let number = [1, 2, 5, 20, 40, 500][random.below(6)];
        let (low, high) = [(1, 3), (2, 9), (4, 12), (0, 5)][random.below(4)];
        let patterns: Vec<Vec<u8>> = (0..number)
            .map(|_| {
                let len = low + random.below(high - low);
                random.word(len, letters)
            })
            .collect();
        let len = random.below(260);
        let mut haystack = random.word(len, letters);
        for _ in 0..random.below(4) {
            haystack.extend_from_slice(&patterns[random.below(number)]);
        }
        agree(&patterns, &haystack);
    }
}

#[test]
fn hard_texts_go_to_the_automaton_and_come_back() {
    let a = |n: usize| vec![b'a'; n];
    let patterns = vec![
        [a(200), b"b".to_vec()].concat(),
        [a(90), b"c".to_vec()].concat(),
        b"needle".to_vec(),
        [a(20), b"d".to_vec(), a(20)].concat(),
    ];
    let mut haystack = a(60_000);
    haystack.extend_from_slice(b"needle");
    haystack.extend(vec![b'.'; 40_000]);
    haystack.extend_from_slice(&patterns[3]);
    haystack.extend(a(50_000));
    haystack.extend_from_slice(b"b needle");
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for kind in [Kind::LeftmostFirst, Kind::LeftmostLongest] {
            let options = Options {
                kind,
                level: Some(level),
                ..Options::default()
            };
            let multi = Multi::with_options(options, &patterns).unwrap();
            let found: Vec<_> = multi
                .find_iter(&haystack)
                .map(|m| (m.pattern, m.start))
                .collect();
            let end = haystack.len();
            let first_d = 100_006;
            assert_eq!(
                found,
                [(2, 60_000), (3, first_d), (0, end - 8 - 200), (2, end - 6)]
            );
        }
    }
}

#[test]
fn a_large_set_of_words() {
    let mut random = Random(11);
    let mut words: Vec<Vec<u8>> = (0..20_000)
        .map(|_| {
            let len = 4 + random.below(9);
            random.word(len, b"etaoinshrdlu")
        })
        .collect();
    words.sort();
    words.dedup();
    let multi = Multi::new(&words).unwrap();
    assert_eq!(multi.len(), words.len());
    let mut haystack = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..500 {
        let pattern = random.below(words.len());
        haystack.extend_from_slice(b"  ");
        expected.push((pattern, haystack.len()));
        haystack.extend_from_slice(&words[pattern]);
    }
    let longest = Options {
        kind: Kind::LeftmostLongest,
        ..Options::default()
    };
    let multi_longest = Multi::with_options(longest, &words).unwrap();
    let found: Vec<_> = multi_longest
        .find_iter(&haystack)
        .map(|m| (m.pattern, m.start))
        .collect();
    assert_eq!(found, expected);
    assert!(multi.find_overlapping_iter(&haystack).count() >= expected.len());
    assert!(multi.memory_bytes() < 8 << 20);
}

#[test]
fn replacements_go_where_the_matches_were() {
    let multi = Multi::new(["append", "appendage", "app"]).unwrap();
    assert_eq!(
        multi.replace_all(b"append the app to the appendage", &["x", "y", "z"]),
        b"x the z to the xage"
    );
    let mut out = Vec::new();
    multi.replace_all_with(b"app app app", &mut out, |found, bytes, out| {
        out.extend_from_slice(&bytes.to_ascii_uppercase());
        found.start == 0
    });
    assert_eq!(out, b"APP APP app");
}

#[test]
fn words_chosen_to_have_one_hash_are_found_all_the_same() {
    // The inverse of the filter's hash, of small numbers.
    let mut inverse = 1u64;
    for _ in 0..6 {
        let product = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(inverse);
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(product));
    }
    let words: Vec<Vec<u8>> = (1..=3_000u64)
        .map(|hash| {
            let product = hash.wrapping_mul(inverse);
            let key = product ^ product >> 29 ^ product >> 58;
            key.to_le_bytes().to_vec()
        })
        .collect();
    let (known, others) = words.split_at(2_000);
    let multi = Multi::new(known).unwrap();
    let haystack: Vec<u8> = words.concat();
    let expected: Vec<(usize, usize)> = (0..known.len()).map(|i| (i, 8 * i)).collect();
    let found: Vec<_> = multi
        .find_iter(&haystack)
        .map(|m| (m.pattern, m.start))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(multi.find(&others.concat()), None);
    let looks = work::of(|| assert_eq!(multi.find_iter(&others.concat()).count(), 0));
    assert!(looks < 100 * 8 * others.len(), "{looks}");
}
