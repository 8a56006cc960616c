//! Strings of which every match must contain one.
//!
//! A regular expression that starts with a class gives its engine nothing to skip by; but a line that lacks a literal from
//! the middle of the pattern can't match. So lines are first found by such literals and then confirmed.
//!
//! Method: [`exact`] is the finite set of strings that a part matches, if it is small. In a concatenation neighbouring exact
//! parts are crossed into runs; between the runs stand parts that are not exact, which may require literals of their own.
//! The best of all runs is taken: the longest shortest string, then the fewest strings.

use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::BTreeSet;

const STRINGS_MAX: usize = 64;
const STRING_BYTES_MAX: usize = 64;
const CLASS_MAX: usize = 10;
const REPEAT_MAX: u32 = 8;

type Set = BTreeSet<Vec<u8>>;

/// The literals, if there are any that are worth looking for.
pub(super) fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let set = best(hir)?;
    let shortest = set.iter().map(Vec::len).min()?;
    (shortest >= 2).then(|| set.into_iter().collect())
}

/// A string that every match contains, ASCII letters in either case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) string: Vec<u8>,
    /// A match is this string and nothing else, and whatever differs from it in the case of letters matches.
    pub(super) whole: bool,
}

/// The longest such string, if it has a letter whose case doesn't matter.
///
/// `k` and `s` end it where Unicode's folding holds: U+212A and U+017F are the same letters.
pub(super) fn folded(hir: &Hir) -> Option<Folded> {
    let hir = inside(hir);
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let (mut best, mut run): (Vec<u8>, Vec<u8>) = Default::default();
    let (mut whole, mut any_folded) = (true, false);
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) if literal.0.is_ascii() => {
                // Here one case alone matches.
                whole &= !literal.0.iter().any(u8::is_ascii_alphabetic);
                run.extend_from_slice(&literal.0);
            }
            HirKind::Class(class) if let Some(letter) = both_cases(class) => {
                any_folded = true;
                run.push(letter);
            }
            _ => {
                whole = false;
                best = longer(best, std::mem::take(&mut run));
            }
        }
    }
    let string = longer(best, run);
    (any_folded && !string.is_empty()).then_some(Folded { string, whole })
}

fn longer(a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    if b.len() > a.len() { b } else { a }
}

/// `hir` without the groups around it.
fn inside(mut hir: &Hir) -> &Hir {
    while let HirKind::Capture(capture) = hir.kind() {
        hir = &capture.sub;
    }
    hir
}

/// The letter of a class that is an ASCII letter in its two cases.
fn both_cases(class: &Class) -> Option<u8> {
    let (upper, lower) = match class {
        Class::Unicode(class) => match class.ranges() {
            [a, b] if a.len() == 1 && b.len() == 1 => {
                (u8::try_from(a.start()).ok()?, u8::try_from(b.start()).ok()?)
            }
            _ => return None,
        },
        Class::Bytes(class) => match class.ranges() {
            [a, b] if a.len() == 1 && b.len() == 1 => (a.start(), b.start()),
            _ => return None,
        },
    };
    (upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == lower).then_some(lower)
}

