//! The seam to the byte kernels: every scan of the grep goes through these few functions.
//!
//! One file, so that a change of kernels is a change here. All are linear in the bytes given.

use std::fmt;
use std::ops::Range;
use underpin_core::search::multi::Multi;
use underpin_core::search::{self, case, memmem};

/// Where the first `byte` is.
#[inline]
pub(crate) fn find(byte: u8, haystack: &[u8]) -> Option<usize> {
    search::memchr(byte, haystack)
}

/// Where the last `byte` is.
#[inline]
pub(crate) fn rfind(byte: u8, haystack: &[u8]) -> Option<usize> {
    search::memrchr(byte, haystack)
}

/// How often `byte` occurs.
#[inline]
pub(crate) fn count(byte: u8, haystack: &[u8]) -> u64 {
    search::count(byte, haystack) as u64
}

/// A needle prepared for many haystacks.
#[derive(Clone, Debug)]
pub(crate) enum Needle {
    /// Byte for byte.
    Exact(memmem::Finder<'static>),
    /// Without regard to the case of ASCII letters.
    Folded(case::Finder<'static>),
}

impl Needle {
    /// Prepares `needle`.
    pub(crate) fn new(needle: &[u8]) -> Self {
        Self::Exact(memmem::Finder::new(needle).into_owned())
    }

    /// Prepares `needle`, whose ASCII letters stand for both cases.
    pub(crate) fn folded(needle: &[u8]) -> Self {
        Self::Folded(case::Finder::new(needle).into_owned())
    }

    /// Where the needle is first.
    #[inline]
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        match self {
            Self::Exact(finder) => finder.find(haystack),
            Self::Folded(finder) => finder.find(haystack),
        }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Exact(finder) => finder.needle().len(),
            Self::Folded(finder) => finder.needle().len(),
        }
    }
}

/// Needles prepared for many haystacks; of those that are at the same place, the first given counts.
pub(crate) struct Set {
    multi: Multi,
}

impl Set {
    /// Prepares `needles`; `None` if they are too many, or one is empty.
    pub(crate) fn new<S: AsRef<[u8]>>(needles: &[S]) -> Option<Self> {
        if needles.iter().any(|needle| needle.as_ref().is_empty()) {
            return None;
        }
        let multi = Multi::new(needles.iter().map(AsRef::as_ref)).ok()?;
        Some(Self { multi })
    }

    /// The first match that starts at `from` or later.
    #[inline]
    pub(crate) fn find(&self, haystack: &[u8], from: usize) -> Option<Range<usize>> {
        self.multi
            .find_at(haystack, from)
            .map(|found| found.range())
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("needles", &self.multi.len())
            .finish_non_exhaustive()
    }
}
