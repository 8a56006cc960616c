//! A scanner for Rust sources: tokens without comments, the module each stands in, and whether it is compiled
//! for tests alone.
//!
//! It knows nesting block comments, raw strings, lifetimes against character literals, `#[cfg(..)]` predicates
//! and inline modules. It doesn't expand macros.

/// A token of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As written; literals keep their quotes.
    pub(super) text: &'a str,
    /// Counted from 1.
    pub(super) line: usize,
    /// Inside an item that only tests or the model checker compile.
    pub(super) in_test: bool,
    /// How many inline modules are open around it.
    pub(super) inline_depth: usize,
}

/// A scanned file.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) tokens: Vec<Token<'a>>,
}

impl<'a> Source<'a> {
    /// Scans `text`.
    pub(super) fn scan(text: &'a str) -> Self {
        let mut source = Self {
            tokens: tokens(text),
        };
        source.mark_tests();
        source.mark_inline_modules();
        source
    }

    /// The text of the token at `index`, empty past the end.
    pub(super) fn at(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text)
    }

    /// Whether `parts` stand at `index`.
    pub(super) fn matches(&self, index: usize, parts: &[&str]) -> bool {
        parts
            .iter()
            .enumerate()
            .all(|(offset, part)| self.at(index + offset) == *part)
    }

    /// Index of the bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for index in open..self.tokens.len() {
            match self.at(index) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return index;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len().saturating_sub(1)
    }

    /// The first names of the path or group of paths at `index`: `a::b` gives `a`; `{a::b, c}` gives `a`, `c`.
    pub(super) fn path_heads(&self, index: usize) -> Vec<&'a str> {
        if self.at(index) != "{" {
            return vec![self.at(index)];
        }
        let end = self.closing(index);
        let mut heads = Vec::new();
        let mut depth = 0usize;
        let mut at_start = true;
        for index in index + 1..end {
            match self.at(index) {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                "," if depth == 0 => at_start = true,
                name if at_start => {
                    heads.push(name);
                    at_start = false;
                }
                _ => {}
            }
        }
        heads
    }

    /// Modules declared in files of their own that only tests compile: `#[cfg(test)] mod NAME;`.
    pub(super) fn test_modules(&self) -> Vec<&'a str> {
        (0..self.tokens.len())
            .filter(|&i| self.at(i) == "mod" && self.at(i + 2) == ";" && self.tokens[i].in_test)
            .map(|i| self.at(i + 1))
            .collect()
    }

    /// Ranges of tokens that are conditions on the build: the inside of `cfg(..)`, `cfg_attr(..)`,
    /// `cfg!(..)` and `cfg_select! {..}`.
    pub(super) fn conditions(&self) -> Vec<std::ops::Range<usize>> {
        let mut ranges = Vec::new();
        for index in 0..self.tokens.len() {
            if !matches!(self.at(index), "cfg" | "cfg_attr" | "cfg_select") {
                continue;
            }
            let open = index + 1 + usize::from(self.at(index + 1) == "!");
            if matches!(self.at(open), "(" | "{" | "[") {
                ranges.push(open..self.closing(open));
            }
        }
        ranges
    }

    fn mark_tests(&mut self) {
        for index in 0..self.tokens.len() {
            if self.at(index) != "#" {
                continue;
            }
            let inner = self.at(index + 1) == "!";
            let bracket = index + 1 + usize::from(inner);
            if !self.matches(bracket, &["[", "cfg", "("]) {
                continue;
            }
            let close = self.closing(bracket);
            if !self.needs_test(bracket + 3) {
                continue;
            }
            let (from, to) = if inner {
                (0, self.tokens.len())
            } else {
                (index, self.item_end(close + 1))
            };
            for token in &mut self.tokens[from..to] {
                token.in_test = true;
            }
        }
    }

    /// Whether the predicate at `index` can hold only in a test or a model-checker build.
    fn needs_test(&self, index: usize) -> bool {
        match self.at(index) {
            "test" | "loom" => true,
            word @ ("all" | "any") if self.at(index + 1) == "(" => {
                let end = self.closing(index + 1);
                let mut parts = Vec::new();
                let mut depth = 0usize;
                let mut start = true;
                for i in index + 2..end {
                    if start && depth == 0 {
                        parts.push(self.needs_test(i));
                        start = false;
                    }
                    match self.at(i) {
                        "(" => depth += 1,
                        ")" => depth = depth.saturating_sub(1),
                        "," if depth == 0 => start = true,
                        _ => {}
                    }
                }
                if word == "all" {
                    parts.contains(&true)
                } else {
                    !parts.is_empty() && !parts.contains(&false)
                }
            }
            _ => false,
        }
    }

    /// One past the end of the item that starts at `index`, after further attributes.
    fn item_end(&self, mut index: usize) -> usize {
        while self.at(index) == "#" && self.at(index + 1) == "[" {
            index = self.closing(index + 1) + 1;
        }
        let mut first = index;
        while matches!(self.at(first), "pub" | "(" | "crate" | "super" | ")") {
            first += 1;
        }
        let braces_end_it = self.at(first) != "use";
        while index < self.tokens.len() {
            match self.at(index) {
                ";" | "," => return index + 1,
                "}" | ")" | "]" => return index,
                "{" if braces_end_it => return self.closing(index) + 1,
                "{" | "(" | "[" => index = self.closing(index) + 1,
                _ => index += 1,
            }
        }
        index
    }

    fn mark_inline_modules(&mut self) {
        let mut braces: Vec<bool> = Vec::new();
        let mut next_is_module = false;
        for index in 0..self.tokens.len() {
            match self.at(index) {
                "mod" if self.at(index + 2) == "{" => next_is_module = true,
                "{" => {
                    braces.push(next_is_module);
                    next_is_module = false;
                }
                "}" => {
                    braces.pop();
                }
                _ => {}
            }
            self.tokens[index].inline_depth = braces.iter().filter(|module| **module).count();
        }
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let length = token_length(&text[at..]);
        let piece = &text[at..at + length];
        let blank = piece.starts_with(char::is_whitespace)
            || piece.starts_with("//")
            || piece.starts_with("/*");
        if !blank {
            tokens.push(Token {
                text: piece,
                line,
                in_test: false,
                inline_depth: 0,
            });
        }
        line += piece.bytes().filter(|byte| *byte == b'\n').count();
        at += length;
    }
    tokens
}

