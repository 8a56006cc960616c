//! How a needle is looked for: which of its bytes are tested first, and what a search learns on the way.
#![forbid(unsafe_code)]

use super::rank::rank;
use super::two_way::TwoWay;

/// Bytes of the needle that are tested at all positions of a vector together, where many pass the probes.
pub(crate) const WINDOW: usize = 64;
/// Offsets of probes are below this, so that they fit in a byte. A needle whose only rare byte lies behind it is still found in
/// linear time, by Two-Way.
pub(crate) const REACH: usize = 256;

/// What one search, or one iteration over matches, knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Two offsets in the needle whose bytes are tested at every position of the haystack; then two to narrow down with. Of a needle of up to
    /// four bytes they are all offsets.
    pub(crate) probes: [u8; 4],
    /// No new choice of probes before this many groups of positions were looked at in vain.
    pub(crate) patience: u32,
    /// Groups with candidates and no match since probes were last thought about, and the bytes looked at meanwhile. Kept from match to
    /// match: where matches are frequent, no single way to the next one is long enough to judge by.
    pub(crate) in_vain: u32,
    pub(crate) looked: usize,
    /// Whether all four probes are tested at every position: where even the best two are common, as in DNA.
    pub(crate) is_wide: bool,
    /// Whether the needle is one repeated byte, and even all four probes disappointed: measuring runs is slower than probes are in ordinary text.
    pub(crate) by_runs: bool,
    /// Bytes compared in vain, less what progress has paid for.
    pub(crate) spent: usize,
    /// Up to here the haystack is searched by Two-Way.
    pub(crate) until: usize,
    /// The factorisation of the needle, once it was needed.
    pub(crate) two_way: Option<TwoWay>,
}

/// Groups that a first choice of probes may disappoint.
const PATIENCE: u32 = 24;

impl State {
    /// The ends and the middle: good enough where choosing costs more than searching.
    #[inline]
    pub(crate) fn quick(needle: &[u8]) -> Self {
        let last = needle.len().min(WINDOW).saturating_sub(1) as u8;
        let fourth = if last == 3 { 2 } else { last / 4 };
        Self::with([0, last, last / 2, fourth])
    }

    /// The two rarest bytes by the table of ranks, and two more.
    pub(crate) fn ranked(needle: &[u8]) -> Self {
        let mut state = Self::quick(needle);
        let window = &needle[..needle.len().min(REACH)];
        if window.len() <= 2 {
            return state;
        }
        let key = |(i, byte): (usize, &u8)| u16::from(rank(*byte)) << 8 | i as u16;
        let first = window.iter().enumerate().map(key).min().unwrap_or(0) as u8;
        let rarest = window[usize::from(first)];
        let others = window
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte != rarest);
        let second = match others.map(key).min() {
            Some(key) => key as u8,
            None if first == 0 => (window.len() - 1) as u8,
            None => 0,
        };
        state.choose(first, second, window.len());
        state
    }

    /// Takes `first` and `second` as probes, and two of the other offsets below `window` after them.
    pub(crate) fn choose(&mut self, first: u8, second: u8, window: usize) {
        let last = (window - 1) as u8;
        let mut rest = [last, 0, last / 2, last / 4, 1, 2]
            .into_iter()
            .filter(|i| *i != first && *i != second);
        let third = rest.next().unwrap_or(first);
        let fourth = rest.find(|i| *i != third).unwrap_or(second);
        self.probes = [first.min(second), first.max(second), third, fourth];
    }

    #[inline(always)]
    pub(crate) const fn with(probes: [u8; 4]) -> Self {
        Self {
            probes,
            patience: PATIENCE,
            in_vain: 0,
            looked: 0,
            is_wide: false,
            by_runs: false,
            spent: 0,
            until: 0,
            two_way: None,
        }
    }
}
