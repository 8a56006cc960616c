//! Lines as text.

use super::super::matcher::Matcher;
use super::super::search::{Binary, LineTerminator, Lines, Sink, lines};
use super::color::{self, Colors, Role};
use super::replace::Replaced;
use super::{Out, PrintOptions, Stats, collect_matches};
use bstr::ByteSlice as _;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Writes the lines of one input.
#[derive(Debug)]
pub(in super::super) struct Standard<'p, 'o> {
    options: &'p PrintOptions,
    matcher: &'p Matcher,
    out: &'p mut Out<'o>,
    path: &'p [u8],
    binary: Binary,
    terminator: LineTerminator,
    /// Whether context is what matches.
    inverted: bool,
    /// Whether each match must be known, not only its line.
    granular: bool,
    /// Written before the first byte: see `before_first`.
    lead: Option<&'p [u8]>,
    /// A path above the lines is somebody else's work.
    no_heading: bool,
    /// With figures alone: a clock costs as much as a short search.
    started: Option<Instant>,
    matches: Vec<Range<usize>>,
    replaced: Replaced,
    pub(in super::super) count: u64,
    /// A line was written.
    pub(in super::super) began: bool,
    binary_at: Option<u64>,
    pub(in super::super) stats: Option<Stats>,
}

/// A line as it is shown: replaced or not.
struct Shown<'l> {
    bytes: &'l [u8],
    matches: &'l [Range<usize>],
    original_matches: usize,
    offset: u64,
    number: Option<u64>,
    is_context: bool,
}

impl<'p, 'o> Standard<'p, 'o> {
    pub(in super::super) fn new(
        options: &'p PrintOptions,
        matcher: &'p Matcher,
        out: &'p mut Out<'o>,
        path: &'p [u8],
        binary: Binary,
        terminator: LineTerminator,
        inverted: bool,
    ) -> Self {
        out.begin();
        Self {
            options,
            matcher,
            out,
            path,
            binary,
            terminator,
            inverted,
            granular: options
                .colors
                .as_ref()
                .is_some_and(|colors| !colors.hides_matches())
                || options.column
                || options.replacement.is_some()
                || options.per_match
                || options.only_matching
                || options.stats,
            lead: None,
            no_heading: false,
            started: options.stats.then(Instant::now),
            matches: Vec::new(),
            replaced: Replaced::default(),
            count: 0,
            began: false,
            binary_at: None,
            stats: options.stats.then(Stats::default),
        }
    }

    /// A line to write before anything else, if anything is written.
    pub(in super::super) fn before_first(mut self, lead: Option<&'p [u8]>) -> Self {
        self.lead = lead;
        self
    }

    /// Leaves the path above the lines to whoever joins the pieces of a file.
    pub(in super::super) fn without_heading(mut self) -> Self {
        self.no_heading = true;
        self
    }

    fn record(&mut self, lines: &Lines<'_>) {
        self.matches.clear();
        if !self.granular {
            return;
        }
        collect_matches(
            lines.buffer,
            &lines.range,
            self.matcher,
            self.terminator,
            &mut self.matches,
        );
        let bytes = lines.range.len();
        if self
            .matches
            .last()
            .is_some_and(|last| last.is_empty() && last.start >= bytes)
        {
            self.matches.pop();
        }
        if let Some(replacement) = &self.options.replacement {
            self.replaced.fill(
                lines.buffer,
                &lines.range,
                self.matcher,
                self.terminator,
                replacement,
            );
        }
    }

    /// Writes the recorded line.
    fn show(&mut self, lines: &Lines<'_>, is_context: bool) -> io::Result<()> {
        self.prelude_of_file();
        // Taken out for the time, and put back so that their memory is kept.
        let (matches, replaced) = (
            std::mem::take(&mut self.matches),
            std::mem::take(&mut self.replaced),
        );
        let is_replaced = !replaced.matches.is_empty();
        let shown = Shown {
            bytes: if is_replaced {
                &replaced.bytes
            } else {
                lines.bytes()
            },
            matches: if is_replaced {
                &replaced.matches
            } else {
                &matches
            },
            original_matches: matches.len(),
            offset: lines.offset,
            number: lines.number,
            is_context,
        };
        if self.matcher.spans_lines() && !is_context {
            self.piece(&shown);
        } else {
            self.line(&shown);
        }
        (self.matches, self.replaced) = (matches, replaced);
        self.out.settle(self.options.line_buffered)
    }

