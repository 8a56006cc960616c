//! A whole search: from paths to ordered output.

use super::crew;
use super::matcher::Matcher;
use super::order::{Key, Output, Queue};
use super::preprocess::Preprocessor;
use super::print::{self, Mode, Out, PrintOptions, Stats};
use super::search::{Binary, SearchOptions};
use super::sync::lock;
use super::target::{Files, Handles, Target};
use super::walk::{Walk, WalkOptions};
use super::work::{Work, Worker};
use grep_cli::DecompressionReaderBuilder;
use std::fs::Metadata;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// In what order files are searched and shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By path, which costs nothing: it is the order of the output anyway.
    #[default]
    Path,
    /// By the time of the last change.
    Modified,
    /// By the time of the last access.
    Accessed,
    /// By the time of creation.
    Created,
}

/// What is searched, how, and what is shown.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GrepOptions {
    /// How lines are chosen.
    pub search: SearchOptions,
    /// How they are shown.
    pub print: PrintOptions,
    /// Which files.
    pub walk: WalkOptions,
    /// What a NUL means in a file that was found.
    pub binary: Binary,
    /// What a NUL means in a file that was named.
    pub binary_named: Binary,
    /// Show the paths of the files that would be searched.
    pub list_files: bool,
    /// Search what this program makes of files.
    pub preprocessor: Option<Preprocessor>,
    /// Search what is in files that are compressed, by their names, if the machine has the programs that say it.
    pub compressed: bool,
    /// The order of files.
    pub sort: Sort,
    /// The other way round.
    pub sort_reversed: bool,
    /// Threads; 0 for one a processor.
    pub threads: usize,
    /// The roots are not the user's words: their `./` is not shown.
    pub implicit_roots: bool,
}

/// How a search ended.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Something was found.
    pub matched: bool,
    /// Something went wrong with some file.
    pub failed: bool,
    /// At least one file was searched.
    pub searched: bool,
}

/// How much of a list of paths is written at once.
const LIST_BYTES: usize = 32 << 10;

/// With more roots, files are searched as those of a tree are.
const SLICED_ROOTS_MAX: usize = 10;

/// What all threads share.
pub(super) struct Shared<'r, 'o> {
    pub(super) options: &'r GrepOptions,
    pub(super) walk: Walk,
    pub(super) queue: Queue<'o, Work>,
    pub(super) matched: AtomicBool,
    pub(super) searched: AtomicBool,
    pub(super) failed: AtomicBool,
    pub(super) stats: Mutex<Stats>,
    pub(super) stdout: Option<(u64, u64)>,
    pub(super) stdin_taken: AtomicBool,
    pub(super) decompression: Option<DecompressionReaderBuilder>,
    pub(super) handles: Arc<Handles>,
    /// All roots are regular files, and few: a NUL counts in what is found of them.
    pub(super) sliced: bool,
    complain: &'r (dyn Fn(&str) + Sync),
}

impl Shared<'_, '_> {
    /// Says what went wrong; the search goes on.
    pub(super) fn fail(&self, path: &Path, error: &dyn std::fmt::Display) {
        self.failed.store(true, Ordering::Relaxed);
        (self.complain)(&format!("{}: {error}", path.display()));
    }

    /// Whether a file that the walk found is the one that the output goes to.
    pub(super) fn is_stdout(
        &self,
        target: &Target,
        metadata: impl FnOnce() -> io::Result<Metadata>,
    ) -> io::Result<bool> {
        Ok(!target.is_named()
            && self.stdout.is_some()
            && crate::sys::file_identity(&metadata()?) == self.stdout)
    }

    /// Whether all files are found before the first is searched.
    pub(super) fn walks_first(&self) -> bool {
        self.options.sort != Sort::Path || self.options.sort_reversed
    }

    /// Says something that is no failure.
    pub(super) fn remark(&self, message: &str) {
        (self.complain)(message);
    }

    /// Something was found; with `quiet`, that is all.
    pub(super) fn found(&self) {
        self.matched.store(true, Ordering::Relaxed);
        let print = &self.options.print;
        if print.quiet && !print.stats {
            self.queue.stop();
        }
    }
}

