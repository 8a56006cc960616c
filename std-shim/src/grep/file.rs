//! Searching one file: as a whole, or, if it is large, in parts by many threads.
//!
//! A file is searched in parts if it was named (then a NUL counts only at its start and in lines that are found) or is
//! certainly text, if no line depends on those before it (context, a limit, matches over lines), and if it is large.

use super::matcher::Matcher;
use super::order::{Key, Lead, Output, Prelude};
use super::preprocess::no_flag;
use super::print::{self, Json, Mode, Out, Standard, Stats, Summary};
use super::run::Shared;
use super::search::chunk::{self, CHUNK_BYTES};
use super::search::{Binary, Input, Reach, Searcher, has_mark};
use super::sync::{lock, wait};
use super::target::{Files, Target};
use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// From this size on a file is searched in parts.
const BIG_FILE_BYTES: u64 = 1 << 20;

/// How much of a file says whether it is binary.
const HEAD_BYTES: usize = 64 << 10;

/// Memory for parts that is kept from one to the next: files that are no text have lines of megabytes.
const CHUNK_KEPT_BYTES_MAX: usize = 32 * CHUNK_BYTES;

/// A file that is searched in parts.
#[derive(Debug)]
pub(super) struct BigFile {
    file: File,
    path: PathBuf,
    binary: Binary,
    bytes: u64,
    parts: u32,
    left: AtomicU32,
    /// Nothing more is wanted of it.
    over: AtomicBool,
    /// Some part could not be searched.
    failed: AtomicBool,
    prelude: Arc<Prelude>,
    reach: Reach,
    lines: Mutex<LineCounts>,
    counted: Condvar,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    count: u64,
    stats: Stats,
}

/// How many lines the parts have, as far as is known, and the sum over the first ones.
#[derive(Debug, Default)]
struct LineCounts {
    known: std::collections::BTreeMap<u32, u64>,
    next: u32,
    /// By part: the lines before it.
    before: Vec<u64>,
}

impl BigFile {
    /// The part after `index`.
    pub(super) fn next_part(&self, index: u32) -> Option<u32> {
        (index + 1 < self.parts).then_some(index + 1)
    }

    /// A part is over; whether it was the last to be.
    pub(super) fn part_is_over(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Part `index` has so many lines; how many are before it.
    ///
    /// The parts before it were all begun earlier and wait for none that comes later, so this ends.
    fn lines_before(&self, index: u32, lines: u64) -> u64 {
        let mut counts = self.count_lines(index, lines);
        loop {
            if let Some(before) = counts.before.get(index as usize) {
                return *before;
            }
            counts = wait(&self.counted, counts);
        }
    }

    fn count_lines(&self, index: u32, lines: u64) -> MutexGuard<'_, LineCounts> {
        let mut counts = lock(&self.lines);
        counts.known.insert(index, lines);
        if counts.before.is_empty() {
            counts.before.push(0);
        }
        loop {
            let next = counts.next;
            let Some(lines) = counts.known.remove(&next) else {
                break;
            };
            let sum = counts.before.last().copied().unwrap_or(0) + lines;
            counts.before.push(sum);
            counts.next += 1;
        }
        self.counted.notify_all();
        counts
    }
}

/// Whoever waits for the lines of a part is let go on also if who searches it panics.
struct CountOnPanic<'f>(&'f BigFile, u32);

impl Drop for CountOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.0.count_lines(self.1, 0));
        }
    }
}

/// What a search of one input must know of it.
struct Place<'p> {
    key: &'p Key,
    path: &'p [u8],
    binary: Binary,
}

