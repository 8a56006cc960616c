//! Every engine and level against the plain way.
#![allow(unsafe_code, reason = "calls of kernels of chosen levels")]

use super::two_way::{Outcome, TwoWay};
use super::*;
use crate::search::arch;
use crate::search::detect::Level;
use crate::search::vector::Vector;
use alloc::vec;
use alloc::vec::Vec;

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

fn naive(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    (0..=haystack.len().checked_sub(needle.len())?).find(|i| haystack[*i..].starts_with(needle))
}

fn naive_last(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    (0..=haystack.len().checked_sub(needle.len())?)
        .rev()
        .find(|i| haystack[*i..].starts_with(needle))
}

fn naive_all(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let (mut all, mut from) = (Vec::new(), 0);
    while from <= haystack.len() {
        let Some(at) = naive(&haystack[from..], needle) else {
            break;
        };
        all.push(from + at);
        from += at + needle.len().max(1);
    }
    all
}

fn naive_all_back(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let (mut all, mut end) = (Vec::new(), Some(haystack.len()));
    while let Some(at) = end.and_then(|end| naive_last(&haystack[..end], needle)) {
        all.push(at);
        end = if needle.is_empty() {
            at.checked_sub(1)
        } else {
            Some(at)
        };
    }
    all
}

fn agree(haystack: &[u8], needle: &[u8]) {
    let (first, last) = (naive(haystack, needle), naive_last(haystack, needle));
    let show = || alloc::format!("{} in {}", needle.escape_ascii(), haystack.escape_ascii());
    assert_eq!(find(haystack, needle), first, "{}", show());
    assert_eq!(rfind(haystack, needle), last, "{}", show());
    let (all, back) = (
        naive_all(haystack, needle),
        naive_all_back(haystack, needle),
    );
    for level in levels() {
        let finder = Finder::for_level(level, needle).unwrap();
        assert_eq!(finder.find(haystack), first, "{level:?}: {}", show());
        assert_eq!(finder.rfind(haystack), last, "{level:?}: {}", show());
        if needle.len() > 1 && is_small(needle, haystack) {
            let (one, other) = (find_once::select(level), rfind_once::select(level));
            // SAFETY: the level is available; the needle has 2 to 64 bytes.
            let found = unsafe { (one(needle, haystack), other(needle, haystack)) };
            assert_eq!(found, (first, last), "{level:?}: {}", show());
        }
        let found: Vec<usize> = finder.find_iter(haystack).collect();
        assert_eq!(found, all, "{level:?}: {}", show());
        let found: Vec<usize> = finder.rfind_iter(haystack).collect();
        assert_eq!(found, back, "{level:?}: {}", show());
    }
    if !needle.is_empty() {
        two_way_agrees(haystack, needle, first, last);
    }
}

fn two_way_agrees(haystack: &[u8], needle: &[u8], first: Option<usize>, last: Option<usize>) {
    let factors = TwoWay::new(needle, false);
    let mut at = 0;
    let found = loop {
        // In stretches, as the scan asks for it.
        // SAFETY: words are everywhere; the factorisation is the needle's.
        match unsafe { factors.find::<arch::Swar>(needle, haystack, at, at + 7) } {
            Outcome::Found(at) => break Some(at),
            Outcome::Absent => break None,
            Outcome::Stopped(next) => {
                assert!(next >= at + 7);
                at = next;
            }
        }
    };
    assert_eq!(
        found,
        first,
        "{} in {}",
        needle.escape_ascii(),
        haystack.escape_ascii()
    );
    let found = TwoWay::new(needle, true).rfind(needle, haystack, haystack.len());
    assert_eq!(
        found,
        last,
        "{} in {}",
        needle.escape_ascii(),
        haystack.escape_ascii()
    );
}

#[test]
fn every_needle_over_two_letters_in_every_haystack_over_two_letters() {
    let word = |bits: u32, len: usize| -> Vec<u8> {
        (0..len).map(|i| b"ab"[(bits >> i & 1) as usize]).collect()
    };
    for len in 0..=9 {
        for bits in 0..1 << len {
            let haystack = word(bits, len);
            for needle_len in 0..=len.min(6) {
                for bits in 0..1 << needle_len {
                    let needle = word(bits, needle_len);
                    let (first, last) = (naive(&haystack, &needle), naive_last(&haystack, &needle));
                    assert_eq!(find(&haystack, &needle), first);
                    assert_eq!(rfind(&haystack, &needle), last);
                    if needle_len > 0 {
                        two_way_agrees(&haystack, &needle, first, last);
                    }
                }
            }
        }
    }
}