/// The better of two sets of which either will do.
fn better(a: Option<Set>, b: Option<Set>) -> Option<Set> {
    let worth = |set: &Set| {
        let shortest = set.iter().map(Vec::len).min().unwrap_or(0);
        (
            shortest.min(6),
            STRINGS_MAX.saturating_sub(set.len()),
            shortest,
        )
    };
    match (a, b) {
        (Some(a), Some(b)) => Some(if worth(&b) > worth(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn useful(set: Set) -> Option<Set> {
    (!set.is_empty() && set.iter().all(|string| !string.is_empty())).then_some(set)
}

fn best(hir: &Hir) -> Option<Set> {
    let whole = exact(hir).and_then(useful);
    if whole.is_some() {
        return whole;
    }
    match hir.kind() {
        HirKind::Capture(capture) => best(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min >= 1 => best(&repetition.sub),
        HirKind::Alternation(parts) => {
            let mut all = Set::new();
            for part in parts {
                all.extend(best(part)?);
                if all.len() > STRINGS_MAX {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => {
            let (mut found, mut run) = (None, one(Vec::new()));
            for part in parts {
                let strings = exact(part);
                match strings.as_ref().and_then(|strings| cross(&run, strings)) {
                    Some(longer) => run = longer,
                    None => {
                        let done = std::mem::replace(&mut run, one(Vec::new()));
                        found = better(found, useful(done));
                        match strings {
                            Some(strings) => run = strings,
                            None => found = better(found, best(part)),
                        }
                    }
                }
            }
            better(found, useful(run))
        }
        _ => None,
    }
}

fn one(string: Vec<u8>) -> Set {
    Set::from([string])
}

/// Every string of `a` followed by every string of `b`, if they are few and short.
fn cross(a: &Set, b: &Set) -> Option<Set> {
    if a.len().saturating_mul(b.len()) > STRINGS_MAX {
        return None;
    }
    let crossed: Set = a
        .iter()
        .flat_map(|head| b.iter().map(move |tail| [head.as_slice(), tail].concat()))
        .collect();
    crossed
        .iter()
        .all(|string| string.len() <= STRING_BYTES_MAX)
        .then_some(crossed)
}

/// All strings that `hir` matches, if they are few.
fn exact(hir: &Hir) -> Option<Set> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(one(Vec::new())),
        HirKind::Literal(literal) => Some(one(literal.0.to_vec())),
        HirKind::Class(class) => class_strings(class),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Repetition(repetition) => {
            let max = repetition.max?;
            if max > REPEAT_MAX {
                return None;
            }
            let sub = exact(&repetition.sub)?;
            let (mut power, mut all) = (one(Vec::new()), Set::new());
            for times in 0..=max {
                if times >= repetition.min {
                    all.extend(power.iter().cloned());
                }
                if times < max {
                    power = cross(&power, &sub)?;
                }
            }
            (all.len() <= STRINGS_MAX).then_some(all)
        }
        HirKind::Concat(parts) => parts
            .iter()
            .try_fold(one(Vec::new()), |run, part| cross(&run, &exact(part)?)),
        HirKind::Alternation(parts) => {
            let mut all = Set::new();
            for part in parts {
                all.extend(exact(part)?);
                if all.len() > STRINGS_MAX {
                    return None;
                }
            }
            Some(all)
        }
    }
}

fn class_strings(class: &Class) -> Option<Set> {
    match class {
        Class::Unicode(class) => {
            let count: usize = class.iter().map(|range| range.len()).sum();
            (count <= CLASS_MAX).then(|| {
                class
                    .iter()
                    .flat_map(|range| range.start()..=range.end())
                    .map(|c| c.to_string().into_bytes())
                    .collect()
            })
        }
        Class::Bytes(class) => {
            let count: usize = class.iter().map(|range| range.len()).sum();
            (count <= CLASS_MAX).then(|| {
                class
                    .iter()
                    .flat_map(|range| range.start()..=range.end())
                    .map(|byte| vec![byte])
                    .collect()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str) -> Vec<String> {
        let hir = regex_syntax::parse(pattern).unwrap();
        required(&hir)
            .unwrap_or_default()
            .into_iter()
            .map(|string| String::from_utf8(string).unwrap())
            .collect()
    }

    #[test]
    fn strings_of_either_case_are_found() {
        let found = |pattern: &str| {
            let found = folded(&regex_syntax::parse(pattern).unwrap())?;
            Some((String::from_utf8(found.string).unwrap(), found.whole))
        };
        let some = |string: &str, whole| Some((string.to_owned(), whole));
        assert_eq!(found("(?i)ab_1"), some("ab_1", true));
        assert_eq!(found("(?i)(?:abc)"), some("abc", true));
        assert_eq!(found("(?i)suspend"), some("pend", false));
        assert_eq!(found("(?i-u:suspend)"), some("suspend", true));
        assert_eq!(found("(?i)axb|c"), None);
        assert_eq!(found("(?i)ab(?-i)CD"), some("abCD", false));
        assert_eq!(found("(?i)ab+cd"), some("cd", false));
        assert_eq!(found("(?i)grün"), some("gr", false));
        assert_eq!(found("abc"), None);
        assert_eq!(found("[ab]x"), None);
    }

    #[test]
    fn literals_from_the_middle_are_found() {
        assert_eq!(found(r"[A-Z]+_SUSPEND"), ["_SUSPEND"]);
        assert_eq!(found(r"\w+\s+(foo|bar)baz\s*"), ["barbaz", "foobaz"]);
        assert_eq!(found(r"\w(ab)+\d"), ["ab"]);
        assert_eq!(found(r"(?:\wabc|\wxyz)"), ["abc", "xyz"]);
        assert_eq!(found(r"a?"), Vec::<String>::new());
        assert_eq!(found(r"\w+"), Vec::<String>::new());
        assert_eq!(found(r"(abc)?\w"), Vec::<String>::new());
        assert_eq!(found(r"x[ab]{2}\w"), ["xaa", "xab", "xba", "xbb"]);
    }
}
