//! Substrings: all of them, from either end, in short haystacks, and in inputs made to be hard.

use super::glibc;
use super::task::{Run, Task, floor, task};
use super::text::{Corpus, Rarity, Text, needle};
use crate::random::mix;
use stringzilla::sz;
use underpin_core::search::memmem as us;

fn position(found: Option<usize>) -> u64 {
    found.map_or(u64::MAX, |at| at as u64)
}

pub(super) fn tasks(corpora: &[Corpus]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for &Corpus { name, text } in corpora {
        for len in [2, 3, 8, 16, 64, 1000] {
            for rarity in [Rarity::Absent, Rarity::Rare, Rarity::Common] {
                let Some(n) = needle(text, len, rarity) else {
                    continue;
                };
                if rarity == Rarity::Common && len > 16 {
                    continue;
                }
                let (mine, its) = (us::Finder::new(n), memchr::memmem::Finder::new(n));
                let count = mine.find_iter(text).count();
                let mut task = task!(format!("{name}, {len} B {rarity:?}").to_lowercase(),
                    format!("all {count} of `{}`", &n[..len.min(16)].escape_ascii()), text.len(),
                    mine.find_iter(text).count(), "memchr" => its.find_iter(text).count(),
                    "stringzilla" => forward(text, n));
                if rarity == Rarity::Absent {
                    task.peers.extend(sliceslice(text, n));
                }
                tasks.push(task);
            }
        }
    }
    for &Corpus { name, text } in &corpora[..2] {
        for rarity in [Rarity::Absent, Rarity::Common] {
            let Some(n) = needle(text, 8, rarity) else {
                continue;
            };
            let (mine, its) = (us::Finder::new(n), memchr::memmem::FinderRev::new(n));
            tasks.push(
                task!(format!("{name}, 8 b {rarity:?}, from the end").to_lowercase(),
                "all of them, the last first", text.len(),
                mine.rfind_iter(text).count(), "memchr" => its.rfind_iter(text).count(),
                "stringzilla" => backward(text, n)),
            );
        }
    }
    tasks.extend(short(corpora[0].text));
    tasks.extend(adversarial());
    tasks
}

/// It has no iterator over matches: a loop of searches.
fn forward(text: Text, needle: Text) -> u64 {
    let (mut at, mut count) = (0, 0);
    while let Some(found) = sz::find(&text[at..], needle) {
        at += found + needle.len();
        count += 1;
    }
    count
}

fn backward(text: Text, needle: Text) -> u64 {
    let (mut end, mut count) = (text.len(), 0);
    while let Some(found) = sz::rfind(&text[..end], needle) {
        end = found;
        count += 1;
    }
    count
}

/// It says whether a needle is there, not where: a peer where it is not.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the peer's calls are unsafe")]
fn sliceslice(text: Text, needle: Text) -> Option<(&'static str, Run)> {
    use sliceslice::x86::DynamicAvx2Searcher;
    if !std::is_x86_feature_detected!("avx2") {
        return None;
    }
    // SAFETY: the processor has AVX2.
    let searcher = unsafe { DynamicAvx2Searcher::new(needle) };
    // SAFETY: likewise.
    let run = move || u64::from(unsafe { searcher.search_in(text) });
    Some(("sliceslice", Box::new(run)))
}

#[cfg(not(target_arch = "x86_64"))]
fn sliceslice(_: Text, _: Text) -> Option<(&'static str, Run)> {
    None
}

/// Many short haystacks, some with the needle.
fn short(text: &'static [u8]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for len in [16, 64, 256] {
        let pieces: &'static [&'static [u8]] = (0..512u64)
            .map(|i| {
                let at = mix(i) as usize % (text.len() - len);
                &text[at..at + len]
            })
            .collect::<Vec<_>>()
            .leak();
        let n: &'static [u8] = b" shall";
        let (mine, its) = (us::Finder::new(n), memchr::memmem::Finder::new(n));
        let sum = |find: &dyn Fn(&[u8]) -> Option<usize>| {
            pieces
                .iter()
                .fold(0u64, |sum, piece| sum.wrapping_add(position(find(piece))))
        };
        tasks.push(
            task!(format!("prepared, in {len} B"), "512 haystacks, the needle ` shall`", len * 512,
            pieces.iter().fold(0u64, |sum, piece| sum.wrapping_add(position(mine.find(piece)))),
            "memchr" => sum(&|piece| its.find(piece)), "stringzilla" => sum(&|piece| sz::find(piece, n))),
        );
        tasks.push(task!(format!("unprepared, in {len} B"), "512 haystacks, the needle ` shall`", len * 512,
            pieces.iter().fold(0u64, |sum, piece| sum.wrapping_add(position(us::find(piece, n)))),
            "memchr" => sum(&|piece| memchr::memmem::find(piece, n)), "stringzilla" => sum(&|piece| sz::find(piece, n)),
            "glibc" => sum(&|piece| glibc::memmem(piece, n)),
            "limit: std build" => sum(&|piece| underpin::search::memmem::find(piece, n))));
    }
    tasks
}

fn adversarial() -> Vec<Task> {
    const LEN: usize = 1 << 20;
    let a = |n: usize| vec![b'a'; n];
    let repeat =
        |period: Vec<u8>| -> &'static [u8] { Vec::leak(period.repeat(LEN.div_ceil(period.len()))) };
    let cases: Vec<(&str, Vec<u8>, &'static [u8])> = vec![
        (
            "a^512 b a^512 in a*",
            [a(512), b"b".to_vec(), a(512)].concat(),
            repeat(a(1)),
        ),
        (
            "(ab)^64 aa in (ab)*",
            [b"ab".repeat(64), b"aa".to_vec()].concat(),
            repeat(b"ab".to_vec()),
        ),
        (
            "a^64 in (a^63 b)*",
            a(64),
            repeat([a(63), b"b".to_vec()].concat()),
        ),
        (
            "a^256 in (a^255 b)*",
            a(256),
            repeat([a(255), b"b".to_vec()].concat()),
        ),
        (
            "a^4096 in (a^4095 b)*",
            a(4096),
            repeat([a(4095), b"b".to_vec()].concat()),
        ),
        (
            "a^31 b in a*",
            [a(31), b"b".to_vec()].concat(),
            repeat(a(1)),
        ),
        (
            "b a^31 in a*",
            [b"b".to_vec(), a(31)].concat(),
            repeat(a(1)),
        ),
        (
            "a^16 b a^16 in (a^15 b)*",
            [a(16), b"b".to_vec(), a(16)].concat(),
            repeat([a(15), b"b".to_vec()].concat()),
        ),
        (
            "a^16 in (a^15 b)*",
            a(16),
            repeat([a(15), b"b".to_vec()].concat()),
        ),
        (
            "a^100 b a^100 in (a^99 b)*",
            [a(100), b"b".to_vec(), a(100)].concat(),
            repeat([a(99), b"b".to_vec()].concat()),
        ),
    ];
    cases
        .into_iter()
        .map(|(name, n, h)| {
            let n: &'static [u8] = Vec::leak(n);
            let (mine, its) = (us::Finder::new(n), memchr::memmem::Finder::new(n));
            let count = mine.find_iter(h).count() as u64;
            let mut task = task!(format!("hard: {name}"), "all of them", h.len(),
                mine.find_iter(h).count(), "memchr" => its.find_iter(h).count(), "std" => {
                    let (h, n) = (std::str::from_utf8(h).unwrap_or(""), std::str::from_utf8(n).unwrap_or("?"));
                    h.matches(n).count()
                });
            task.peers.push(floor(h.len(), count));
            task
        })
        .collect()
}
