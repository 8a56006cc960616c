//! What must hold for searches in any bytes: laws that the property tests check on bytes of a generator and the fuzz targets on those of a fuzzer.
//!
//! Each takes bytes and reads a needle and a haystack out of them: the first byte says how long the needle is, the second whether it is to
//! be found in the haystack for sure, and whether all bytes are to be of a small alphabet, in which much nearly matches.
#![forbid(unsafe_code)]

use underpin_core::search::detect::Level;
use underpin_core::search::memmem::Finder;
use underpin_core::search::multi::{Match, Multi, Options};
use underpin_core::search::stream::Stream;
use underpin_core::search::{ByteSet, case, distance, fold, lines, utf8, utf16, words};

/// Needle and haystack.
fn pair(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let [size, shape, rest @ ..] = bytes else {
        return (Vec::new(), bytes.to_vec());
    };
    let narrow = |byte: &u8| match shape & 3 {
        0 => *byte,
        1 => b"ab"[usize::from(byte & 1)],
        2 => b"aAbB"[usize::from(byte & 3)],
        _ => b"a"[0] + u8::from(byte & 15 == 0),
    };
    let text: Vec<u8> = rest.iter().map(narrow).collect();
    let size = usize::from(*size) % (text.len() + 1);
    let (needle, haystack) = text.split_at(size);
    if shape & 4 == 0 || haystack.len() < size {
        return (needle.to_vec(), haystack.to_vec());
    }
    let start = usize::from(shape >> 3) * (haystack.len() - size) / 31;
    (haystack[start..start + size].to_vec(), haystack.to_vec())
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// Matches without overlaps, by a comparison at every place.
fn plain(haystack: &[u8], needle: &[u8], eq: impl Fn(&[u8], &[u8]) -> bool) -> Vec<usize> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at + needle.len() <= haystack.len() {
        if eq(&haystack[at..at + needle.len()], needle) {
            all.push(at);
            at += needle.len().max(1);
        } else {
            at += 1;
        }
    }
    all
}

/// The same from the back.
fn plain_back(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let (mut all, mut end) = (Vec::new(), Some(haystack.len()));
    while let Some(at) = end.and_then(|end| {
        (0..=end.checked_sub(needle.len())?)
            .rev()
            .find(|at| haystack[*at..].starts_with(needle))
    }) {
        all.push(at);
        end = if needle.is_empty() {
            at.checked_sub(1)
        } else {
            Some(at)
        };
    }
    all
}

/// One needle: every engine and level finds what a plain comparison finds, from both ends and in a stream.
pub fn substring(bytes: &[u8]) {
    let (needle, haystack) = pair(bytes);
    let all = plain(&haystack, &needle, |a, b| a == b);
    let back = plain_back(&haystack, &needle);
    let any_case = plain(&haystack, &needle, <[u8]>::eq_ignore_ascii_case);
    for level in levels() {
        let Some(finder) = Finder::for_level(level, &needle) else {
            continue;
        };
        assert_eq!(finder.find(&haystack), all.first().copied(), "{level:?}");
        assert_eq!(finder.rfind(&haystack), back.first().copied(), "{level:?}");
        assert!(
            finder.find_iter(&haystack).eq(all.iter().copied()),
            "{level:?}"
        );
        assert!(
            finder.rfind_iter(&haystack).eq(back.iter().copied()),
            "{level:?}"
        );
        assert_eq!(finder.count(&haystack), all.len(), "{level:?}");
        let Some(finder) = case::Finder::for_level(level, &needle) else {
            continue;
        };
        assert!(
            finder.find_iter(&haystack).eq(any_case.iter().copied()),
            "{level:?}"
        );
    }
    if !needle.is_empty() {
        let mut stream = Stream::new(Finder::new(&needle));
        let mut starts = Vec::new();
        for piece in haystack.chunks(1 + needle.len() * 2 / 3) {
            stream.feed(piece, |found| starts.push(found.start as usize));
        }
        stream.finish(|found| starts.push(found.start as usize));
        assert_eq!(starts, all);
    }
    let set = ByteSet::new(&needle);
    let of_set: Vec<usize> = (0..haystack.len())
        .filter(|at| needle.contains(&haystack[*at]))
        .collect();
    assert!(set.find_iter(&haystack).eq(of_set.iter().copied()));
    assert_eq!(set.find(&haystack), of_set.first().copied());
    assert_eq!(set.rfind(&haystack), of_set.last().copied());
    assert_eq!(set.count(&haystack), of_set.len());
    near(&needle, &haystack);
}

fn near(needle: &[u8], haystack: &[u8]) {
    let edits = distance::edits(needle, haystack);
    assert_eq!(edits, distance::edits(haystack, needle));
    assert!(edits >= needle.len().abs_diff(haystack.len()));
    assert!(edits <= distance::hamming(needle, haystack));
    if let Some(at) = distance::find_near(haystack, needle, 2) {
        assert!(distance::hamming(&haystack[at..at + needle.len()], needle) <= 2);
    }
    if let Ok(search) = distance::Edits::new(needle, 1)
        && let Some(first) = search.find_iter(haystack).next()
    {
        let exact = plain(haystack, needle, |a, b| a == b);
        assert!(
            exact
                .first()
                .is_none_or(|at| first.end <= (at + needle.len()).max(1))
        );
    }
}

