//! From what the user typed to a syntax tree that can't match a line terminator.
//!
//! The rules are ripgrep's: several patterns are alternatives, each a group of its own; strings without a special
//! character skip the parser; a class loses the line terminator silently, a literal one is an error that says so; `-w`
//! asks for a half word boundary on both sides; smart case looks at the literals of the parsed pattern, not at its text.

use super::search::LineTerminator;
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{self, Class, Hir, HirKind, Look};
use std::fmt;

/// Whether letters match regardless of case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Exactly as written.
    #[default]
    Sensitive,
    /// Unicode simple case folding.
    Insensitive,
    /// [`Insensitive`](Self::Insensitive) if there is a literal and none is upper case.
    Smart,
}

/// What must surround a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing.
    #[default]
    None,
    /// No word character beside it (`-w`).
    Word,
    /// The line's ends (`-x`).
    Line,
}

/// How patterns are read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PatternOptions {
    /// Patterns are strings, not regular expressions.
    pub fixed: bool,
    /// Upper and lower case.
    pub case: Case,
    /// What surrounds a match.
    pub boundary: Boundary,
    /// Matches may span lines.
    pub multi_line: bool,
    /// `.` matches a line terminator as well; with `multi_line` only.
    pub dot_all: bool,
    /// What ends a line.
    pub line_terminator: LineTerminator,
    /// A literal NUL is an error, because files with NUL are binary.
    pub ban_nul: bool,
    /// `\w`, `.` and case folding know Unicode.
    pub unicode: bool,
    /// What the compiled pattern may take, in bytes.
    pub compiled_bytes_max: usize,
    /// What the automaton that is built during a search may take, in bytes, for each thread.
    pub cache_bytes_max: usize,
}

impl Default for PatternOptions {
    fn default() -> Self {
        Self {
            fixed: false,
            case: Case::Sensitive,
            boundary: Boundary::None,
            multi_line: false,
            dot_all: false,
            line_terminator: LineTerminator::Lf,
            ban_nul: true,
            unicode: true,
            compiled_bytes_max: 100 << 20,
            cache_bytes_max: 1000 << 20,
        }
    }
}