/// A thread's memory.
#[derive(Debug)]
pub(super) struct Scratch {
    searcher: Searcher,
    chunk: Vec<u8>,
    path: OsString,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            searcher: Searcher::new(),
            chunk: Vec::new(),
            path: OsString::new(),
        }
    }

    /// Searches `target`, or says that it should be searched in parts.
    pub(super) fn search(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        key: &Key,
        target: &Target,
        output: &mut Output,
    ) -> io::Result<Option<Arc<BigFile>>> {
        let mut scratch = std::mem::take(&mut self.path);
        let path = target.path(&mut scratch);
        let searched = self.search_at(shared, matcher, key, target, path, output);
        self.path = scratch;
        searched
    }

    fn search_at(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        key: &Key,
        target: &Target,
        path: &Path,
        output: &mut Output,
    ) -> io::Result<Option<Arc<BigFile>>> {
        let options = shared.options;
        let shown = shown(shared, path);
        let place = Place {
            key,
            path: &shown,
            binary: if target.is_named() {
                options.binary_named
            } else {
                options.binary
            },
        };
        if matches!(target, Target::Stdin) {
            let stdin = io::stdin().lock();
            self.whole(shared, matcher, &place, Input::Stream(stdin), output)?;
            return Ok(None);
        }
        let preprocessor = options.preprocessor.as_ref();
        let preprocessor = preprocessor.filter(|preprocessor| preprocessor.wants(path));
        let programs = shared.decompression.as_ref();
        let programs = programs.filter(|programs| programs.get_matcher().has_command(path));
        // A program would be given what it makes us write.
        if (preprocessor.is_some() || programs.is_some())
            && shared.is_stdout(target, || std::fs::metadata(path))?
        {
            return Ok(None);
        }
        if let Some(preprocessor) = preprocessor {
            let mut text = preprocessor.start(path)?;
            let failed = |error| preprocessor.failed(error);
            let searched = self
                .whole(shared, matcher, &place, Input::Stream(&mut text), output)
                .map_err(failed);
            text.close().map_err(failed)?;
            return searched.map(|()| None);
        }
        if let Some(programs) = programs {
            let mut text = programs.build(no_flag(path))?;
            let searched = self.whole(shared, matcher, &place, Input::Stream(&mut text), output);
            text.close()?;
            return searched.map(|()| None);
        }
        let file = target.open(path)?;
        if !target.is_regular() {
            self.whole(shared, matcher, &place, Input::Stream(file), output)?;
            return Ok(None);
        }
        if shared.is_stdout(target, || file.metadata())? {
            return Ok(None);
        }
        if options.search.encoding.is_some() {
            self.whole(shared, matcher, &place, Input::Stream(file), output)?;
            return Ok(None);
        }
        let input = if shared.sliced {
            let bytes = file.metadata()?.len();
            // Whether a NUL ends the search is a question to the whole file.
            let splits = place.binary != Binary::Quit && splits(shared, matcher);
            if bytes >= BIG_FILE_BYTES && splits {
                self.chunk.resize(self.chunk.len().max(HEAD_BYTES), 0);
                let head = self.chunk.get_mut(..HEAD_BYTES).unwrap_or_default();
                let have = crate::sys::read_at(&file, head, 0)?;
                if is_plain(shared, head.get(..have).unwrap_or_default(), place.binary) {
                    return Ok(Some(big_file(shared, path, file, place.binary, bytes)));
                }
                // Where the system has one place for all reads, it was moved.
                (&file).rewind()?;
            }
            if bytes > 0 {
                Input::Sliced(file)
            } else {
                // It may have no length, as the files that the system makes up.
                Input::Stream(file)
            }
        } else if self.searcher.read_head(&file)? {
            Input::InHead
        } else {
            if place.binary == Binary::Text
                && splits(shared, matcher)
                && is_plain(shared, self.searcher.head(), place.binary)
            {
                let bytes = file.metadata()?.len();
                if bytes >= BIG_FILE_BYTES {
                    return Ok(Some(big_file(shared, path, file, place.binary, bytes)));
                }
            }
            Input::BehindHead(file)
        };
        self.whole(shared, matcher, &place, input, output)?;
        Ok(None)
    }

    fn whole(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        place: &Place<'_>,
        input: Input<impl io::Read>,
        output: &mut Output,
    ) -> io::Result<()> {
        let options = shared.options;
        let (print, search) = (&options.print, &options.search);
        let Place { key, path, binary } = *place;
        let separator = separator(shared);
        let had_output = !output.bytes.is_empty() || matches!(output.lead, Lead::None);
        let lead = separator.filter(|_| had_output);
        let buffer = std::mem::take(&mut output.bytes);
        let terminator = search.line_terminator;
        let mut drain = |buffer: &mut Vec<u8>| {
            std::mem::swap(&mut output.bytes, buffer);
            let passed = shared.queue.pass(key, output);
            std::mem::swap(&mut output.bytes, buffer);
            passed
        };
        let mut out = Out::new(buffer, Some(&mut drain));
        let bare = std::cell::Cell::new(false);
        let sink_all =
            |matcher: &Matcher, out: &mut Out<'_>| -> io::Result<(bool, Option<Stats>)> {
                let searcher = &mut self.searcher;
                if print.quiet || !matches!(print.mode, Mode::Standard | Mode::Json) {
                    let mut sink = Summary::new(print, matcher, out, path, binary, terminator);
                    searcher.search(matcher, search, binary, input, &mut sink)?;
                    let stats = if print.stats { sink.stats.take() } else { None };
                    return Ok((sink.has_match(), stats));
                }
                if print.mode == Mode::Json {
                    let mut sink =
                        Json::new(print, matcher, out, path, binary, terminator, search.invert);
                    searcher.search(matcher, search, binary, input, &mut sink)?;
                    return Ok((sink.count > 0, Some(sink.stats)));
                }
                let mut sink =
                    Standard::new(print, matcher, out, path, binary, terminator, search.invert)
                        .before_first(lead);
                searcher.search(matcher, search, binary, input, &mut sink)?;
                bare.set(!sink.began);
                Ok((sink.count > 0, sink.stats.take()))
            };
        let result = sink_all(matcher, &mut out);
        let buffer = std::mem::take(&mut out.buffer);
        output.bytes = buffer;
        output.bare |= bare.get() && !had_output && !output.bytes.is_empty();
        let (has_match, stats) = result?;
        if let Some(stats) = stats {
            lock(&shared.stats).add(&stats);
        }
        if has_match {
            shared.found();
        }
        Ok(())
    }

    /// Searches part `index` of `file`.
    pub(super) fn part(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        key: &Key,
        file: &BigFile,
        index: u32,
    ) -> Output {
        let mut output = Output {
            lead: Lead::Part(Arc::clone(&file.prelude)),
            ..Output::default()
        };
        let _guard = CountOnPanic(file, index);
        if let Err(error) = self.search_part(shared, matcher, key, file, index, &mut output)
            && error.kind() != io::ErrorKind::Interrupted
        {
            file.failed.store(true, Ordering::Relaxed);
            file.over.store(true, Ordering::Relaxed);
            // Others may have searched what is behind, without its number of lines.
            output.ends_file = true;
            shared.fail(&file.path, &error);
        }
        if self.chunk.len() > CHUNK_KEPT_BYTES_MAX {
            self.chunk = Vec::new();
        }
        output
    }

    fn search_part(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        key: &Key,
        file: &BigFile,
        index: u32,
        output: &mut Output,
    ) -> io::Result<()> {
        let options = shared.options;
        let (print, search) = (&options.print, &options.search);
        let terminator = search.line_terminator;
        let chunk = if file.over.load(Ordering::Relaxed) {
            Ok(chunk::Chunk {
                lines: &[],
                offset: 0,
            })
        } else {
            chunk::read(&file.file, index, search, &file.reach, &mut self.chunk)
        };
        let mut first_line = 1;
        if search.line_numbers {
            // Those that come later wait for this number, also if the part can't be read.
            let lines = chunk.as_ref().map_or(0, |chunk| {
                super::kernel::count(terminator.byte(), chunk.lines)
            });
            first_line += file.lines_before(index, lines);
        }
        let chunk = chunk?;
        let path = &*shown(shared, &file.path);
        let at = chunk::Place {
            offset: chunk.offset,
            line: first_line,
        };
        let (mut ends_file, mut bare) = (false, false);
        let mut drain = |buffer: &mut Vec<u8>| {
            std::mem::swap(&mut output.bytes, buffer);
            let passed = shared.queue.pass(key, output);
            std::mem::swap(&mut output.bytes, buffer);
            passed
        };
        let mut out = Out::new(Vec::new(), Some(&mut drain));
        let (count, stats) = if print.quiet || print.mode != Mode::Standard {
            let mut sink =
                Summary::new(print, matcher, &mut out, path, file.binary, terminator).of_part();
            chunk::search(matcher, search, file.binary, chunk.lines, at, &mut sink)?;
            if print.mode == Mode::FilesWith || (print.quiet && !print.stats) {
                file.over.fetch_or(sink.count > 0, Ordering::Relaxed);
            }
            (sink.count, sink.stats.take())
        } else {
            let mut sink = Standard::new(
                print,
                matcher,
                &mut out,
                path,
                file.binary,
                terminator,
                search.invert,
            )
            .without_heading();
            let binary = chunk::search(matcher, search, file.binary, chunk.lines, at, &mut sink)?;
            ends_file = binary.is_some() && sink.count > 0;
            bare = !sink.began;
            (sink.count, sink.stats.take())
        };
        let buffer = std::mem::take(&mut out.buffer);
        output.bytes = buffer;
        output.ends_file = ends_file;
        output.bare = bare && !output.bytes.is_empty();
        let mut sums = lock(&file.sums);
        sums.count += count;
        if let Some(stats) = stats {
            sums.stats.add(&stats);
        }
        Ok(())
    }

    /// All parts of `file` are over.
    pub(super) fn close(
        &mut self,
        shared: &Shared<'_, '_>,
        matcher: &Matcher,
        file: &BigFile,
    ) -> Output {
        let print = &shared.options.print;
        let mut sums = lock(&file.sums);
        let mut output = Output {
            lead: Lead::File,
            ..Output::default()
        };
        if file.failed.load(Ordering::Relaxed) {
            return output;
        }
        let has_match = if print.quiet || print.mode != Mode::Standard {
            let mut out = Out::new(Vec::new(), None);
            let path = &*shown(shared, &file.path);
            let terminator = shared.options.search.line_terminator;
            let mut sink = Summary::new(print, matcher, &mut out, path, file.binary, terminator);
            sink.show(sums.count, sums.stats.matches);
            sink.count = sums.count;
            let has_match = sink.has_match();
            sums.stats.bytes_printed = out.written();
            output.bytes = out.buffer;
            has_match
        } else {
            sums.count > 0
        };
        if print.stats {
            sums.stats.searches = 1;
            sums.stats.searches_with_match = u64::from(sums.count > 0);
            sums.stats.bytes_searched = file.bytes;
            lock(&shared.stats).add(&sums.stats);
        }
        if has_match {
            shared.found();
        }
        output
    }

    /// Shows paths.
    pub(super) fn list(&mut self, shared: &Shared<'_, '_>, files: Files, output: &mut Output) {
        let mut out = Out::new(Vec::new(), None);
        for target in files {
            if !shared.options.print.quiet {
                print::write_path(
                    &mut out,
                    &shared.options.print,
                    &shown(shared, target.path(&mut self.path)),
                );
            }
            shared.searched.store(true, Ordering::Relaxed);
            shared.matched.store(true, Ordering::Relaxed);
            if shared.options.print.quiet {
                shared.queue.stop();
                break;
            }
        }
        output.bytes = out.buffer;
    }
}

