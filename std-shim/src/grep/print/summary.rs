//! Counts and paths.

use super::super::kernel;
use super::super::matcher::Matcher;
use super::super::search::{Binary, LineTerminator, Lines, Sink};
use super::color::{self, Role};
use super::{Mode, Out, PrintOptions, Stats, collect_matches};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Sums up one input.
#[derive(Debug)]
pub(in super::super) struct Summary<'p, 'o> {
    options: &'p PrintOptions,
    matcher: &'p Matcher,
    out: &'p mut Out<'o>,
    path: &'p [u8],
    binary: Binary,
    terminator: LineTerminator,
    /// With figures alone: a clock costs as much as a short search.
    started: Option<Instant>,
    matches: Vec<Range<usize>>,
    /// Lines; with several lines to a match, matches.
    pub(in super::super) count: u64,
    pub(in super::super) stats: Option<Stats>,
    /// What is counted is a part of an input: nothing is shown.
    part: bool,
}

impl<'p, 'o> Summary<'p, 'o> {
    pub(in super::super) fn new(
        options: &'p PrintOptions,
        matcher: &'p Matcher,
        out: &'p mut Out<'o>,
        path: &'p [u8],
        binary: Binary,
        terminator: LineTerminator,
    ) -> Self {
        out.begin();
        Self {
            options,
            matcher,
            out,
            path,
            binary,
            terminator,
            started: options.stats.then(Instant::now),
            matches: Vec::new(),
            count: 0,
            stats: (options.stats || (options.mode == Mode::CountMatches && !options.quiet))
                .then(Stats::default),
            part: false,
        }
    }

    /// Counts without showing.
    pub(in super::super) fn of_part(mut self) -> Self {
        self.part = true;
        self
    }

    /// Whether the file is one that was asked for.
    pub(in super::super) fn has_match(&self) -> bool {
        (self.count > 0) != (self.options.mode == Mode::FilesWithout)
    }

    fn one_is_enough(&self) -> bool {
        // A file without a match must be read to its end: a NUL would make it one that isn't asked about.
        self.stats.is_none()
            && self.options.mode != Mode::FilesWithout
            && (self.options.quiet || self.options.mode == Mode::FilesWith)
    }

    /// Shows a count of lines and of matches.
    pub(in super::super) fn show(&mut self, count: u64, matches: u64) {
        if self.options.quiet {
            return;
        }
        let shown = match self.options.mode {
            Mode::FilesWith | Mode::FilesWithout => {
                if (count > 0) == (self.options.mode == Mode::FilesWith) {
                    color::write(self.out, self.options, Role::Path, self.path);
                    self.out.write(if self.options.null {
                        b"\0"
                    } else {
                        self.terminator.bytes()
                    });
                }
                return;
            }
            Mode::CountMatches => matches,
            _ => count,
        };
        if count == 0 && !self.options.include_zero {
            return;
        }
        if self.options.path {
            color::write(self.out, self.options, Role::Path, self.path);
            self.out.write(if self.options.null { b"\0" } else { b":" });
        }
        self.out.write_decimal(shown);
        self.out.write(self.terminator.bytes());
    }
}

impl Sink for Summary<'_, '_> {
    fn matched(&mut self, found: &Lines<'_>) -> io::Result<bool> {
        let spans = self.matcher.spans_lines();
        let matches = if self.stats.is_none() && !spans {
            1
        } else {
            collect_matches(
                found.buffer,
                &found.range,
                self.matcher,
                self.terminator,
                &mut self.matches,
            );
            self.matches.len().max(1) as u64
        };
        self.count += if spans { matches } else { 1 };
        if let Some(stats) = &mut self.stats {
            stats.matches += matches;
            stats.matched_lines += count_lines(found.bytes(), self.terminator.byte());
        }
        Ok(!self.one_is_enough())
    }

    fn matched_run(&mut self, lines: &Lines<'_>) -> Option<io::Result<u64>> {
        if self.stats.is_some() || self.one_is_enough() {
            return None;
        }
        let count = count_lines(lines.bytes(), self.terminator.byte());
        self.count += count;
        Some(Ok(count))
    }

    fn context(&mut self, _: &Lines<'_>) -> io::Result<bool> {
        Ok(true)
    }

    fn gap(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn binary(&mut self, _: u64) {}

    fn finish(&mut self, bytes_searched: u64, binary: Option<u64>) -> io::Result<()> {
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
        if binary.is_some() && self.binary == Binary::Quit {
            // A file that turned out to be binary is no file with so many matches.
            self.count = 0;
            return Ok(());
        }
        if !self.part {
            let matches = self.stats.as_ref().map_or(0, |stats| stats.matches);
            self.show(self.count, matches);
        }
        Ok(())
    }
}

/// Lines, the last of which may lack its terminator.
fn count_lines(bytes: &[u8], terminator: u8) -> u64 {
    let open = bytes.last().is_some_and(|last| *last != terminator);
    kernel::count(terminator, bytes) + u64::from(open)
}
