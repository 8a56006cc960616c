//! Figures about a search.

use std::time::Duration;

/// Sums over searches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Time spent in searches, over all threads.
    pub elapsed: Duration,
    /// Inputs searched.
    pub searches: u64,
    /// Of those, with a match.
    pub searches_with_match: u64,
    /// Bytes searched.
    pub bytes_searched: u64,
    /// Bytes written.
    pub bytes_printed: u64,
    /// Lines with a match.
    pub matched_lines: u64,
    /// Matches.
    pub matches: u64,
}

impl Stats {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.elapsed += other.elapsed;
        self.searches += other.searches;
        self.searches_with_match += other.searches_with_match;
        self.bytes_searched += other.bytes_searched;
        self.bytes_printed += other.bytes_printed;
        self.matched_lines += other.matched_lines;
        self.matches += other.matches;
    }

    /// A search is over.
    pub(super) fn finish(
        &mut self,
        elapsed: Duration,
        has_match: bool,
        searched: u64,
        printed: u64,
    ) {
        self.elapsed += elapsed;
        self.searches += 1;
        self.searches_with_match += u64::from(has_match);
        self.bytes_searched += searched;
        self.bytes_printed += printed;
    }

    /// The text that `--stats` ends with.
    pub fn text(&self, total: Duration) -> String {
        format!(
            "\n{} matches\n{} matched lines\n{} files contained matches\n{} files searched\n{} bytes printed\n\
             {} bytes searched\n{:0.6} seconds spent searching\n{:0.6} seconds total\n",
            self.matches,
            self.matched_lines,
            self.searches_with_match,
            self.searches,
            self.bytes_printed,
            self.bytes_searched,
            self.elapsed.as_secs_f64(),
            total.as_secs_f64()
        )
    }
}