    fn line(&mut self, shown: &Shown<'_>) {
        let Some(first) = shown.matches.first() else {
            self.prelude(shown, shown.offset, 0, None);
            self.plain(shown, shown.bytes);
            return;
        };
        if self.options.only_matching {
            for found in shown.matches {
                self.prelude(
                    shown,
                    shown.offset + found.start as u64,
                    0,
                    Some(found.start),
                );
                let bytes = shown.bytes.get(found.clone()).unwrap_or_default();
                let whole = 0..bytes.len();
                self.highlighted(shown, bytes, std::slice::from_ref(&whole));
            }
        } else if self.options.per_match {
            for found in shown.matches {
                self.prelude(
                    shown,
                    shown.offset + found.start as u64,
                    0,
                    Some(found.start),
                );
                self.highlighted(shown, shown.bytes, std::slice::from_ref(found));
            }
        } else {
            self.prelude(shown, shown.offset, 0, Some(first.start));
            self.highlighted(shown, shown.bytes, shown.matches);
        }
    }

    /// The lines that a match spans.
    fn piece(&mut self, shown: &Shown<'_>) {
        if shown.matches.is_empty() {
            for (index, line) in split(shown.bytes, self.terminator.byte()).enumerate() {
                let offset = shown.offset + line.start as u64;
                self.prelude(shown, offset, index as u64, None);
                self.plain(shown, shown.bytes.get(line).unwrap_or_default());
            }
        } else if self.options.only_matching {
            self.piece_only_matching(shown);
        } else if self.options.per_match {
            self.piece_per_match(shown);
        } else {
            let mut next = 0;
            let column = shown.matches.first().map(|found| found.start);
            for (index, line) in split(shown.bytes, self.terminator.byte()).enumerate() {
                self.prelude(
                    shown,
                    shown.offset + line.start as u64,
                    index as u64,
                    column,
                );
                let line = self.trimmed(shown.bytes, line);
                let bytes = shown.bytes.get(line.clone()).unwrap_or_default();
                if self.is_too_long(bytes) {
                    self.exceeding(shown, shown.bytes, line, shown.matches, &mut next);
                } else {
                    self.parts(shown, shown.bytes, line, shown.matches, &mut next);
                    self.out.write(self.terminator.bytes());
                }
            }
        }
    }

    fn piece_only_matching(&mut self, shown: &Shown<'_>) {
        let mut next = 0;
        for (index, line) in split(shown.bytes, self.terminator.byte()).enumerate() {
            let line = self.bare(shown.bytes, &line);
            let line = self.trimmed(shown.bytes, line);
            let mut at = line.start;
            while at < line.end {
                let Some(found) = shown.matches.get(next) else {
                    break;
                };
                if found.end <= at {
                    if next + 1 == shown.matches.len() {
                        break;
                    }
                    next += 1;
                } else if at < found.start {
                    at = line.end.min(found.start);
                } else {
                    let upto = line.end.min(found.end);
                    let offset = shown.offset + found.start as u64;
                    self.prelude(shown, offset, index as u64, Some(found.start));
                    let bytes = shown.bytes.get(at..upto).unwrap_or_default();
                    if self.is_too_long(bytes) {
                        let part = at..upto;
                        self.exceeding(shown, shown.bytes, part, shown.matches, &mut next);
                    } else {
                        color::write(self.out, self.options, Role::Match, bytes);
                        self.out.write(self.terminator.bytes());
                    }
                    at = upto;
                }
            }
        }
    }

    fn piece_per_match(&mut self, shown: &Shown<'_>) {
        // Matches only go on, and so do lines: none is looked at again for each match.
        let mut lines = (0..)
            .zip(split(shown.bytes, self.terminator.byte()))
            .peekable();
        for found in shown.matches {
            while lines.next_if(|(_, line)| line.end <= found.start).is_some() {}
            // The first line of the match that can be shown is enough.
            for (index, line) in lines.clone() {
                if line.start >= found.end {
                    break;
                }
                let offset = shown.offset + line.start as u64;
                let column = found.start.saturating_sub(line.start);
                self.prelude(shown, offset, index, Some(column));
                let line = self.bare(shown.bytes, &line);
                let line = self.trimmed(shown.bytes, line);
                let bytes = shown.bytes.get(line.clone()).unwrap_or_default();
                let found = std::slice::from_ref(found);
                if !self.is_too_long(bytes) {
                    self.parts(shown, shown.bytes, line, found, &mut 0);
                    self.out.write(self.terminator.bytes());
                    break;
                }
                self.exceeding(shown, shown.bytes, line, found, &mut 0);
            }
        }
    }

    /// What is before the first line of a file.
    fn prelude_of_file(&mut self) {
        if self.out.written() > 0 {
            return;
        }
        self.began = true;
        if let Some(lead) = self.lead {
            self.out.write(lead);
            self.out.write(self.terminator.bytes());
        }
        if self.options.heading && self.options.path && !self.no_heading {
            color::write(self.out, self.options, Role::Path, self.path);
            self.out.write(if self.options.null {
                b"\0"
            } else {
                self.terminator.bytes()
            });
        }
    }

