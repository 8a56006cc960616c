//! A prepared needle.
#![allow(
    unsafe_code,
    reason = "calls of kernels for the level that was asked for"
)]

use super::iter::{FindIter, FindRevIter};
use super::plan::State;
use super::{
    Hits, RUN, find_first, find_small, is_small, long_run, rfind_small, scan_all, scan_last,
};
use crate::search::byte::kernel::REACH_MAX;
use crate::search::detect::{self, Level};
use crate::search::{memchr, memrchr};
use core::fmt;

/// The needle, borrowed or owned.
#[derive(Clone)]
pub(in crate::search) enum Needle<'n> {
    Borrowed(&'n [u8]),
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<[u8]>),
}

impl Needle<'_> {
    #[inline(always)]
    pub(in crate::search) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            #[cfg(feature = "alloc")]
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Which engine a needle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Byte(u8),
    Run,
    Probes,
}

/// A needle, prepared: reuse it for many haystacks, from several threads if you like.
///
/// Searching takes time linear in the haystack for every needle, and constant memory.
///
/// ```
/// use underpin_core::search::memmem::Finder;
/// let finder = Finder::new("fox");
/// assert_eq!(finder.find(b"the quick brown fox"), Some(16));
/// assert_eq!(finder.find(b"the lazy dog"), None);
/// assert_eq!(finder.find_iter(b"fox, fox").collect::<Vec<_>>(), [0, 5]);
/// ```
#[derive(Clone)]
pub struct Finder<'n> {
    needle: Needle<'n>,
    kind: Kind,
    probes: [u8; 4],
    level: Level,
    small: find_small::Kernel,
    first: find_first::Kernel,
    all: scan_all::Kernel,
}

impl<'n> Finder<'n> {
    /// Prepares `needle`: time linear in the needle's first 256 bytes, or in all of it if they are one byte repeated.
    #[inline]
    pub fn new<B: ?Sized + AsRef<[u8]>>(needle: &'n B) -> Self {
        Self::with_level(detect::level(), needle.as_ref())
    }

    /// Prepares `needle` for a level of one's own choice; `None` if this machine does not have it. For tests and for measuring.
    pub fn for_level(level: Level, needle: &'n [u8]) -> Option<Self> {
        level
            .is_available()
            .then(|| Self::with_level(level, needle))
    }

    fn with_level(level: Level, needle: &'n [u8]) -> Self {
        Self {
            kind: kind(needle),
            probes: State::ranked(needle).probes,
            needle: Needle::Borrowed(needle),
            level,
            small: find_small::select(level),
            first: find_first::select(level),
            all: scan_all::select(level),
        }
    }

    /// The needle.
    #[inline]
    pub fn needle(&self) -> &[u8] {
        self.needle.bytes()
    }

    /// Where the first match starts. An empty needle matches at 0.
    #[inline]
    #[must_use]
    pub fn find(&self, haystack: &[u8]) -> Option<usize> {
        let needle = self.needle.bytes();
        match self.kind {
            // SAFETY: the level was available; the needle has two bytes at least and the probes are its own.
            Kind::Probes => unsafe {
                if is_small(needle, haystack) {
                    (self.small)(needle, self.probes, haystack)
                } else {
                    (self.first)(needle, self.probes, haystack)
                }
            },
            Kind::Empty => Some(0),
            Kind::Byte(byte) => memchr(byte, haystack),
            Kind::Run => self.run_from(haystack, 0),
        }
    }

    /// Where the last match starts. An empty needle matches at the haystack's end.
    #[inline]
    #[must_use]
    pub fn rfind(&self, haystack: &[u8]) -> Option<usize> {
        match self.kind {
            Kind::Empty => Some(haystack.len()),
            Kind::Byte(byte) => memrchr(byte, haystack),
            Kind::Run | Kind::Probes => {
                let needle = self.needle.bytes();
                if is_small(needle, haystack) {
                    let kernel = rfind_small::select(self.level);
                    // SAFETY: the level was available; the needle has two bytes at least and the probes are its own.
                    return unsafe { kernel(needle, self.probes, haystack) };
                }
                let mut hits = Hits::new();
                self.list_back(&mut self.state(), haystack, haystack.len(), 0, &mut hits);
                hits.pop_before()
            }
        }
    }

    /// Where the matches start, from the front, each beginning where the one before ended or later.
    #[inline]
    pub fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindIter<'h, 'a> {
        FindIter::new(haystack, self.as_ref())
    }

    /// Where the matches start, from the back, each ending where the one before began or earlier.
    #[inline]
    pub fn rfind_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindRevIter<'h, 'a> {
        FindRevIter::new(haystack, self.as_ref())
    }

    /// How many matches [`find_iter`](Self::find_iter) gives.
    #[inline]
    #[must_use]
    pub fn count(&self, haystack: &[u8]) -> usize {
        match self.kind {
            Kind::Byte(byte) => crate::search::count(byte, haystack),
            _ => self.find_iter(haystack).count(),
        }
    }

    /// The same finder, borrowing this one's needle.
    #[inline]
    #[must_use]
    pub fn as_ref(&self) -> Finder<'_> {
        Finder {
            needle: Needle::Borrowed(self.needle.bytes()),
            ..*self
        }
    }

    /// The same finder with a needle of its own.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> Finder<'static> {
        let needle = match self.needle {
            Needle::Borrowed(bytes) => bytes.into(),
            Needle::Owned(bytes) => bytes,
        };
        Finder {
            needle: Needle::Owned(needle),
            kind: self.kind,
            probes: self.probes,
            level: self.level,
            small: self.small,
            first: self.first,
            all: self.all,
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn state(&self) -> State {
        State::with(self.probes)
    }

    #[inline]
    pub(super) fn run_from(&self, haystack: &[u8], from: usize) -> Option<usize> {
        // SAFETY: the level was available; the needle is a run.
        unsafe { long_run::select(self.level)(self.needle.bytes(), haystack, from) }
    }

    /// As [`list`](Self::list), from the back; the needle has two bytes at least.
    #[inline(always)]
    pub(super) fn list_back(
        &self,
        state: &mut State,
        haystack: &[u8],
        end: usize,
        reach: usize,
        hits: &mut Hits,
    ) {
        assert!(reach <= REACH_MAX && end <= haystack.len());
        let needle = self.needle.bytes();
        // SAFETY: the level was available; the needle has two bytes at least and the state is its own.
        unsafe { scan_last::select(self.level)(needle, state, haystack, end, reach, hits) }
    }

    #[inline(always)]
    pub(super) fn list(
        &self,
        state: &mut State,
        haystack: &[u8],
        from: usize,
        reach: usize,
        hits: &mut Hits,
    ) {
        assert!(reach <= REACH_MAX);
        // SAFETY: the level was available; the caller is of kind `Probes`, with this finder's state.
        unsafe { (self.all)(self.needle.bytes(), state, haystack, from, reach, hits) }
    }
}

impl fmt::Debug for Finder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder")
            .field("needle", &self.needle().escape_ascii())
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

fn kind(needle: &[u8]) -> Kind {
    match needle {
        [] => Kind::Empty,
        [byte] => Kind::Byte(*byte),
        [first, rest @ ..] if needle.len() >= RUN && rest.iter().all(|byte| byte == first) => {
            Kind::Run
        }
        _ => Kind::Probes,
    }
}
