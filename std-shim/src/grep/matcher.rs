//! A compiled pattern, and the quickest way to the next line that may match it.
//!
//! A single string is looked for by the kernels alone, in either case with `-i` if no letter of it has a third one. With `-w`
//! an occurrence counts at once if its neighbours are ASCII and no word characters. Many strings go to the kernels for sets;
//! those may be a million. Other patterns go to regex-automata, behind the literals that a match requires if the engine itself
//! has nothing to skip by. A hit is *confirmed*, or a *candidate* whose line the engine decides.

use super::kernel::{Needle, Set};
use super::literal;
use super::pattern::{self, Boundary, PatternError, PatternOptions};
use super::search::LineTerminator;
use regex_automata::meta::Regex;
use regex_automata::{Input, PatternID};
use regex_syntax::hir::{Hir, HirKind};
use std::ops::Range;
use std::sync::Arc;

/// Where the search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// A match is on the line of this position.
    Confirmed(usize),
    /// A match may be on the line of this position, and none is on lines before it.
    Candidate(usize),
}

#[derive(Clone, Debug)]
enum Quick {
    /// Every line matches.
    Always,
    /// An occurrence is a match.
    Literal(Needle),
    /// An occurrence of one of them is a match.
    Set(Arc<Set>),
    /// An occurrence with no word characters beside it is a match.
    Word(Needle),
    /// A line without it can't match.
    Inner(Needle),
    /// A line without one of these can't match.
    InnerSet(Arc<Set>),
    /// The engine alone.
    Engine,
}

/// A compiled pattern. A clone has scratch memory of its own: give each thread one.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// None where the kernels can say all there is to say.
    regex: Option<Regex>,
    quick: Quick,
    by_line: bool,
    multi_line: bool,
}

/// Where each group of a match is.
pub(super) type Groups<'g> = &'g dyn Fn(usize) -> Option<Range<usize>>;

/// A shorter string of either case is on too many lines to be looked for before the whole pattern is.
const FOLDED_BYTES_MIN: usize = 3;

impl Matcher {
    /// Compiles `patterns` as alternatives.
    ///
    /// # Errors
    ///
    /// A pattern that is invalid, needs a line terminator without `multi_line`, or compiles to more than `compiled_bytes_max`.
    pub fn new<S: AsRef<str>>(
        patterns: &[S],
        options: &PatternOptions,
    ) -> Result<Self, PatternError> {
        let parsed = pattern::parse(patterns, options)?;
        let kernels = strings(&parsed, options);
        let regex = if kernels.is_some() {
            None
        } else {
            Some(engine(&parsed.hir, options)?)
        };
        let may_match_terminator =
            options.multi_line && can_match(&parsed.hir, options.line_terminator.byte());
        let by_line = options.line_terminator != LineTerminator::Nul && !parsed.haystack_anchored;
        let quick = match (kernels, &regex) {
            (Some(kernels), _) => kernels,
            (None, Some(regex)) => quick(&parsed, options, regex),
            (None, None) => Quick::Engine,
        };
        Ok(Self {
            regex,
            quick,
            by_line,
            multi_line: may_match_terminator,
        })
    }

    /// Whether a match may span lines.
    pub(super) fn spans_lines(&self) -> bool {
        self.multi_line
    }

    /// Whether many lines may be searched as one haystack.
    pub(super) fn searches_many_lines(&self) -> bool {
        self.by_line
    }

    /// Whether there is no line that doesn't match.
    pub(super) fn matches_every_line(&self) -> bool {
        matches!(self.quick, Quick::Always)
    }

