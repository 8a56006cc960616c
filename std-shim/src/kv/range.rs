//! Ranges of keys, as they are written in Rust.
#![forbid(unsafe_code)]

use core::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// What [`Db::scan`](super::Db::scan) and its like walk: `..` for all keys, or any range of strings, slices, vectors or arrays of bytes.
pub trait KeyRange {
    /// Where it starts and ends.
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>);
}

impl KeyRange for RangeFull {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

/// Implements the trait by `RangeBounds`. (A blanket implementation would not know the type of the keys of `..`.)
macro_rules! key_range {
    ($($range:ty),+) => {$(
        impl<K: AsRef<[u8]>> KeyRange for $range {
            fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
                (self.start_bound().map(K::as_ref), self.end_bound().map(K::as_ref))
            }
        }
    )+};
}

key_range!(
    Range<K>,
    RangeFrom<K>,
    RangeInclusive<K>,
    RangeTo<K>,
    RangeToInclusive<K>,
    (Bound<K>, Bound<K>)
);

/// The keys that start with a prefix.
pub(super) struct Prefix<'a> {
    start: &'a [u8],
    /// The first key behind them; empty if none is.
    end: Vec<u8>,
}

impl<'a> Prefix<'a> {
    pub(super) fn new(prefix: &'a [u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Self { start: prefix, end }
    }
}

impl KeyRange for Prefix<'_> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = match &self.end[..] {
            [] => Bound::Unbounded,
            end => Bound::Excluded(end),
        };
        (Bound::Included(self.start), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_strings_slices_vectors_and_arrays() {
        type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);
        let (a, b) = (&b"a"[..], &b"b"[..]);
        let half_open: Bounds<'_> = (Bound::Included(a), Bound::Excluded(b));
        assert_eq!(("a".."b").bounds(), half_open);
        assert_eq!((a..b).bounds(), half_open);
        assert_eq!((a.to_vec()..b.to_vec()).bounds(), half_open);
        assert_eq!((*b"a"..*b"b").bounds(), half_open);
        let closed: Bounds<'_> = (Bound::Included(a), Bound::Included(b));
        assert_eq!(("a"..="b").bounds(), closed);
        assert_eq!((..).bounds(), (Bound::Unbounded, Bound::Unbounded));
        assert_eq!(("a"..).bounds(), (Bound::Included(a), Bound::Unbounded));
        assert_eq!((..="b").bounds(), (Bound::Unbounded, Bound::Included(b)));
        let open = (Bound::Excluded("a"), Bound::<&str>::Unbounded);
        assert_eq!(open.bounds(), (Bound::Excluded(a), Bound::Unbounded));
    }

    #[test]
    fn a_prefix_ends_before_the_next_key_that_has_it_not() {
        let end = |prefix: &[u8]| Prefix::new(prefix).bounds().1.map(<[u8]>::to_vec);
        assert_eq!(end(b"ab"), Bound::Excluded(b"ac".to_vec()));
        assert_eq!(end(b"a\xff\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(end(b"\xff"), Bound::Unbounded);
        assert_eq!(end(b""), Bound::Unbounded);
    }
}
