//! What differs in a few bytes, or is a few edits away.

use super::task::{Task, task};
use super::text::{Corpus, Text};
use crate::random::mix;
use rapidfuzz::distance::{hamming, levenshtein};
use underpin_core::search::distance as us;

/// `text` with about one byte in `rate` replaced.
fn spoilt(text: Text, rate: u64) -> Text {
    let letter = |i: u64| b'a' + (mix(i * 3) % 26) as u8;
    let bytes = text.iter().zip(0u64..);
    let bytes = bytes.map(|(byte, i)| match mix(i * 7).is_multiple_of(rate) {
        true => letter(i),
        false => *byte,
    });
    bytes.collect::<Vec<u8>>().leak()
}

pub(super) fn tasks(corpora: &[Corpus]) -> Vec<Task> {
    let mut tasks = Vec::new();
    let text = corpora[0].text;
    for len in [64, 1024, text.len()] {
        let (a, b) = (&text[..len], &spoilt(text, 9)[..len]);
        tasks.push(
            task!(format!("hamming distance, {len} B"), "of two texts of equal length", len,
            us::hamming(a, b), "std" => a.iter().zip(b).filter(|(a, b)| a != b).count(),
            "rapidfuzz" => hamming::distance(a.iter().copied(), b.iter().copied()).unwrap_or(0)),
        );
    }
    for len in [16, 64, 1024, 8192] {
        let (a, b) = (&text[..len], &spoilt(text, 5)[..len]);
        tasks.push(task!(format!("edit distance, {len} B"), "of two texts of equal length, cells a second", len * len,
            us::edits(a, b), "rapidfuzz" => levenshtein::distance(a.iter().copied(), b.iter().copied())));
    }
    tasks
}