/// Searches `roots` for `matcher` and writes to `out`; what goes wrong with a file goes to `complain`.
///
/// The root `-` is the standard input.
///
/// # Errors
///
/// What `out` says; everything else is said to `complain` and in the [`Outcome`].
pub fn run(
    matcher: &Matcher,
    options: &GrepOptions,
    roots: &[PathBuf],
    out: &mut (dyn Write + Send),
    complain: &(dyn Fn(&str) + Sync),
) -> io::Result<Outcome> {
    let started = Instant::now();
    let mut gathered;
    // Paths are found faster than they are worth a call of the system each.
    let out: &mut (dyn Write + Send) = if options.list_files && !options.print.line_buffered {
        gathered = BufWriter::with_capacity(LIST_BYTES, out);
        &mut gathered
    } else {
        out
    };
    let print = &options.print;
    let separates = print.mode == Mode::Standard && !print.quiet && !options.list_files;
    let separator = if !separates {
        None
    } else if print.heading {
        Some(Vec::new())
    } else if options.search.before > 0 || options.search.after > 0 {
        print.gap.clone()
    } else {
        None
    };
    let separator = separator.map(|mut line: Vec<u8>| {
        line.extend_from_slice(options.search.line_terminator.bytes());
        line
    });
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let shared = Shared {
        options,
        walk: Walk::new(options.walk.clone(), complain),
        queue: Queue::new(&mut *out, separator, threads),
        matched: AtomicBool::new(false),
        searched: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        stats: Mutex::new(Stats::default()),
        stdout: if options.list_files {
            None
        } else {
            crate::sys::stdout_identity()
        },
        stdin_taken: AtomicBool::new(false),
        decompression: options.compressed.then(DecompressionReaderBuilder::new),
        handles: Arc::new(Handles::new()),
        sliced: roots.len() <= SLICED_ROOTS_MAX
            && options.search.encoding.is_none()
            && roots.iter().all(|root| root.is_file()),
        complain,
    };
    for (work, index) in roots.iter().zip(0..) {
        shared.queue.push(vec![index], Work::Root(work.clone()));
    }
    if shared.walks_first() {
        sort(&shared, matcher);
    }
    crew::work(&shared, matcher, threads);
    let outcome = Outcome {
        matched: shared.matched.into_inner(),
        failed: shared.failed.into_inner(),
        searched: shared.searched.into_inner(),
    };
    let stats = lock(&shared.stats).clone();
    if let Some(error) = shared.queue.into_error() {
        return Err(error);
    }
    if print.stats && !options.list_files {
        if print.mode == Mode::Json {
            let mut summary = Out::new(Vec::new(), None);
            print::write_summary(&mut summary, &stats, started.elapsed());
            out.write_all(&summary.buffer)?;
        } else {
            out.write_all(stats.text(started.elapsed()).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(outcome)
}

/// Walks first, and puts the files back in another order.
fn sort(shared: &Shared<'_, '_>, matcher: &Matcher) {
    let mut files: Vec<Target> = Vec::new();
    let mut worker = Worker::new(shared, matcher.clone());
    while let Some((key, work)) = shared.queue.take() {
        worker.expand(&key, work, &mut files);
        shared.queue.finish(&key, Output::default());
    }
    let time = |target: &Target| {
        let metadata = target.path_buf().metadata().ok()?;
        match shared.options.sort {
            Sort::Path => None,
            Sort::Modified => metadata.modified().ok(),
            Sort::Accessed => metadata.accessed().ok(),
            Sort::Created => metadata.created().ok(),
        }
    };
    if shared.options.sort == Sort::Path {
        files.sort_by_cached_key(|target| std::cmp::Reverse(target.path_buf()));
    } else {
        let mut timed: Vec<_> = files
            .into_iter()
            .map(|target| (time(&target), target))
            .collect();
        timed.sort_by(|a, b| {
            let order = a.0.cmp(&b.0);
            // Those without a time come last.
            let order = if a.0.is_some() == b.0.is_some() {
                order
            } else {
                order.reverse()
            };
            if shared.options.sort_reversed {
                order.reverse()
            } else {
                order
            }
        });
        files = timed.into_iter().map(|(_, target)| target).collect();
    }
    shared.queue.push_all(
        files
            .into_iter()
            .zip(0u32..)
            .map(|(target, index)| -> (Key, Work) {
                (vec![index], Work::Files(Files::One(Some(target))))
            }),
    );
}
