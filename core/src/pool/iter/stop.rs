//! Sources that end early: at a token, at a first refusal, at a panic.
//!
//! A stopped source weighs nothing from then on. That is all the loop that runs it needs to know, and every adaptor hands it on: a range of
//! 2^63 numbers ends at once, wherever in the chain the stop is.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::source::Source;
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use core::fmt;

/// Cancels loops. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// Cancels: loops [under it](Until) begin no further item. There is no way back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody cancelled.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // Acquire: whoever sees it also sees what was written before.
        self.0.load(Ordering::Acquire)
    }
}

/// What a function gives for each item, until the function refuses one, on any thread, or the token is cancelled.
pub struct Until<S, F> {
    base: S,
    f: Arc<F>,
    token: CancelToken,
}

/// The plain iterator of a part.
pub struct UntilSeq<I, F> {
    base: I,
    f: Arc<F>,
    token: CancelToken,
}

impl<S, F> Until<S, F> {
    /// Over `base` with `f` and `token`, which a refusal of `f` cancels.
    pub fn new(base: S, f: F, token: CancelToken) -> Self {
        Self {
            base,
            f: Arc::new(f),
            token,
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Until<S, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Until")
            .field("base", &self.base)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl<I, F> fmt::Debug for UntilSeq<I, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("UntilSeq")
    }
}

// SAFETY: it is not exact.
unsafe impl<S, F, R> Source for Until<S, F>
where
    S: Source,
    R: Send,
    F: Fn(S::Item) -> Option<R> + Send + Sync,
{
    type Item = R;
    type Seq = UntilSeq<S::Seq, F>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        if self.token.is_cancelled() {
            0
        } else {
            self.base.weight()
        }
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let part = |base, f, token| Self { base, f, token };
        (
            part(left, self.f.clone(), self.token.clone()),
            part(right, self.f, self.token),
        )
    }
    fn into_seq(self) -> Self::Seq {
        UntilSeq {
            base: self.base.into_seq(),
            f: self.f,
            token: self.token,
        }
    }
    fn min_len(&self) -> usize {
        self.base.min_len()
    }
    fn max_len(&self) -> usize {
        self.base.max_len()
    }
}

impl<I: Iterator, R, F: Fn(I::Item) -> Option<R>> Iterator for UntilSeq<I, F> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        if self.token.is_cancelled() {
            return None;
        }
        let result = (self.f)(self.base.next()?);
        if result.is_none() {
            self.token.cancel();
        }
        result
    }
}

/// A source whose other parts stop once one of them has panicked.
#[derive(Debug)]
pub struct PanicFuse<S> {
    base: S,
    token: CancelToken,
}

/// The plain iterator of a part.
#[derive(Debug)]
pub struct PanicFuseSeq<I> {
    base: I,
    token: CancelToken,
}

/// Cancels unless it was forgotten.
struct Fuse<'a>(&'a CancelToken);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl<S> PanicFuse<S> {
    /// Over `base`.
    pub fn new(base: S) -> Self {
        Self {
            base,
            token: CancelToken::new(),
        }
    }
}

// SAFETY: it is not exact.
unsafe impl<S: Source> Source for PanicFuse<S> {
    type Item = S::Item;
    type Seq = PanicFuseSeq<S::Seq>;
    const EXACT: bool = false;

    fn weight(&self) -> usize {
        if self.token.is_cancelled() {
            0
        } else {
            self.base.weight()
        }
    }
    fn split_at(self, at: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(at);
        let token = self.token.clone();
        (
            Self { base: left, token },
            Self {
                base: right,
                token: self.token,
            },
        )
    }
    fn into_seq(self) -> Self::Seq {
        PanicFuseSeq {
            base: self.base.into_seq(),
            token: self.token,
        }
    }
    fn min_len(&self) -> usize {
        self.base.min_len()
    }
    fn max_len(&self) -> usize {
        self.base.max_len()
    }
}

impl<I: Iterator> Iterator for PanicFuseSeq<I> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        if self.token.is_cancelled() {
            return None;
        }
        let fuse = Fuse(&self.token);
        let item = self.base.next();
        core::mem::forget(fuse);
        item
    }
    fn fold<B, G: FnMut(B, I::Item) -> B>(mut self, init: B, mut g: G) -> B {
        let mut acc = init;
        while let Some(item) = self.next() {
            let fuse = Fuse(&self.token);
            acc = g(acc, item);
            core::mem::forget(fuse);
        }
        acc
    }
}