    /// What is before a line: path, number, column, offset.
    #[inline]
    fn prelude(&mut self, shown: &Shown<'_>, offset: u64, line: u64, column: Option<usize>) {
        let options = self.options;
        let separator: &[u8] = if shown.is_context {
            &options.context_separator_field
        } else {
            &options.separator
        };
        if options.path && !options.heading {
            color::write(self.out, options, Role::Path, self.path);
            self.out.write(if options.null { b"\0" } else { separator });
        }
        let mut digits = [0; 20];
        if let Some(number) = shown.number {
            let text = super::out::decimal(number + line, &mut digits);
            color::write(self.out, options, Role::Line, text);
            self.out.write(separator);
        }
        if let (true, Some(column)) = (options.column, column) {
            let text = super::out::decimal(column as u64 + 1, &mut digits);
            color::write(self.out, options, Role::Column, text);
            self.out.write(separator);
        }
        if options.byte_offset {
            let text = super::out::decimal(offset, &mut digits);
            color::write(self.out, options, Role::Column, text);
            self.out.write(separator);
        }
    }

    fn plain(&mut self, shown: &Shown<'_>, line: &[u8]) {
        let range = self.trimmed(line, 0..line.len());
        let line = line.get(range).unwrap_or_default();
        if self.is_too_long(line) {
            self.exceeding(shown, line, 0..line.len(), shown.matches, &mut 0);
            return;
        }
        self.out.write(line);
        if line.last() != Some(&self.terminator.byte()) {
            self.out.write(self.terminator.bytes());
        }
    }

    fn highlighted(&mut self, shown: &Shown<'_>, line: &[u8], matches: &[Range<usize>]) {
        let colors = self.options.colors.as_ref();
        if colors.is_none_or(Colors::hides_matches) {
            self.plain(shown, line);
            return;
        }
        let range = self.trimmed(line, 0..line.len());
        if self.is_too_long(line) {
            self.exceeding(shown, line, range, matches, &mut 0);
        } else {
            self.parts(shown, line, range, matches, &mut 0);
            self.out.write(self.terminator.bytes());
        }
    }

    /// The line at `range` without its terminator, matches in colour; `next` is the first match that may be in it.
    fn parts(
        &mut self,
        shown: &Shown<'_>,
        bytes: &[u8],
        range: Range<usize>,
        matches: &[Range<usize>],
        next: &mut usize,
    ) {
        let colors = self.options.colors.as_ref();
        let highlight = colors
            .and_then(Colors::highlight)
            .filter(|_| !matches.is_empty() && !shown.is_context);
        if let Some(highlight) = highlight {
            self.out.decorate(highlight);
        }
        let Range { start: mut at, end } = self.bare(bytes, &range);
        let mut in_match = false;
        while at < end {
            let Some(found) = matches.get(*next) else {
                break;
            };
            if found.end <= at {
                if *next + 1 < matches.len() {
                    *next += 1;
                    continue;
                }
                break;
            }
            let inside = at >= found.start;
            let upto = end.min(if inside { found.end } else { found.start });
            if let (Some(colors), true) = (colors, inside != in_match) {
                self.out.decorate(if inside {
                    colors.start(Role::Match)
                } else {
                    highlight.unwrap_or(color::RESET)
                });
                in_match = inside;
            }
            self.out.write(bytes.get(at..upto).unwrap_or_default());
            at = upto;
        }
        if in_match {
            self.out.decorate(highlight.unwrap_or(color::RESET));
        }
        self.out.write(bytes.get(at..end).unwrap_or_default());
        if highlight.is_some() {
            self.out.decorate(color::RESET);
        }
    }

    /// The line at `range` without its end.
    fn bare(&self, bytes: &[u8], range: &Range<usize>) -> Range<usize> {
        let line = bytes.get(range.clone()).unwrap_or_default();
        range.start..range.start + self.terminator.bare(line).len()
    }

    fn trimmed(&self, bytes: &[u8], range: Range<usize>) -> Range<usize> {
        if !self.options.trim {
            return range;
        }
        let is_space = |byte: &&u8| {
            matches!(**byte, b'\t' | b'\n' | 0x0B | 0x0C | b'\r' | b' ')
                && !self.terminator.bytes().contains(*byte)
        };
        let count = bytes
            .get(range.clone())
            .unwrap_or_default()
            .iter()
            .take_while(is_space)
            .count();
        range.start + count..range.end
    }

    fn is_too_long(&self, line: &[u8]) -> bool {
        self.options
            .columns_max
            .is_some_and(|max| line.len() as u64 > max)
    }

