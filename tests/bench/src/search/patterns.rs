//! Many patterns at once.

use super::hyperscan::{self, Literals};
use super::task::{Task, task};
use super::text::{Corpus, Text};
use crate::case::Settings;
use crate::random::mix;
use aho_corasick::{AhoCorasick, MatchKind};
use daachorse::DoubleArrayAhoCorasickBuilder;
use std::collections::HashSet;
use underpin_core::search::multi::{Multi, Options};

/// Words of at least five letters out of `text`, some of them spoilt so that they do not occur.
fn words(text: Text, number: usize) -> Vec<Vec<u8>> {
    let all: Vec<&[u8]> = text
        .split(|byte| !byte.is_ascii_alphabetic())
        .filter(|word| (5..=14).contains(&word.len()))
        .collect();
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut seed = 0u64;
    while words.len() < number {
        seed += 1;
        let mut word = all[mix(seed) as usize % all.len()].to_vec();
        if !seed.is_multiple_of(4) || number > 1_000 {
            let at = mix(seed * 3) as usize % word.len();
            word[at] = b'a' + (mix(seed * 5) % 26) as u8;
            let at = mix(seed * 7) as usize % word.len();
            word[at] = b'a' + (mix(seed * 11) % 26) as u8;
        }
        if !words.contains(&word) || number > 1_000 {
            words.push(word);
        }
    }
    words
}

/// Sets and texts made so that everywhere something seems to start.
fn hard() -> Vec<Task> {
    const LEN: usize = 512 << 10;
    let a = |n: usize| vec![b'a'; n];
    let then = |n: usize, end: &[u8]| [&a(n)[..], end].concat();
    let repeat = |period: Vec<u8>| -> Text { period.repeat(LEN / period.len()).leak() };
    let random = |len: usize, letters: u64, seed: u64| -> Vec<u8> {
        (0..len as u64)
            .map(|i| b'a' + (mix(seed << 32 | i) % letters) as u8)
            .collect()
    };
    let cases: Vec<(&str, Vec<Vec<u8>>, Text)> = vec![
        (
            "a^i b, 56, in a*",
            (8..64).map(|n| then(n, b"b")).collect(),
            repeat(a(1)),
        ),
        (
            "a^i b, 992, in a*",
            (8..1000).map(|n| then(n, b"b")).collect(),
            repeat(a(1)),
        ),
        (
            "a^200 b, needle, in (a^199 bb)*",
            vec![then(200, b"b"), b"needle".to_vec()],
            repeat(then(199, b"bb")),
        ),
        (
            "1000 of 16 of two letters",
            (0..1000).map(|seed| random(16, 2, seed + 1)).collect(),
            random(LEN, 2, 0).leak(),
        ),
        (
            "50000 of 14 of four letters",
            (0..50_000).map(|seed| random(14, 4, seed + 1)).collect(),
            random(LEN, 4, 0).leak(),
        ),
        (
            "26 letters",
            (b'a'..=b'z').map(|byte| vec![byte]).collect(),
            random(LEN, 26, 0).leak(),
        ),
    ];
    let mut tasks = Vec::new();
    for (name, patterns, text) in cases {
        let standard = AhoCorasick::new(&patterns);
        let leftmost = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(&patterns);
        let mine = Multi::new(&patterns);
        let (Ok(mine), Ok(first), Ok(all)) = (mine, leftmost, standard) else {
            continue;
        };
        let ours = mine.clone();
        tasks.push(
            task!(format!("hard patterns: {name}"), "all leftmost-first matches", text.len(),
            mine.find_iter(text).count(), "aho-corasick" => first.find_iter(text).count()),
        );
        tasks.push(
            task!(format!("hard patterns: {name}, overlapping"), "all matches", text.len(),
            ours.find_overlapping_iter(text).count(), "aho-corasick" => all.find_overlapping_iter(text).count()),
        );
    }
    tasks
}

/// All matches, which is what Hyperscan gives.
fn overlapping(corpus: &Corpus, words: Vec<Vec<u8>>) -> Option<Task> {
    let (text, number) = (corpus.text, words.len());
    let (mine, its) = (Multi::new(&words).ok()?, AhoCorasick::new(&words).ok()?);
    let mut task = task!(format!("{number} patterns, {}, overlapping", corpus.name), "all matches of words", text.len(),
        mine.find_overlapping_iter(text).count(), "aho-corasick" => its.find_overlapping_iter(text).count());
    // It gives equal patterns once.
    let distinct: HashSet<&Vec<u8>> = words.iter().collect();
    if distinct.len() == number
        && let Some(its) = Literals::new(&words)
    {
        let run = move || its.count(text);
        task.peers.push(("hyperscan", Box::new(run)));
    }
    Some(task)
}

pub(super) fn tasks(corpora: &[Corpus], settings: &Settings) -> Vec<Task> {
    let mut tasks = Vec::new();
    if hyperscan::version().is_none() {
        eprintln!(
            "Hyperscan is left out: libhs.so.5 is not there; enable with: \
             apt-get install -y --no-install-recommends libhyperscan5"
        );
    }
    for corpus in &corpora[..2] {
        let text = corpus.text;
        for number in [2, 8, 16, 64, 1_000, 50_000] {
            if settings.quick && number == 50_000 {
                continue;
            }
            let words = words(text, number);
            let (Ok(mine), Ok(its)) = (
                Multi::new(&words),
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostFirst)
                    .build(&words),
            ) else {
                continue;
            };
            let mut task = task!(format!("{number} patterns, {}", corpus.name), "all leftmost-first matches of words", text.len(),
                mine.find_iter(text).count(), "aho-corasick" => its.find_iter(text).count());
            // It takes no pattern twice.
            let distinct: HashSet<&Vec<u8>> = words.iter().collect();
            let daachorse = (distinct.len() == words.len())
                .then(|| {
                    DoubleArrayAhoCorasickBuilder::new()
                        .match_kind(daachorse::MatchKind::LeftmostFirst)
                        .build::<_, _, u32>(&words)
                        .ok()
                })
                .flatten();
            if let Some(its) = daachorse {
                let run = move || its.leftmost_find_iter(text).count() as u64;
                task.peers.push(("daachorse", Box::new(run)));
            }
            tasks.push(task);
            tasks.extend(overlapping(corpus, words));
        }
    }
    tasks.extend(hard());
    let text = corpora[0].text;
    let words = words(text, 16);
    let mut options = Options::default();
    options.ignore_ascii_case = true;
    if let (Ok(mine), Ok(its)) = (
        Multi::with_options(options, &words),
        AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .ascii_case_insensitive(true)
            .build(&words),
    ) {
        tasks.push(
            task!("16 patterns, any case", "all leftmost-first matches of words", text.len(),
            mine.find_iter(text).count(), "aho-corasick" => its.find_iter(text).count()),
        );
    }
    tasks
}