#[test]
fn one_match_is_found_wherever_it_lies() {
    for needle in [
        &b"ab"[..],
        b"abc",
        b"hello",
        b"0123456789abcdefg",
        &[b'z'; 50],
        &[7; 65],
    ] {
        for len in needle.len()..=300 {
            let mut memory = vec![needle[0]; len + 80];
            let offset = len % 61;
            let haystack = &mut memory[offset..offset + len];
            haystack.fill(b'.');
            agree(haystack, needle);
            for at in (0..=len - needle.len())
                .step_by(1 + len / 9)
                .chain([len - needle.len()])
            {
                haystack[at..at + needle.len()].copy_from_slice(needle);
                agree(haystack, needle);
                haystack[at..at + needle.len()].fill(needle[1]);
                agree(haystack, needle);
                haystack[at..at + needle.len()].fill(b'.');
            }
        }
    }
}

/// A small generator, the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

#[test]
fn random_texts_over_small_alphabets_with_needles_out_of_them() {
    let mut random = Random(1);
    for round in 0..1_500 {
        let letters = 1 + random.below(4);
        let len = if round % 8 == 0 {
            random.below(3000)
        } else {
            random.below(400)
        };
        let mut haystack: Vec<u8> = (0..len)
            .map(|_| b'a' + random.below(letters) as u8)
            .collect();
        if round % 3 == 0 {
            // Near-periodic: a period, with a few faults.
            let period = 1 + random.below(70);
            for i in period..len {
                haystack[i] = haystack[i - period];
            }
            for _ in 0..random.below(4) {
                let at = random.below(len.max(1));
                if let Some(byte) = haystack.get_mut(at) {
                    *byte = b'b';
                }
            }
        }
        let needle_len = random.below(if round % 2 == 0 { 12 } else { 150 }).min(len);
        let start = random.below(len - needle_len + 1);
        let mut needle = haystack[start..start + needle_len].to_vec();
        if round % 4 == 0 && needle_len > 0 {
            let at = random.below(needle_len);
            needle[at] = b'c';
        }
        agree(&haystack, &needle);
    }
}

/// Every match, overlapping ones too.
pub(crate) struct All(Vec<usize>);

impl kernel::Sink for &mut All {
    fn take(&mut self, base: usize, mask: u64) -> Option<usize> {
        let bits = (0..64).filter(|bit| mask >> bit & 1 != 0);
        self.0.extend(bits.map(|bit| base + bit));
        Some(base)
    }
    fn has_enough(&mut self, _: usize) -> bool {
        false
    }
}

unsafe fn all_runs<V: Vector>(needle: &[u8], haystack: &[u8], from: usize, all: &mut All) {
    // SAFETY: the caller's.
    unsafe { run::scan_runs::<V, _>(needle, haystack, from, &mut { all }) }
}

crate::search::dispatch::dispatch!(mod runs = all_runs, fn(needle: &[u8], haystack: &[u8], from: usize, all: &mut All) -> ());

#[test]
fn runs_are_measured_across_vectors() {
    let mut random = Random(11);
    for len in (2..=64).step_by(if cfg!(miri) { 17 } else { 1 }) {
        let needle = vec![b'a'; len];
        let mut haystack = Vec::new();
        while haystack.len() < 900 {
            let run = match random.below(4) {
                0 => random.below(2 * len),
                1 => len - 1 + random.below(3),
                2 => 64 * random.below(4),
                _ => random.below(3),
            };
            haystack.resize(haystack.len() + run, b'a');
            haystack.resize(haystack.len() + 1 + random.below(90) / 60 * 300, b'b');
        }
        for from in [0, 1, 63, 64, 65, random.below(haystack.len())] {
            let expected: Vec<usize> = (from..=haystack.len() - len)
                .filter(|at| haystack[*at..].starts_with(&needle))
                .collect();
            for level in levels() {
                let mut all = All(Vec::new());
                // SAFETY: the level is available; the needle is a run.
                unsafe { runs::select(level)(&needle, &haystack, from, &mut all) };
                assert_eq!(all.0, expected, "{level:?} {len} from {from}");
            }
        }
        let (text, pattern) = (
            core::str::from_utf8(&haystack).unwrap(),
            core::str::from_utf8(&needle).unwrap(),
        );
        for end in [text.len(), text.len() - 1, random.below(text.len())] {
            let back = text[..end].rmatch_indices(pattern).map(|(at, _)| at);
            let expected: Vec<usize> = back.collect();
            for level in levels() {
                let finder = Finder::for_level(level, &needle).unwrap();
                let found: Vec<usize> = finder.rfind_iter(&haystack[..end]).collect();
                assert_eq!(found, expected, "{level:?} {len} to {end}");
            }
        }
    }
}

