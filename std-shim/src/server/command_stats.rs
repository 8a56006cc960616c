//! What each command did: calls, time, refusals (`INFO commandstats`, and the metrics endpoint).
//!
//! Time is from the end of the request before, so it includes the parsing; it costs one look at the clock for each request, which
//! the bound on turns needs anyway.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// Upper bounds of the histogram's buckets in microseconds: powers of two from 1 to about a second; above is one more.
pub(crate) const BUCKETS: usize = 21;
/// Kinds of errors that are told apart.
const ERROR_CODES_MAX: usize = 64;

/// What one command did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    pub(crate) ns: u64,
    /// Refused before it ran: wrong arity, not allowed now.
    pub(crate) rejected: u64,
    /// Ran and answered with an error.
    pub(crate) failed: u64,
}

/// What all commands did. See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    /// By place in the dispatch table.
    by_command: Vec<CommandStats>,
    /// Requests by duration.
    pub(crate) histogram: [u64; BUCKETS],
    /// Time of all requests, in nanoseconds.
    pub(crate) ns: u64,
    errors: BTreeMap<Box<str>, u64>,
}

impl Statistics {
    /// For so many commands.
    pub(crate) fn new(commands: usize) -> Self {
        Self {
            by_command: vec![CommandStats::default(); commands],
            ..Self::default()
        }
    }

    /// Counts from zero again.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.by_command.len());
    }

    pub(crate) fn of(&mut self, command: usize) -> Option<&mut CommandStats> {
        self.by_command.get_mut(command)
    }

    pub(crate) fn get(&self, command: usize) -> CommandStats {
        self.by_command.get(command).copied().unwrap_or_default()
    }

    /// Notes that a request for `command` took `ns` nanoseconds.
    pub(crate) fn took(&mut self, command: usize, ns: u64) {
        if let Some(stats) = self.by_command.get_mut(command) {
            stats.calls += 1;
            stats.ns += ns;
        }
        self.ns += ns;
        let us = ns / 1000;
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        if let Some(count) = self.histogram.get_mut(bucket.min(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// Counts an error reply by its code.
    pub(crate) fn error(&mut self, text: &[u8]) {
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let code = core::str::from_utf8(code).unwrap_or("ERR");
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.into(), 1);
        }
    }

    pub(crate) fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.errors.iter().map(|(code, count)| (&**code, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_below_whose_bound_they_are() {
        let mut statistics = Statistics::new(1);
        for us in [0, 1, 2, 3, 4, 1 << 30] {
            statistics.took(0, us * 1000);
        }
        // Below 1, 2, 4, 8 microseconds, and everything over the last bound.
        assert_eq!(statistics.histogram[..4], [1, 1, 2, 1]);
        assert_eq!(statistics.histogram[BUCKETS - 1], 1);
        assert_eq!(statistics.get(0).calls, 6);
    }
}
