//! What inputs made to be hard cost: the bytes that are looked at, counted, for each byte of the haystack.
#![forbid(unsafe_code)]

use super::detect::Level;
use super::memmem::Finder;
use super::multi::{Kind, Multi, Options};
use super::stream::Stream;
use super::{case, work};
use alloc::vec;
use alloc::vec::Vec;

fn a(n: usize) -> Vec<u8> {
    vec![b'a'; n]
}

fn repeated(period: &[u8], len: usize) -> Vec<u8> {
    period.iter().copied().cycle().take(len).collect()
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// Sets of patterns, and what to repeat for a haystack.
fn hard_sets() -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let then = |n, end: &[u8]| [&a(n)[..], end].concat();
    let nearly = |n: u32| {
        let mut word = a(24);
        (0..10).for_each(|bit| word[12 + bit] = b'a' + (n >> bit & 1) as u8);
        word.push(b'z');
        word
    };
    vec![
        (vec![then(2_000, b"b"), then(2_000, b"c")], a(1)),
        ((8..200).map(|n| then(n, b"b")).collect(), a(1)),
        (
            (8..64).map(|n| [b"b", &a(n)[..]].concat()).collect(),
            then(7, b"b"),
        ),
        (vec![then(500, b"b"), b"needle".to_vec()], then(499, b"bb")),
        ((0..1024).map(nearly).collect(), then(60, b"b")),
        (b"abcdefgh".iter().map(|byte| vec![*byte]).collect(), a(1)),
        ((1..20).map(a).collect(), then(18, b"b")),
    ]
}

/// Work, less what each of `found` matches may cost, for a byte of `len`.
fn each_byte(work: usize, found: usize, len: usize) -> usize {
    work.saturating_sub(40 * found) / len
}

#[test]
fn patterns_cost_a_bounded_number_of_looks_for_each_byte() {
    const LEN: usize = 120_000;
    for (patterns, period) in hard_sets() {
        let haystack = repeated(&period, LEN);
        for level in levels() {
            for (kind, ignore_ascii_case) in [
                (Kind::LeftmostFirst, false),
                (Kind::LeftmostLongest, false),
                (Kind::LeftmostFirst, true),
            ] {
                let options = Options {
                    kind,
                    ignore_ascii_case,
                    level: Some(level),
                };
                let multi = Multi::with_options(options, &patterns).unwrap();
                let show = (level, kind, patterns.len(), patterns[0].len(), period.len());
                let mut found = 0;
                let all = work::of(|| found = multi.find_iter(&haystack).count());
                assert!(each_byte(all, found, LEN) < 12, "{show:?}: {all}");
                let all = work::of(|| found = multi.find_overlapping_iter(&haystack).count());
                assert!(each_byte(all, found, LEN) < 12, "{show:?}: {all}");
                for (size, most) in [(1 << 20, 12), (5_000, 40)] {
                    let mut stream = Stream::new(&multi);
                    let mut found = 0;
                    let all = work::of(|| {
                        for chunk in haystack.chunks(size) {
                            stream.feed(chunk, |_| found += 1);
                        }
                        stream.finish(|_| found += 1);
                    });
                    assert!(
                        each_byte(all, found, LEN) < most,
                        "{show:?} by {size}: {all}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_stream_by_the_byte_does_not_search_a_long_pattern_each_time() {
    let patterns = [b"x".to_vec(), vec![b'y'; 40_000]];
    for (multi, byte) in [
        (Multi::new(&patterns).unwrap(), b'z'),
        (Multi::new(&patterns[1..]).unwrap(), b'y'),
    ] {
        let mut stream = Stream::new(&multi);
        let mut found = 0;
        let all = work::of(|| {
            (0..100_000).for_each(|_| stream.feed(&[byte], |_| found += 1));
            stream.finish(|_| found += 1);
        });
        assert!(all < 30 * 100_000, "{all} with {found}");
    }
}

#[test]
fn a_needle_costs_a_bounded_number_of_looks_for_each_byte() {
    const LEN: usize = 100_000;
    let around = |n, m| [&a(n)[..], b"b", &a(m)[..]].concat();
    let cases = [
        (around(100, 100), a(64)),
        (around(300, 0), a(64)),
        (around(0, 300), a(64)),
        (around(31, 0), a(1)),
        (around(0, 31), a(1)),
        (around(16, 16), around(15, 0)),
        (around(100, 100), around(99, 0)),
        (around(4_000, 4_000), around(3_999, 0)),
        (a(16), around(15, 0)),
        (a(64), around(63, 0)),
        (a(4_096), around(4_095, 0)),
        (
            b"ab".repeat(200),
            [b"ab".repeat(199), b"aa".to_vec()].concat(),
        ),
    ];
    for (needle, period) in cases {
        let haystack = repeated(&period, LEN);
        for level in levels() {
            let show = (level, needle.len(), period.len());
            let finder = Finder::for_level(level, &needle).unwrap();
            let forward = work::of(|| assert_eq!(finder.find_iter(&haystack).count(), 0));
            let backward = work::of(|| assert_eq!(finder.rfind_iter(&haystack).count(), 0));
            let folded = case::Finder::for_level(level, &needle).unwrap();
            let folded = work::of(|| assert_eq!(folded.find_iter(&haystack).count(), 0));
            for (way, all) in [("->", forward), ("<-", backward), ("aA", folded)] {
                assert!(all / LEN < 100, "{way} {show:?}: {all}");
            }
        }
    }
}