/// Length in bytes of the token, comment or white space that `rest` starts with; never 0.
fn token_length(rest: &str) -> usize {
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_whitespace() {
        return rest
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(rest.len());
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if let Some(length) = string_length(rest) {
        return length;
    }
    if first == '\'' {
        return quote_length(rest);
    }
    if first.is_alphanumeric() || first == '_' {
        return rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
    }
    if rest.starts_with("::") {
        return 2;
    }
    first.len_utf8()
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A string literal with any prefix (`b`, `c`, `r`, `br`, `cr`) and any number of hashes.
fn string_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix)
            .is_some_and(|tail| tail.trim_start_matches('#').starts_with('"'))
    })?;
    let tail = &rest[prefix.len()..];
    let hashes = tail.len() - tail.trim_start_matches('#').len();
    let raw = prefix.ends_with('r');
    if hashes > 0 && !raw {
        return None;
    }
    let body = prefix.len() + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(
            rest[body..]
                .find(&end)
                .map_or(rest.len(), |found| body + found + end.len()),
        );
    }
    let mut escaped = false;
    for (offset, c) in rest[body..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(body + offset + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A lifetime or a character literal.
fn quote_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let mut escaped = true;
            for (offset, c) in rest.char_indices().skip(2) {
                match c {
                    _ if escaped => escaped = false,
                    '\'' => return offset + 1,
                    _ => {}
                }
            }
            rest.len()
        }
        Some((_, c)) => {
            let after = 1 + c.len_utf8();
            if rest[after..].starts_with('\'') {
                after + 1
            } else {
                rest[1..]
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .map_or(rest.len(), |length| (1 + length).max(1))
            }
        }
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_hide_what_is_in_them() {
        assert_eq!(
            texts(
                "a /* std:: /* x */ */ b // std\n c \"std::\\\" d\" r#\"e\"f\"# 'x' 'a: '\\'' b'y'"
            ),
            [
                "a",
                "b",
                "c",
                "\"std::\\\" d\"",
                "r#\"e\"f\"#",
                "'x'",
                "'a",
                ":",
                "'\\''",
                "b",
                "'y'"
            ]
        );
    }

    #[test]
    fn items_for_tests_are_marked_and_their_neighbours_are_not() {
        let source = Source::scan(
            "#[cfg(test)] use a::{b, c}; use d; #[cfg(any(test, loom))] #[x] mod e { f } g \
             #[cfg(not(test))] h; #[cfg(any(test, feature = \"i\"))] j; #[cfg(all(test, k))] mod l;",
        );
        let marked: Vec<_> = source
            .tokens
            .iter()
            .filter(|token| token.in_test && token.text.len() == 1)
            .filter(|token| token.text.chars().all(char::is_alphabetic))
            .map(|token| token.text)
            .collect();
        assert_eq!(marked, ["a", "b", "c", "x", "e", "f", "k", "l"]);
        assert_eq!(source.test_modules(), ["l"]);
    }

    #[test]
    fn an_inner_attribute_marks_the_whole_file() {
        let source = Source::scan("use a; #![cfg(loom)] use b;");
        assert!(source.tokens.iter().all(|token| token.in_test));
    }

    #[test]
    fn groups_give_the_heads_of_their_paths() {
        let source = Source::scan("{a::{b, c}, d::e, self, f as g}");
        assert_eq!(source.path_heads(0), ["a", "d", "self", "f"]);
    }

    #[test]
    fn inline_modules_are_counted() {
        let source = Source::scan("a mod m { b fn f() { c } mod n { d } } e");
        let depth = |name| {
            source
                .tokens
                .iter()
                .find(|token| token.text == name)
                .map(|token| token.inline_depth)
        };
        assert_eq!(depth("a"), Some(0));
        assert_eq!(depth("b"), Some(1));
        assert_eq!(depth("c"), Some(1));
        assert_eq!(depth("d"), Some(2));
        assert_eq!(depth("e"), Some(0));
    }
}