#[test]
fn hard_inputs_change_the_engine_and_come_back() {
    let a = |n: usize| vec![b'a'; n];
    let cases = [
        // (needle, one period of the haystack)
        ([a(100), b"b".to_vec(), a(100)].concat(), a(64)),
        ([a(300), b"b".to_vec()].concat(), a(64)),
        ([b"b".to_vec(), a(300)].concat(), a(64)),
        (
            b"ab".repeat(200),
            [b"ab".repeat(199), b"aa".to_vec()].concat(),
        ),
        (a(256), [a(255), b"b".to_vec()].concat()),
        (a(16), [a(15), b"b".to_vec()].concat()),
        (a(40), [a(39), b"b".to_vec()].concat()),
        ([a(63), b"b".to_vec()].concat(), a(64)),
        (
            [a(31), b"b".to_vec(), a(31)].concat(),
            [a(30), b"b".to_vec()].concat(),
        ),
    ];
    for (needle, period) in cases {
        let hard = period.repeat(90_000 / period.len());
        let quiet = vec![b'.'; 100_000];
        let mut haystack = [&hard[..], &quiet, &hard, &needle, &quiet, &needle, &hard].concat();
        // The oracle is too slow here: the standard library's substring search stands in for it.
        let text = core::str::from_utf8(&haystack).unwrap();
        let pattern = core::str::from_utf8(&needle).unwrap();
        let expected: Vec<usize> = text.match_indices(pattern).map(|(at, _)| at).collect();
        assert!(!expected.is_empty());
        let backward: Vec<usize> = text.rmatch_indices(pattern).map(|(at, _)| at).collect();
        for level in levels() {
            let finder = Finder::for_level(level, &needle).unwrap();
            assert_eq!(finder.find(&haystack), Some(expected[0]), "{level:?}");
            assert_eq!(
                finder.find_iter(&haystack).collect::<Vec<_>>(),
                expected,
                "{level:?}"
            );
            assert_eq!(finder.rfind(&haystack), Some(backward[0]), "{level:?}");
            assert_eq!(
                finder.rfind_iter(&haystack).collect::<Vec<_>>(),
                backward,
                "{level:?}"
            );
        }
        haystack.truncate(hard.len());
    }
}

#[test]
fn long_texts_of_words_change_the_probes() {
    let mut random = Random(5);
    let words = [
        "static ", "struct ", "state ", "start ", "test ", "cast ", "status ",
    ];
    let mut text = alloc::string::String::new();
    while text.len() < 200_000 {
        text.push_str(words[random.below(if text.len() % 100_000 < 50_000 { 7 } else { 3 })]);
    }
    for needle in ["static", "status", "cast te", "tat", "zst", "start struct"] {
        let expected: Vec<usize> = text.match_indices(needle).map(|(at, _)| at).collect();
        for level in levels() {
            let finder = Finder::for_level(level, needle.as_bytes()).unwrap();
            assert_eq!(
                finder.find_iter(text.as_bytes()).collect::<Vec<_>>(),
                expected
            );
            assert_eq!(finder.count(text.as_bytes()), expected.len());
        }
    }
}

#[test]
fn ends_are_ends() {
    for (haystack, needle) in [
        ("", ""),
        ("", "a"),
        ("a", ""),
        ("ab", "abc"),
        ("aa", "a"),
        ("é", "\u{e9}"),
    ] {
        agree(haystack.as_bytes(), needle.as_bytes());
    }
    let finder = Finder::new("abc");
    #[cfg(feature = "alloc")]
    assert_eq!(finder.clone().into_owned().find(b"xabc"), Some(1));
    let mut iter = finder.find_iter(b"abc");
    assert_eq!(
        (iter.next(), iter.next(), iter.next()),
        (Some(0), None, None)
    );
}
