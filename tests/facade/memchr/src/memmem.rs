//! Substrings.

use crate::search::memmem as us;
pub use us::{FindIter, FindRevIter, find, find_iter, rfind, rfind_iter};

/// A needle, prepared.
#[derive(Clone, Debug)]
pub struct Finder<'n>(us::Finder<'n>);

impl<'n> Finder<'n> {
    /// Prepares a needle.
    #[inline]
    pub fn new<B: ?Sized + AsRef<[u8]>>(needle: &'n B) -> Self {
        Self(us::Finder::new(needle))
    }
    /// Where the first match starts.
    #[inline]
    pub fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.0.find(haystack)
    }
    /// All matches without overlaps.
    #[inline]
    pub fn find_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindIter<'h, 'a> {
        self.0.find_iter(haystack)
    }
    /// With a needle of its own.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> Finder<'static> {
        Finder(self.0.into_owned())
    }
    /// Borrowing this one's needle.
    #[inline]
    pub fn as_ref(&self) -> Finder<'_> {
        Finder(self.0.as_ref())
    }
    /// The needle.
    #[inline]
    pub fn needle(&self) -> &[u8] {
        self.0.needle()
    }
}

/// The same for searches from the back.
#[derive(Clone, Debug)]
pub struct FinderRev<'n>(us::Finder<'n>);

impl<'n> FinderRev<'n> {
    /// Prepares a needle.
    #[inline]
    pub fn new<B: ?Sized + AsRef<[u8]>>(needle: &'n B) -> Self {
        Self(us::Finder::new(needle))
    }
    /// Where the last match starts.
    #[inline]
    pub fn rfind<B: AsRef<[u8]>>(&self, haystack: B) -> Option<usize> {
        self.0.rfind(haystack.as_ref())
    }
    /// All matches without overlaps, the last first.
    #[inline]
    pub fn rfind_iter<'a, 'h>(&'a self, haystack: &'h [u8]) -> FindRevIter<'h, 'a> {
        self.0.rfind_iter(haystack)
    }
    /// With a needle of its own.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> FinderRev<'static> {
        FinderRev(self.0.into_owned())
    }
    /// Borrowing this one's needle.
    #[inline]
    pub fn as_ref(&self) -> FinderRev<'_> {
        FinderRev(self.0.as_ref())
    }
    /// The needle.
    #[inline]
    pub fn needle(&self) -> &[u8] {
        self.0.needle()
    }
}

/// Whether a search may look for rare bytes first: ours always may.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Prefilter {
    /// No.
    None,
    /// Yes.
    #[default]
    Auto,
}

/// Makes finders.
#[derive(Clone, Debug, Default)]
pub struct FinderBuilder;

impl FinderBuilder {
    /// With the defaults.
    pub const fn new() -> Self {
        Self
    }
    /// For searches from the front.
    pub fn build_forward<'n, B: ?Sized + AsRef<[u8]>>(&self, needle: &'n B) -> Finder<'n> {
        Finder::new(needle)
    }
    /// The same with a needle of its own.
    #[cfg(feature = "alloc")]
    pub fn build_forward_owned<B: Into<alloc::boxed::Box<[u8]>>>(
        &self,
        needle: B,
    ) -> Finder<'static> {
        Finder::new(&*needle.into()).into_owned()
    }
    /// For searches from the back.
    pub fn build_reverse<'n, B: ?Sized + AsRef<[u8]>>(&self, needle: &'n B) -> FinderRev<'n> {
        FinderRev::new(needle)
    }
    /// The same with a needle of its own.
    #[cfg(feature = "alloc")]
    pub fn build_reverse_owned<B: Into<alloc::boxed::Box<[u8]>>>(
        &self,
        needle: B,
    ) -> FinderRev<'static> {
        FinderRev::new(&*needle.into()).into_owned()
    }
    /// Changes nothing here.
    pub fn prefilter(&mut self, _: Prefilter) -> &mut Self {
        self
    }
}