/// Several needles: leftmost-first, and all that overlap.
pub fn patterns(bytes: &[u8]) {
    let (source, haystack) = pair(bytes);
    let size = source.first().map_or(1, |byte| 1 + usize::from(byte % 7));
    let needles: Vec<&[u8]> = source
        .chunks(size)
        .filter(|needle| !needle.is_empty())
        .collect();
    let (mut expected, mut overlapping, mut free) = (Vec::new(), Vec::new(), 0);
    for start in 0..haystack.len() {
        let is_here = |p: &usize| haystack[start..].starts_with(needles[*p]);
        let here: Vec<usize> = (0..needles.len()).filter(is_here).collect();
        let matched = |p: usize| Match {
            pattern: p,
            start,
            end: start + needles[p].len(),
        };
        let mut all: Vec<Match> = here.iter().map(|p| matched(*p)).collect();
        all.sort_by_key(|found| (found.end, found.pattern));
        overlapping.extend(all);
        if start >= free
            && let Some(first) = here.first()
        {
            expected.push(matched(*first));
            free = start + needles[*first].len();
        }
    }
    for level in levels() {
        let mut options = Options::default();
        options.level = Some(level);
        let Ok(multi) = Multi::with_options(options, &needles) else {
            return;
        };
        assert!(
            multi.find_iter(&haystack).eq(expected.iter().copied()),
            "{level:?}"
        );
        assert!(
            multi
                .find_overlapping_iter(&haystack)
                .eq(overlapping.iter().copied()),
            "{level:?}"
        );
        assert_eq!(multi.find(&haystack), expected.first().copied());
    }
}

/// Text: validation, pieces, characters, UTF-16, words and lines are the standard library's.
pub fn text(bytes: &[u8]) {
    let ours = utf8::validate(bytes).map_err(|error| (error.valid_up_to(), error.error_len()));
    let its = core::str::from_utf8(bytes).map_err(|error| (error.valid_up_to(), error.error_len()));
    assert_eq!(ours, its);
    let chunks = utf8::lossy_chunks(bytes).map(|chunk| (chunk.valid, chunk.invalid));
    assert!(
        chunks.eq(bytes
            .utf8_chunks()
            .map(|chunk| (chunk.valid(), chunk.invalid())))
    );
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(utf8::count_chars(text.as_bytes()), text.chars().count());
    let units: Vec<u16> = text.encode_utf16().collect();
    assert_eq!(utf16::len_in_utf16(&text), units.len());
    let mut wide = vec![0; units.len()];
    assert_eq!(utf16::from_utf8(&text, &mut wide).read, text.len());
    assert_eq!(wide, units);
    let mut narrow = vec![0; utf16::len_in_utf8(&units)];
    assert_eq!(
        utf16::to_utf8(&units, &mut narrow).map(|progress| progress.read),
        Ok(units.len())
    );
    assert_eq!(narrow, text.as_bytes());
    let _ = utf16::detect(bytes);
    assert!(lines::iter(bytes).eq(split_lines(bytes)));
    for word in words::iter(bytes) {
        assert!(words::is_boundary(bytes, word.start) && words::is_boundary(bytes, word.end));
        assert!(words::is_whole(bytes, word));
    }
}

fn split_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    text.split(|byte| *byte == b'\n')
        .take(if bytes.is_empty() { 0 } else { usize::MAX })
}

/// Letters without their case, of every script: what is found is equal when folded, and nothing before it is.
pub fn folding(bytes: &[u8]) {
    let (needle, haystack) = pair(bytes);
    let Ok(needle) = core::str::from_utf8(&needle) else {
        return;
    };
    let folded = |text: &str| text.chars().map(fold::fold_char).collect::<Vec<char>>();
    let wanted = folded(needle);
    if wanted.is_empty() {
        return;
    }
    // Piece by valid piece; no match goes over what is not valid.
    let (mut expected, mut free, mut offset) = (Vec::new(), 0, 0);
    for chunk in haystack.utf8_chunks() {
        let ends: Vec<usize> = chunk
            .valid()
            .char_indices()
            .map(|(at, _)| offset + at)
            .chain([offset + chunk.valid().len()])
            .collect();
        for (i, window) in folded(chunk.valid()).windows(wanted.len()).enumerate() {
            if window == wanted && ends[i] >= free {
                free = ends[i + wanted.len()];
                expected.push(ends[i]..free);
            }
        }
        offset += chunk.valid().len() + chunk.invalid().len();
    }
    for level in levels() {
        let Some(finder) = fold::Finder::for_level(level, needle) else {
            continue;
        };
        assert!(
            finder.find_iter(&haystack).eq(expected.iter().cloned()),
            "{level:?} {needle:?}"
        );
    }
}