    /// What stands for the line at `range`, which is too long: a word about it, or its start.
    fn exceeding(
        &mut self,
        shown: &Shown<'_>,
        bytes: &[u8],
        range: Range<usize>,
        matches: &[Range<usize>],
        next: &mut usize,
    ) {
        if !self.options.columns_preview {
            self.omitted(shown);
            return;
        }
        let max = self.options.columns_max.unwrap_or(0);
        let line = bytes.get(range.clone()).unwrap_or_default();
        let characters = line.grapheme_indices().map(|(_, end, _)| end);
        let length = characters
            .take(usize::try_from(max).unwrap_or(usize::MAX))
            .last()
            .unwrap_or(0);
        let end = range.start + length;
        self.parts(shown, bytes, range.start..end, matches, next);
        if matches.is_empty() {
            self.out.write(b" [... omitted end of long line]");
        } else {
            let left_out = |found: &&Range<usize>| (end..range.end).contains(&found.start);
            let count = matches.iter().filter(left_out).count();
            self.out.write(b" [... ");
            self.out.write_decimal(count as u64);
            self.out.write(if count == 1 {
                b" more match]"
            } else {
                b" more matches]"
            });
        }
        self.out.write(self.terminator.bytes());
    }

    fn omitted(&mut self, shown: &Shown<'_>) {
        if shown.original_matches == 0 || self.options.only_matching {
            let kind: &[u8] = if shown.is_context {
                b"context"
            } else {
                b"matching"
            };
            self.out.write(b"[Omitted long ");
            self.out.write(kind);
            self.out.write(b" line]");
        } else {
            self.out.write(b"[Omitted long line with ");
            self.out.write_decimal(shown.original_matches as u64);
            self.out.write(b" matches]");
        }
        self.out.write(self.terminator.bytes());
    }
}

/// Where each line of `bytes` is.
fn split(bytes: &[u8], terminator: u8) -> impl Iterator<Item = Range<usize>> + Clone {
    let mut start = 0;
    std::iter::from_fn(move || {
        (start < bytes.len()).then(|| {
            let line = start..lines::end(bytes, terminator, start);
            start = line.end;
            line
        })
    })
}

impl Sink for Standard<'_, '_> {
    fn matched(&mut self, lines: &Lines<'_>) -> io::Result<bool> {
        self.count += 1;
        self.record(lines);
        if let Some(stats) = &mut self.stats {
            stats.matches += self.matches.len() as u64;
            stats.matched_lines += split(lines.bytes(), self.terminator.byte()).count() as u64;
        }
        if self.binary == Binary::Convert && self.binary_at.is_some() {
            return Ok(false);
        }
        self.show(lines, false)?;
        Ok(true)
    }

    fn matched_run(&mut self, lines: &Lines<'_>) -> Option<io::Result<u64>> {
        let options = self.options;
        let bare = !self.granular
            && !options.byte_offset
            && !options.trim
            && options.columns_max.is_none()
            && (!options.path || options.heading)
            && lines.number.is_none()
            && !(self.binary == Binary::Convert && self.binary_at.is_some());
        if !bare {
            return None;
        }
        self.prelude_of_file();
        self.out.write(lines.bytes());
        if lines.bytes().last() != Some(&self.terminator.byte()) {
            self.out.write(self.terminator.bytes());
        }
        self.count += 1;
        Some(self.out.settle(self.options.line_buffered).map(|()| 1))
    }

    fn context(&mut self, lines: &Lines<'_>) -> io::Result<bool> {
        self.matches.clear();
        self.replaced.clear();
        if self.inverted {
            let bytes = lines.bytes();
            self.record(&Lines {
                buffer: bytes,
                range: 0..bytes.len(),
                offset: lines.offset,
                number: lines.number,
            });
        }
        if self.binary == Binary::Convert && self.binary_at.is_some() {
            return Ok(false);
        }
        self.show(lines, true)?;
        Ok(true)
    }

    fn gap(&mut self) -> io::Result<()> {
        if let Some(gap) = &self.options.gap {
            self.out.write(gap);
            self.out.write(self.terminator.bytes());
        }
        Ok(())
    }

    fn binary(&mut self, offset: u64) {
        self.binary_at = Some(offset);
    }

    fn finish(&mut self, bytes_searched: u64, _: Option<u64>) -> io::Result<()> {
        if let (Some(offset), true) = (self.binary_at, self.count > 0) {
            if self.options.path {
                color::write(self.out, self.options, Role::Path, self.path);
                self.out.write(b": ");
            }
            self.out.write(if self.binary == Binary::Quit {
                b"WARNING: stopped searching binary file after match (found \"\\0\" byte around offset "
            } else {
                b"binary file matches (found \"\\0\" byte around offset "
            });
            self.out.write_decimal(offset);
            self.out.write(b")\n");
        }
        if let Some(stats) = &mut self.stats {
            let printed = self.out.written();
            stats.finish(
                self.started
                    .map_or(Duration::ZERO, |started| started.elapsed()),
                self.count > 0,
                bytes_searched,
                printed,
            );
        }
        Ok(())
    }
}
