//! The state of a search by line, carried from window to window.
//!
//! A buffer holds whole lines. *Fast*: the matcher runs over many lines at once and the line is found around the hit.
//! *Slow*: each line is cut out and matched, for patterns that look at the ends of the haystack, and to pass all lines through.
//!
//! # Invariants
//!
//! - I1: `pos` is the start of a line or the buffer's end; everything before it was dealt with.
//! - I2: `visited` is the end of the last line handed to the sink, or how much of the buffer older windows handed over.
//! - I3: `number` is the number of the line that holds `counted`.

use super::super::kernel;
use super::super::matcher::{Hit, Matcher};
use super::lines;
use super::{Binary, Lines, SearchOptions, Sink};
use std::io;
use std::ops::Range;

pub(super) struct Core<'s, S> {
    pub(super) matcher: &'s Matcher,
    pub(super) options: &'s SearchOptions,
    pub(super) sink: &'s mut S,
    /// What a NUL in a line means; [`Binary::Text`] when the reader looks for it.
    pub(super) binary: Binary,
    pub(super) binary_at: Option<u64>,
    pub(super) pos: usize,
    /// The windows are slices of what ripgrep has in one: what ends a search in one ends it.
    pub(super) sliced: bool,
    /// Where the buffer begins in the input.
    pub(super) base: u64,
    pub(super) number: Option<u64>,
    counted: usize,
    visited: usize,
    after_left: usize,
    has_sunk: bool,
    pub(super) count: u64,
}

impl<'s, S: Sink> Core<'s, S> {
    pub(super) fn new(
        matcher: &'s Matcher,
        options: &'s SearchOptions,
        binary: Binary,
        sink: &'s mut S,
    ) -> Self {
        Self {
            matcher,
            options,
            sink,
            binary,
            binary_at: None,
            sliced: false,
            pos: 0,
            base: 0,
            number: options.line_numbers.then_some(1),
            counted: 0,
            visited: 0,
            after_left: 0,
            has_sunk: false,
            count: 0,
        }
    }

    /// Searches the rest of `buffer`; false if nothing more is wanted.
    pub(super) fn search(&mut self, buffer: &[u8]) -> io::Result<bool> {
        if self.matcher.searches_many_lines() && !self.options.passthru && !self.ends_at_next() {
            self.fast(buffer)
        } else {
            self.slow(buffer)
        }
    }

    /// How much of `buffer` later lines don't need as context; the next buffer begins there.
    pub(super) fn roll(&mut self, buffer: &[u8]) -> usize {
        let consumed = if self.options.before == 0 && self.options.after == 0 {
            buffer.len()
        } else {
            let keep = lines::preceding(
                buffer,
                self.options.line_terminator.byte(),
                self.options.before,
            );
            keep.max(self.visited)
        };
        self.count_lines(buffer, consumed);
        self.base += consumed as u64;
        self.counted = 0;
        self.visited = 0;
        self.pos = buffer.len() - consumed;
        consumed
    }

    /// Whether the next line that is not chosen is the end.
    fn ends_at_next(&self) -> bool {
        self.options.stop_on_nonmatch && self.count > 0
    }

    pub(super) fn limit_reached(&self) -> bool {
        self.options.count_max.is_some_and(|max| self.count >= max)
    }

    fn line_matches(&self, buffer: &[u8], line: &Range<usize>) -> bool {
        let line = buffer.get(line.clone()).unwrap_or_default();
        self.matcher
            .is_match(self.options.line_terminator.matched(line))
    }