    /// The first line of `haystack` that may match, which begins at the start of a line.
    #[inline]
    pub(super) fn find_line(&self, haystack: &[u8]) -> Option<Hit> {
        match &self.quick {
            Quick::Literal(needle) => needle.find(haystack).map(Hit::Confirmed),
            Quick::Word(needle) => find_word(needle, haystack),
            Quick::Inner(needle) => needle.find(haystack).map(Hit::Candidate),
            Quick::Set(set) => set
                .find(haystack, 0)
                .map(|found| Hit::Confirmed(found.start)),
            Quick::InnerSet(set) => set
                .find(haystack, 0)
                .map(|found| Hit::Candidate(found.start)),
            Quick::Always => Some(Hit::Confirmed(0)),
            Quick::Engine => self
                .regex
                .as_ref()?
                .search_half(&Input::new(haystack))
                .map(|half| Hit::Confirmed(half.offset())),
        }
    }

    /// Whether `line`, without its terminator, matches.
    #[inline]
    pub(super) fn is_match(&self, line: &[u8]) -> bool {
        match &self.quick {
            Quick::Always => true,
            Quick::Literal(needle) => needle.find(line).is_some(),
            Quick::Set(set) => set.find(line, 0).is_some(),
            _ => self
                .regex
                .as_ref()
                .is_some_and(|regex| regex.is_match(Input::new(line).earliest(true))),
        }
    }

    /// The first match that starts at `at` or later.
    pub(super) fn find_at(&self, haystack: &[u8], at: usize) -> Option<Range<usize>> {
        match &self.quick {
            Quick::Literal(needle) => {
                let start = at + needle.find(haystack.get(at..)?)?;
                Some(start..start + needle.len())
            }
            Quick::Set(set) => set.find(haystack, at),
            _ => self
                .regex
                .as_ref()?
                .find(Input::new(haystack).span(at..haystack.len()))
                .map(|found| found.range()),
        }
    }

    /// All matches from `at` on, none overlapping, until `each` says false.
    pub(super) fn each_match(
        &self,
        haystack: &[u8],
        at: usize,
        mut each: impl FnMut(Range<usize>) -> bool,
    ) {
        let (mut from, mut last_end) = (at, None);
        while from <= haystack.len() {
            let Some(found) = self.find_at(haystack, from) else {
                return;
            };
            if found.is_empty() {
                // An empty match must not repeat the end of the one before it.
                from = found.end + 1;
                if last_end == Some(found.end) {
                    continue;
                }
            } else {
                from = found.end;
            }
            last_end = Some(found.end);
            if !each(found) {
                return;
            }
        }
    }

    /// As [`each_match`](Self::each_match), with the groups; group 0 is the match.
    pub(super) fn each_captures(
        &self,
        haystack: &[u8],
        at: usize,
        mut each: impl FnMut(Groups<'_>, Range<usize>) -> bool,
    ) {
        let Some(regex) = &self.regex else {
            self.each_match(haystack, at, |found| {
                let whole = found.clone();
                each(&|group| (group == 0).then(|| whole.clone()), found)
            });
            return;
        };
        let mut captures = regex.create_captures();
        self.each_match(haystack, at, |found| {
            regex.search_captures(
                &Input::new(haystack).span(found.start..haystack.len()),
                &mut captures,
            );
            let groups = |group: usize| captures.get_group(group).map(|span| span.range());
            each(&groups, found)
        });
    }

    /// The number of the group called `name`.
    pub(super) fn group_index(&self, name: &str) -> Option<usize> {
        let info = self.regex.as_ref()?.group_info();
        info.to_index(PatternID::ZERO, name)
    }
}

fn quick(parsed: &pattern::Parsed, options: &PatternOptions, regex: &Regex) -> Quick {
    let properties = parsed.hir.properties();
    if properties.minimum_len() == Some(0)
        && properties.look_set().is_empty()
        && !options.multi_line
    {
        return Quick::Always;
    }
    let folded = literal::folded(&parsed.inner);
    if options.boundary == Boundary::Word && !options.multi_line {
        let wordly = |string: &[u8]| {
            [string.first(), string.last()]
                .into_iter()
                .all(|byte| byte.is_some_and(|byte| is_word(*byte)))
        };
        match (parsed.inner.kind(), &folded) {
            (HirKind::Literal(literal), _) if wordly(&literal.0) => {
                return Quick::Word(Needle::new(&literal.0));
            }
            (_, Some(folded)) if folded.whole && wordly(&folded.string) => {
                return Quick::Word(Needle::folded(&folded.string));
            }
            _ => {}
        }
    }
    if let Some(folded) = folded
        && folded.string.len() >= FOLDED_BYTES_MIN
        && !options.multi_line
    {
        return Quick::Inner(Needle::folded(&folded.string));
    }
    if options.multi_line
        || properties.is_alternation_literal()
        || (regex.is_accelerated() && !properties.look_set().contains_word_unicode())
    {
        return Quick::Engine;
    }
    let Some(strings) = literal::required(&parsed.hir) else {
        return Quick::Engine;
    };
    if let [one] = strings.as_slice() {
        return Quick::Inner(Needle::new(one));
    }
    Set::new(&strings).map_or(Quick::Engine, |set| Quick::InnerSet(Arc::new(set)))
}

fn engine(hir: &Hir, options: &PatternOptions) -> Result<Regex, PatternError> {
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(options.compiled_bytes_max))
        .onepass_size_limit(Some(10 << 20))
        .dfa_size_limit(Some(1 << 20))
        .dfa_state_limit(Some(1_000))
        .hybrid_cache_capacity(options.cache_bytes_max);
    Regex::builder()
        .configure(config)
        .build_from_hir(hir)
        .map_err(|error| PatternError(error.to_string()))
}

