//! From lines that were found to bytes on a stream: text, summaries and JSON, byte for byte as ripgrep writes them.

mod color;
mod json;
mod out;
mod replace;
mod standard;
mod stats;
mod summary;

pub(super) use color::write_path;
pub use color::{ColorError, Colors};
pub(super) use json::{Json, write_summary};
pub(super) use out::Out;
pub(super) use standard::Standard;
pub use stats::Stats;
pub(super) use summary::Summary;

use super::matcher::Matcher;
use super::search::{LineTerminator, lines};
use std::ops::Range;

/// What is shown of what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The lines.
    #[default]
    Standard,
    /// How many lines.
    Count,
    /// How many matches.
    CountMatches,
    /// Paths of files with a match.
    FilesWith,
    /// Paths of files without one.
    FilesWithout,
    /// Every line as a JSON object.
    Json,
}

/// How lines are shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrintOptions {
    /// What is shown.
    pub mode: Mode,
    /// Nothing is shown; only whether there is a match counts.
    pub quiet: bool,
    /// Colours, if there are to be any.
    pub colors: Option<Colors>,
    /// The path before each line, or above them.
    pub path: bool,
    /// The path above a file's lines.
    pub heading: bool,
    /// The column of a line's first match.
    pub column: bool,
    /// The offset in the file.
    pub byte_offset: bool,
    /// Matches instead of lines.
    pub only_matching: bool,
    /// A line for each match, the whole of it.
    pub per_match: bool,
    /// What each match is replaced by, with `$1` and `$name`.
    pub replacement: Option<Vec<u8>>,
    /// A NUL after paths.
    pub null: bool,
    /// Cut white space off the start of lines.
    pub trim: bool,
    /// Longer lines are left out, in bytes.
    pub columns_max: Option<u64>,
    /// As many characters of those as there may be bytes are shown.
    pub columns_preview: bool,
    /// What stands between the names in paths; `None` for what the system has.
    pub path_separator: Option<u8>,
    /// Figures at the end.
    pub stats: bool,
    /// Counts of zero as well.
    pub include_zero: bool,
    /// Between a path or number and what follows, where the line is chosen.
    pub separator: Vec<u8>,
    /// The same in context.
    pub context_separator_field: Vec<u8>,
    /// Between runs of lines; `None` for nothing.
    pub gap: Option<Vec<u8>>,
    /// Each line goes to the output as soon as it is its turn; else many at once.
    pub line_buffered: bool,
}

impl Default for PrintOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Standard,
            quiet: false,
            colors: None,
            path: false,
            heading: false,
            column: false,
            byte_offset: false,
            only_matching: false,
            per_match: false,
            replacement: None,
            null: false,
            trim: false,
            columns_max: None,
            columns_preview: false,
            path_separator: None,
            stats: false,
            include_zero: false,
            separator: b":".to_vec(),
            context_separator_field: b"-".to_vec(),
            gap: Some(b"--".to_vec()),
            line_buffered: false,
        }
    }
}

/// How far a pattern may look beyond the lines of its match.
const LOOK_AHEAD_BYTES: usize = 128;

/// The haystack in which the matches of the lines at `range` are found again.
fn haystack<'b>(
    buffer: &'b [u8],
    range: &Range<usize>,
    matcher: &Matcher,
    terminator: LineTerminator,
) -> (&'b [u8], &'b [u8]) {
    if matcher.spans_lines() {
        let end = (range.end + LOOK_AHEAD_BYTES).min(buffer.len());
        return (buffer.get(..end).unwrap_or_default(), &[]);
    }
    let head = buffer.get(..range.end).unwrap_or_default();
    let bare = if range.is_empty() {
        head
    } else {
        terminator.bare(head)
    };
    (bare, head.get(bare.len()..).unwrap_or_default())
}

/// Collects where in the lines at `range` the matches are, counted from its start.
fn collect_matches(
    buffer: &[u8],
    range: &Range<usize>,
    matcher: &Matcher,
    terminator: LineTerminator,
    into: &mut Vec<Range<usize>>,
) {
    into.clear();
    let (hay, _) = haystack(buffer, range, matcher, terminator);
    matcher.each_match(hay, range.start, |found| {
        if found.start >= range.end {
            return false;
        }
        into.push(found.start - range.start..found.end - range.start);
        true
    });
}
