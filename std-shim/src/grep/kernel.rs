//! The seam to the byte kernels: every scan of the grep goes through these few functions.
//!
//! One file, so that a change of kernels is a change here. All are linear in the bytes given.

use memchr::memmem;

/// Where the first `byte` is.
#[inline]
pub(crate) fn find(byte: u8, haystack: &[u8]) -> Option<usize> {
    memchr::memchr(byte, haystack)
}

/// Where the last `byte` is.
#[inline]
pub(crate) fn rfind(byte: u8, haystack: &[u8]) -> Option<usize> {
    memchr::memrchr(byte, haystack)
}

/// How often `byte` occurs.
#[inline]
pub(crate) fn count(byte: u8, haystack: &[u8]) -> u64 {
    memchr::memchr_iter(byte, haystack).count() as u64
}

/// A needle prepared for many haystacks.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    finder: memmem::Finder<'static>,
}

impl Needle {
    /// Prepares `needle`.
    pub(crate) fn new(needle: &[u8]) -> Self {
        Self {
            finder: memmem::Finder::new(needle).into_owned(),
        }
    }

    /// Where the needle is first.
    #[inline]
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.finder.find(haystack)
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.finder.needle().len()
    }
}