/// The kernels for a pattern that is a string, or a choice of strings, and nothing else.
fn strings(parsed: &pattern::Parsed, options: &PatternOptions) -> Option<Quick> {
    if options.boundary != Boundary::None {
        return None;
    }
    match parsed.inner.kind() {
        HirKind::Literal(literal) => Some(Quick::Literal(Needle::new(&literal.0))),
        HirKind::Alternation(parts) => {
            let mut strings = Vec::with_capacity(parts.len());
            for part in parts {
                let HirKind::Literal(literal) = part.kind() else {
                    return None;
                };
                strings.push(&*literal.0);
            }
            Some(Quick::Set(Arc::new(Set::new(&strings)?)))
        }
        HirKind::Concat(_) | HirKind::Class(_) => literal::folded(&parsed.inner)
            .filter(|folded| folded.whole)
            .map(|folded| Quick::Literal(Needle::folded(&folded.string))),
        _ => None,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A needle of word characters at both ends, as a word of its own. Where a neighbour isn't ASCII the engine must say.
fn find_word(needle: &Needle, haystack: &[u8]) -> Option<Hit> {
    let mut from = 0;
    loop {
        let start = from + needle.find(haystack.get(from..)?)?;
        let end = start + needle.len();
        let beside = [
            start.checked_sub(1).and_then(|at| haystack.get(at)),
            haystack.get(end),
        ];
        let any = |is: fn(u8) -> bool| beside.iter().flatten().any(|byte| is(**byte));
        if !any(is_word) {
            return Some(if any(|byte| !byte.is_ascii()) {
                Hit::Candidate(start)
            } else {
                Hit::Confirmed(start)
            });
        }
        from = start + 1;
    }
}

/// Whether a match of `hir` may hold `byte`, or depends on one beside it.
fn can_match(hir: &Hir, byte: u8) -> bool {
    use regex_syntax::hir::{Class, Look};
    match hir.kind() {
        HirKind::Empty => false,
        HirKind::Look(look) => {
            byte == b'\n'
                && matches!(
                    look,
                    Look::Start
                        | Look::End
                        | Look::StartLF
                        | Look::EndLF
                        | Look::StartCRLF
                        | Look::EndCRLF
                )
        }
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .any(|range| range.start() <= char::from(byte) && char::from(byte) <= range.end()),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .any(|range| range.start() <= byte && byte <= range.end()),
        HirKind::Repetition(repetition) => can_match(&repetition.sub, byte),
        HirKind::Capture(capture) => can_match(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().any(|part| can_match(part, byte))
        }
    }
}