    fn slow(&mut self, buffer: &[u8]) -> io::Result<bool> {
        while self.pos < buffer.len() {
            if self.limit_reached() && !self.options.passthru && self.after_left == 0 {
                return Ok(false);
            }
            let line = self.pos..lines::end(buffer, self.options.line_terminator.byte(), self.pos);
            let matches = !self.limit_reached() && self.line_matches(buffer, &line);
            self.pos = line.end;
            let chosen = matches != self.options.invert;
            let goes_on = if chosen {
                self.count += 1;
                self.before_context(buffer, line.start)? && self.matched(buffer, &line)?
            } else if self.after_left >= 1 {
                self.after_left -= 1;
                self.context(buffer, &line)?
            } else if self.options.passthru {
                self.context(buffer, &line)?
            } else {
                true
            };
            if !goes_on || (!chosen && self.ends_at_next()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fast(&mut self, buffer: &[u8]) -> io::Result<bool> {
        let mut ended = false;
        while self.pos < buffer.len() {
            if self.ends_at_next() {
                return self.slow(buffer);
            }
            if self.options.invert {
                if self.sliced && self.limit_reached() {
                    break;
                }
                if !self.inverted(buffer)? {
                    ended = true;
                    break;
                }
                continue;
            }
            if self.matcher.matches_every_line() && self.run_of_all(buffer)? {
                continue;
            }
            let Some(line) = self.next_line(buffer) else {
                break;
            };
            self.count += 1;
            if !self.after_context(buffer, line.start)?
                || !self.before_context(buffer, line.start)?
            {
                return Ok(false);
            }
            self.pos = line.end;
            if !self.matched(buffer, &line)? {
                return Ok(false);
            }
        }
        if !self.after_context(buffer, buffer.len())? {
            return Ok(false);
        }
        // What is read in windows goes on behind the one in which the sink wanted no more, as ripgrep does.
        // The limit is an end only where no context is left, which may be in windows to come.
        let is_over = if self.limit_reached() {
            self.after_left == 0
        } else {
            ended && (self.sliced || self.binary != Binary::Text)
        };
        if is_over {
            return Ok(false);
        }
        self.pos = buffer.len();
        Ok(true)
    }

    /// The next line that matches.
    #[inline]
    fn next_line(&mut self, buffer: &[u8]) -> Option<Range<usize>> {
        let terminator = self.options.line_terminator.byte();
        let mut pos = self.pos;
        while pos < buffer.len() {
            if self.limit_reached() {
                return None;
            }
            let (at, sure) = match self.matcher.find_line(buffer.get(pos..)?)? {
                Hit::Confirmed(at) => (pos + at, true),
                Hit::Candidate(at) => (pos + at, false),
            };
            let line = lines::around(buffer, terminator, at..at);
            if line.start >= buffer.len() {
                return None;
            }
            if sure || self.line_matches(buffer, &line) {
                return Some(line);
            }
            pos = line.end;
        }
        None
    }

    /// Hands all lines up to the buffer's end over at once, if the sink takes them so.
    fn run_of_all(&mut self, buffer: &[u8]) -> io::Result<bool> {
        let all = self.pos..buffer.len();
        if !self.takes_run(buffer, &all)? {
            return Ok(false);
        }
        self.pos = all.end;
        Ok(true)
    }

    fn takes_run(&mut self, buffer: &[u8], run: &Range<usize>) -> io::Result<bool> {
        let plain = self.options.count_max.is_none()
            && self.options.before == 0
            && self.options.after == 0
            && (self.binary == Binary::Text || self.binary_at.is_some());
        if !plain || (self.binary == Binary::Quit && self.binary_at.is_some()) {
            return Ok(false);
        }
        self.count_lines(buffer, run.start);
        let taken = self.sink.matched_run(&Lines {
            buffer,
            range: run.clone(),
            offset: self.base + run.start as u64,
            number: self.number,
        });
        match taken {
            None => Ok(false),
            Some(count) => {
                self.count += count?;
                self.visited = run.end;
                self.has_sunk = true;
                Ok(true)
            }
        }
    }

    /// Hands over the lines up to the next one that matches; false if nothing more is wanted from this buffer.
    fn inverted(&mut self, buffer: &[u8]) -> io::Result<bool> {
        let run = match self.next_line(buffer) {
            None => {
                let run = self.pos..buffer.len();
                self.pos = run.end;
                run
            }
            Some(line) => {
                let run = self.pos..line.start;
                self.pos = line.end;
                run
            }
        };
        if run.is_empty() || self.takes_run(buffer, &run)? {
            return Ok(true);
        }
        if !self.after_context(buffer, run.start)? || !self.before_context(buffer, run.start)? {
            return Ok(false);
        }
        let mut start = run.start;
        while start < run.end {
            let line = start..lines::end(buffer, self.options.line_terminator.byte(), start);
            start = line.end;
            self.count += 1;
            if !self.matched(buffer, &line)? || self.limit_reached() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn before_context(&mut self, buffer: &[u8], upto: usize) -> io::Result<bool> {
        if self.options.before == 0 || self.visited >= upto {
            return Ok(true);
        }
        let range = buffer.get(self.visited..upto).unwrap_or_default();
        let terminator = self.options.line_terminator.byte();
        let mut start = self.visited + lines::preceding(range, terminator, self.options.before - 1);
        while start < upto {
            let line = start..lines::end(buffer, terminator, start);
            start = line.end;
            self.gap_before(line.start)?;
            if !self.context(buffer, &line)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands over what is left of the context after the last chosen line. Past the limit, a line of it that would be chosen
    /// is shown as such.
    pub(super) fn after_context(&mut self, buffer: &[u8], upto: usize) -> io::Result<bool> {
        if self.after_left == 0 {
            return Ok(true);
        }
        let over = self.limit_reached();
        let mut start = self.visited;
        while start < upto && self.after_left > 0 {
            let line = start..lines::end(buffer, self.options.line_terminator.byte(), start);
            start = line.end;
            if over && self.line_matches(buffer, &line) != self.options.invert {
                let left = self.after_left;
                self.pos = line.end;
                if !self.matched(buffer, &line)? {
                    return Ok(false);
                }
                self.after_left = left - 1;
            } else {
                if !self.context(buffer, &line)? {
                    return Ok(false);
                }
                self.after_left -= 1;
            }
        }
        Ok(true)
    }

    /// Context of the searches by whole files.
    pub(super) fn context_around(&mut self, buffer: &[u8], upto: usize) -> io::Result<bool> {
        if self.options.passthru {
            let mut start = self.visited;
            while start < upto {
                let line = start..lines::end(buffer, self.options.line_terminator.byte(), start);
                start = line.end;
                if !self.context(buffer, &line)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Ok(self.after_context(buffer, upto)? && self.before_context(buffer, upto)?)
    }

    /// Hands a chosen line over.
    #[inline]
    pub(super) fn matched(&mut self, buffer: &[u8], line: &Range<usize>) -> io::Result<bool> {
        if self.is_binary(buffer, line) {
            return Ok(false);
        }
        self.gap_before(line.start)?;
        self.count_lines(buffer, line.start);
        let goes_on = self.sink.matched(&Lines {
            buffer,
            range: line.clone(),
            offset: self.base + line.start as u64,
            number: self.number,
        })?;
        if goes_on {
            self.visited = line.end;
            self.after_left = self.options.after;
            self.has_sunk = true;
        }
        Ok(goes_on)
    }

    fn context(&mut self, buffer: &[u8], line: &Range<usize>) -> io::Result<bool> {
        if self.is_binary(buffer, line) {
            return Ok(false);
        }
        self.count_lines(buffer, line.start);
        let goes_on = self.sink.context(&Lines {
            buffer,
            range: line.clone(),
            offset: self.base + line.start as u64,
            number: self.number,
        })?;
        if goes_on {
            self.visited = line.end;
            self.has_sunk = true;
        }
        Ok(goes_on)
    }

    fn gap_before(&mut self, start: usize) -> io::Result<()> {
        let any = self.options.before > 0 || self.options.after > 0;
        if any && self.has_sunk && self.visited < start {
            self.sink.gap()?;
        }
        Ok(())
    }

    /// Looks for a NUL in `range`; whether the search ends at it.
    pub(super) fn is_binary(&mut self, buffer: &[u8], range: &Range<usize>) -> bool {
        if self.binary == Binary::Text {
            return false;
        }
        if self.binary_at.is_none() {
            let Some(at) = kernel::find(0, buffer.get(range.clone()).unwrap_or_default()) else {
                return false;
            };
            let at = self.base + (range.start + at) as u64;
            self.binary_at = Some(at);
            self.sink.binary(at);
        }
        self.binary == Binary::Quit
    }

    #[inline]
    fn count_lines(&mut self, buffer: &[u8], upto: usize) {
        let Some(number) = &mut self.number else {
            return;
        };
        if let Some(passed) = buffer.get(self.counted..upto)
            && self.counted < upto
        {
            *number += kernel::count(self.options.line_terminator.byte(), passed);
            self.counted = upto;
        }
    }
}