/// Why a pattern can't be used; the text shows where.
#[derive(Clone, Debug)]
pub struct PatternError(pub(super) String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

/// A parsed pattern, and what was found out on the way.
pub(super) struct Parsed {
    /// The pattern with its boundary.
    pub(super) hir: Hir,
    /// The pattern without its boundary.
    pub(super) inner: Hir,
    /// `\A`, `\z`: it looks at the ends of the haystack, not of the line.
    pub(super) haystack_anchored: bool,
}

const NEST_MAX: u32 = 250;

/// Parses `patterns` as alternatives.
pub(super) fn parse<S: AsRef<str>>(
    patterns: &[S],
    options: &PatternOptions,
) -> Result<Parsed, PatternError> {
    let inner = if plain(patterns, options) {
        Hir::alternation(
            patterns
                .iter()
                .map(|pattern| Hir::literal(pattern.as_ref().as_bytes()))
                .collect(),
        )
    } else {
        translate(patterns, options)?
    };
    let haystack_anchored = inner.properties().look_set().contains_anchor_haystack();
    let around =
        |before, after| Hir::concat(vec![Hir::look(before), inner.clone(), Hir::look(after)]);
    let hir = match options.boundary {
        Boundary::None => inner.clone(),
        Boundary::Line if options.line_terminator == LineTerminator::Crlf => {
            around(Look::StartCRLF, Look::EndCRLF)
        }
        Boundary::Line => around(Look::StartLF, Look::EndLF),
        Boundary::Word if options.unicode => {
            around(Look::WordStartHalfUnicode, Look::WordEndHalfUnicode)
        }
        Boundary::Word => around(Look::WordStartHalfAscii, Look::WordEndHalfAscii),
    };
    Ok(Parsed {
        hir,
        inner,
        haystack_anchored,
    })
}

/// Whether the patterns are strings that need no parser.
fn plain<S: AsRef<str>>(patterns: &[S], options: &PatternOptions) -> bool {
    let ends = options.line_terminator.bytes();
    let ends_line =
        |text: &str| !options.multi_line && text.bytes().any(|byte| ends.contains(&byte));
    options.case == Case::Sensitive
        && patterns.iter().all(|pattern| {
            let text = pattern.as_ref();
            (options.fixed || !text.chars().any(regex_syntax::is_meta_character))
                && !ends_line(text)
        })
}

fn translate<S: AsRef<str>>(patterns: &[S], options: &PatternOptions) -> Result<Hir, PatternError> {
    let mut text = String::new();
    for pattern in patterns {
        if !text.is_empty() {
            text.push('|');
        }
        text.push_str("(?:");
        if options.fixed {
            text.push_str(&regex_syntax::escape(pattern.as_ref()));
        } else {
            text.push_str(pattern.as_ref());
        }
        text.push(')');
    }
    let shown = |error: &dyn fmt::Display| PatternError(error.to_string());
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(&text)
        .map_err(|error| shown(&error))?;
    let insensitive = match options.case {
        Case::Sensitive => false,
        Case::Insensitive => true,
        Case::Smart => Literals::of(&ast).suggest_insensitive(),
    };
    let hir = hir::translate::TranslatorBuilder::new()
        .utf8(false)
        .case_insensitive(insensitive)
        .multi_line(true)
        .dot_matches_new_line(options.multi_line && options.dot_all)
        .crlf(options.line_terminator == LineTerminator::Crlf)
        .unicode(options.unicode)
        .build()
        .translate(&text, &ast)
        .map_err(|error| shown(&error))?;
    if options.ban_nul {
        ban(&hir, 0)?;
    }
    if options.multi_line {
        Ok(hir)
    } else {
        let mut ends = options.line_terminator.bytes().iter();
        ends.try_fold(hir, |hir, byte| without(hir, *byte))
    }
}

/// An error if something in `hir` can match nothing but `byte`.
fn ban(hir: &Hir, byte: u8) -> Result<(), PatternError> {
    let only = match hir.kind() {
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Class(class) => match class {
            Class::Unicode(class) => matches!(
                class.ranges(),
                [one] if one.start() == char::from(byte) && one.end() == char::from(byte)
            ),
            Class::Bytes(class) => {
                matches!(class.ranges(), [one] if one.start() == byte && one.end() == byte)
            }
        },
        HirKind::Repetition(repetition) => return ban(&repetition.sub, byte),
        HirKind::Capture(capture) => return ban(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            return parts.iter().try_for_each(|part| ban(part, byte));
        }
        HirKind::Empty | HirKind::Look(_) => false,
    };
    if only {
        return Err(PatternError(
            "pattern contains \"\\0\" but it is impossible to match\n\n\
             Consider enabling text mode with the --text flag (or -a for short). Otherwise,\n\
             binary detection is enabled and matching a NUL byte is impossible."
                .into(),
        ));
    }
    Ok(())
}

/// `hir` without `byte` in its classes; an error where nothing else could match.
fn without(hir: Hir, byte: u8) -> Result<Hir, PatternError> {
    let refuse = || {
        Err(PatternError(format!(
            "the literal {:?} is not allowed in a regex\n\n\
             Consider enabling multiline mode with the --multiline flag (or -U for short).\n\
             When multiline mode is enabled, new line characters can be matched.",
            format!("{:?}", char::from(byte)).replace('\'', "\"")
        )))
    };
    let all = |parts: Vec<Hir>| -> Result<Vec<Hir>, PatternError> {
        parts.into_iter().map(|part| without(part, byte)).collect()
    };
    Ok(match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => {
            if literal.0.contains(&byte) {
                return refuse();
            }
            Hir::literal(literal.0)
        }
        HirKind::Class(Class::Unicode(mut class)) => {
            let was_empty = class.ranges().is_empty();
            let c = char::from(byte);
            class.difference(&hir::ClassUnicode::new([hir::ClassUnicodeRange::new(c, c)]));
            if class.ranges().is_empty() && !was_empty {
                return refuse();
            }
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(mut class)) => {
            let was_empty = class.ranges().is_empty();
            class.difference(&hir::ClassBytes::new([hir::ClassBytesRange::new(
                byte, byte,
            )]));
            if class.ranges().is_empty() && !was_empty {
                return refuse();
            }
            Hir::class(Class::Bytes(class))
        }
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(without(*repetition.sub, byte)?);
            Hir::repetition(repetition)
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(without(*capture.sub, byte)?);
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
    })
}

/// The literals of a pattern as it is written: `\w` is none, `[a-z]` is two.
#[derive(Debug, Default)]
struct Literals {
    any: bool,
    any_upper: bool,
}

impl Literals {
    fn of(ast: &Ast) -> Self {
        match ast::visit(ast, Self::default()) {
            Ok(found) => found,
            Err(never) => match never {},
        }
    }

    fn suggest_insensitive(&self) -> bool {
        self.any && !self.any_upper
    }

    fn add(&mut self, literal: &ast::Literal) {
        self.any = true;
        self.any_upper |= literal.c.is_uppercase();
    }
}

impl ast::Visitor for Literals {
    type Output = Self;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self, Self::Err> {
        Ok(self)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        if let Ast::Literal(literal) = ast {
            self.add(literal);
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ast::ClassSetItem::Literal(literal) => self.add(literal),
            ast::ClassSetItem::Range(range) => {
                self.add(&range.start);
                self.add(&range.end);
            }
            _ => {}
        }
        Ok(())
    }
}