/// `path` as it is shown.
fn shown<'p>(shared: &Shared<'_, '_>, path: &'p Path) -> Cow<'p, [u8]> {
    let bytes = crate::sys::path_bytes(path);
    let print = &shared.options.print;
    match print.path_separator {
        // Programs read JSON.
        Some(separator) if print.mode != Mode::Json => {
            let other = |byte: &u8| {
                if std::path::is_separator(char::from(*byte)) {
                    separator
                } else {
                    *byte
                }
            };
            Cow::Owned(bytes.iter().map(other).collect())
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Whether no line depends on those before it.
fn splits(shared: &Shared<'_, '_>, matcher: &Matcher) -> bool {
    let search = &shared.options.search;
    search.before == 0
        && search.after == 0
        && !search.passthru
        && search.count_max.is_none()
        && !search.stop_on_nonmatch
        && !matcher.spans_lines()
        && shared.options.print.mode != Mode::Json
}

/// Whether a file that begins so is searched as it is.
fn is_plain(shared: &Shared<'_, '_>, head: &[u8], binary: Binary) -> bool {
    let marked = shared.options.search.sniff_bom && has_mark(head);
    let is_binary = binary != Binary::Text && super::kernel::find(0, head).is_some();
    !marked && !is_binary
}

/// What is on a line of its own between files.
fn separator<'s>(shared: &'s Shared<'_, '_>) -> Option<&'s [u8]> {
    let options = shared.options;
    if options.print.heading {
        Some(b"")
    } else if options.search.before > 0 || options.search.after > 0 {
        options.print.gap.as_deref()
    } else {
        None
    }
}

fn big_file(
    shared: &Shared<'_, '_>,
    path: &Path,
    file: File,
    binary: Binary,
    bytes: u64,
) -> Arc<BigFile> {
    let print = &shared.options.print;
    let mut heading = Vec::new();
    if print.heading && print.path && print.mode == Mode::Standard {
        let mut out = Out::new(Vec::new(), None);
        print::write_path(&mut out, print, &shown(shared, path));
        heading = out.buffer;
    }
    let parts = u32::try_from(bytes.div_ceil(CHUNK_BYTES as u64)).unwrap_or(u32::MAX - 1);
    Arc::new(BigFile {
        file,
        path: path.to_path_buf(),
        binary,
        bytes,
        parts,
        left: AtomicU32::new(parts),
        over: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        prelude: Arc::new(Prelude::new(heading)),
        reach: Reach::default(),
        lines: Mutex::default(),
        counted: Condvar::new(),
        sums: Mutex::default(),
    })
}
