//! Text as text: UTF-8, characters, lines, letters without their case.

use super::task::{Task, task};
use super::text::Corpus;
use regex::bytes::RegexBuilder;
use stringzilla::sz;
use underpin_core::search::{case, fold, lines, utf8, utf16};

pub(super) fn tasks(corpora: &[Corpus]) -> Vec<Task> {
    let mut tasks = Vec::new();
    let ascii: Vec<u8> = corpora[1].text.iter().map(|byte| byte & 0x7f).collect();
    let mut texts: Vec<(&str, &'static [u8])> = vec![("ascii", Vec::leak(ascii))];
    for corpus in &corpora[2..4] {
        texts.push((corpus.name, corpus.text));
    }
    let mixed = String::from_utf8_lossy(corpora[2].text)
        .chars()
        .zip(String::from_utf8_lossy(corpora[3].text).chars())
        .flat_map(|(a, b)| [a, 'x', b, '😀', ' '])
        .collect::<String>();
    texts.push(("mixed", String::leak(mixed).as_bytes()));
    for (name, text) in texts {
        tasks.push(task!(format!("validate {name}"), "UTF-8 with the place of an error", text.len(),
            utf8::validate(text).is_ok(),
            "simdutf8" => simdutf8::compat::from_utf8(text).is_ok(), "std" => std::str::from_utf8(text).is_ok()));
        if name == "russian" {
            tasks.push(task!("count characters", "of Russian text", text.len(),
                utf8::count_chars(text), "bytecount" => bytecount::num_chars(text),
                "stringzilla" => sz::count_utf8(text)));
            for len in [16, 64, 256] {
                let text = &text[..utf8::floor_boundary(text, len)];
                tasks.push(task!(format!("validate {len} B of russian"), "UTF-8, short", text.len(),
                    utf8::validate(text).is_ok(),
                    "simdutf8" => simdutf8::compat::from_utf8(text).is_ok(), "std" => std::str::from_utf8(text).is_ok()));
            }
        }
    }
    let text = corpora[0].text;
    tasks.push(task!("all lines", "sum of their lengths", text.len(),
        lines::iter(text).fold(0, |sum, line| sum + line.len()),
        "memchr" => {
            let mut start = 0;
            let sum: usize = memchr::memchr_iter(b'\n', text).map(|end| { let len = end - start; start = end + 1; len }).sum();
            sum + text.len() - start.min(text.len())
        }));
    for (label, needle) in [
        ("absent", "xylophones"),
        ("rare", "sublicense"),
        ("common", "the"),
    ] {
        let mine = case::Finder::new(needle);
        let Ok(regex) = RegexBuilder::new(needle)
            .case_insensitive(true)
            .unicode(false)
            .build()
        else {
            continue;
        };
        tasks.push(
            task!(format!("any case, {label}"), format!("all of `{needle}`"), text.len(),
            mine.find_iter(text).count(), "regex" => regex.find_iter(text).count(),
            // Folds all of Unicode, which is more than the others do.
            "stringzilla" => {
                let (mut at, mut count) = (0, 0);
                while let Some((start, len)) = sz::utf8_uncased_search(&text[at..], needle) {
                    at += start + len;
                    count += 1;
                }
                count
            }),
        );
    }
    tasks.extend(unicode(corpora));
    tasks
}

/// Case of a script other than Latin, and UTF-16.
fn unicode(corpora: &[Corpus]) -> Vec<Task> {
    let mut tasks = Vec::new();
    let text = corpora[2].text;
    for (label, needle) in [
        ("absent", "ЭКСКАВАТОР"),
        ("rare", "МАШИНА ДОРОГА"),
        ("common", "время"),
    ] {
        let mine = fold::Finder::new(needle);
        let Ok(regex) = RegexBuilder::new(needle).case_insensitive(true).build() else {
            continue;
        };
        tasks.push(
            task!(format!("any case of russian, {label}"), format!("all of `{needle}`"), text.len(),
            mine.find_iter(text).count(), "regex" => regex.find_iter(text).count(),
            "stringzilla" => {
                let (mut at, mut count) = (0, 0);
                while let Some((start, len)) = sz::utf8_uncased_search(&text[at..], needle) {
                    at += start + len;
                    count += 1;
                }
                count
            }),
        );
    }
    for corpus in &corpora[..3] {
        let text: &str = String::from_utf8_lossy(corpus.text).into_owned().leak();
        let units: &[u16] = text.encode_utf16().collect::<Vec<_>>().leak();
        tasks.push(
            task!(format!("{} to UTF-16", corpus.name), "into a new buffer", text.len(), {
                let mut room = vec![0; text.len()];
                utf16::from_utf8(text, &mut room).written
            }, "std" => {
                let mut room = Vec::with_capacity(text.len());
                room.extend(text.encode_utf16());
                room.len()
            }),
        );
        tasks.push(
            task!(format!("{} from UTF-16", corpus.name), "into a new buffer", text.len(), {
            let mut room = vec![0; units.len() * 3];
            utf16::to_utf8(units, &mut room).map_or(0, |progress| progress.written)
        }, "std" => String::from_utf16(units).map_or(0, |text| text.len())),
        );
    }
    tasks
}
