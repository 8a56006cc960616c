//! Sources that end early: at a token, at a first refusal, at a panic.
//!
//! A stopped source weighs nothing from then on. That is all the loop that runs it needs to know, and every adaptor hands it on: a range of
//! 2^63 numbers ends at once, wherever in the chain the stop is.
#![allow(
    unsafe_code,
    reason = "exact sources are a promise that collecting relies on"
)]

use super::adapt::{Adapted, Adaptor, Stepped};
use super::function::{Divide, Function};
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
pub type Until<S, F> = Adapted<S, Accepting<F>>;

/// What a function gives for each item, until it refuses one.
pub struct Accepting<F> {
    f: Function<F>,
    token: CancelToken,
}

impl<F> Accepting<F> {
    /// With `f` and `token`, which a refusal of `f` cancels.
    pub fn new(f: F, token: CancelToken) -> Self {
        Self {
            f: Function::Own(f),
            token,
        }
    }
}

impl<F> Divide for Accepting<F> {
    fn divide(self, _: usize) -> (Self, Self) {
        let (f, f_right) = self.f.divide();
        let token = self.token.clone();
        let right = Self {
            f: f_right,
            token: self.token,
        };
        (Self { f, token }, right)
    }
}

impl<F> fmt::Debug for Accepting<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Accepting")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

// SAFETY: it does not say that it gives one for one.
unsafe impl<S, F, R> Adaptor<S> for Accepting<F>
where
    S: Source,
    R: Send,
    F: Fn(S::Item) -> Option<R> + Send + Sync,
{
    type Item = R;
    type Seq = Stepped<S::Seq, Self>;
    const ONE_FOR_ONE: bool = false;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        Stepped { base, by: self }
    }
    fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl<I: Iterator, R, F: Fn(I::Item) -> Option<R>> Iterator for Stepped<I, Accepting<F>> {
    type Item = R;
    #[inline]
    fn next(&mut self) -> Option<R> {
        if self.by.token.is_cancelled() {
            return None;
        }
        let result = (self.by.f)(self.base.next()?);
        if result.is_none() {
            self.by.token.cancel();
        }
        result
    }
}

/// A source whose other parts stop once one of them has panicked.
pub type PanicFuse<S> = Adapted<S, Fused>;

/// Stops the other parts once one has panicked.
#[derive(Clone, Debug)]
pub struct Fused {
    token: CancelToken,
    panicking: fn() -> bool,
}

impl Fused {
    /// `panicking` says whether the calling thread is unwinding.
    #[must_use]
    pub fn new(panicking: fn() -> bool) -> Self {
        Self {
            token: CancelToken::new(),
            panicking,
        }
    }
}

impl Divide for Fused {
    fn divide(self, _: usize) -> (Self, Self) {
        (self.clone(), self)
    }
}

/// The plain iterator of a part of a [`PanicFuse`].
#[derive(Debug)]
pub struct FusedSeq<I> {
    base: I,
    fuse: Fuse,
}

/// Cancels if it is dropped by a panic that began in its time.
#[derive(Debug)]
struct Fuse {
    by: Fused,
    was_panicking: bool,
}

impl Drop for Fuse {
    fn drop(&mut self) {
        if !self.was_panicking && (self.by.panicking)() {
            self.by.token.cancel();
        }
    }
}

// SAFETY: it does not say that it gives one for one.
unsafe impl<S: Source> Adaptor<S> for Fused {
    type Item = S::Item;
    type Seq = FusedSeq<S::Seq>;
    const ONE_FOR_ONE: bool = false;
    fn over(self, base: S::Seq, _: usize) -> Self::Seq {
        let was_panicking = (self.panicking)();
        FusedSeq {
            base,
            fuse: Fuse {
                by: self,
                was_panicking,
            },
        }
    }
    fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }
}

impl<I: Iterator> Iterator for FusedSeq<I> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        if self.fuse.by.token.is_cancelled() {
            return None;
        }
        self.base.next()
    }
}
