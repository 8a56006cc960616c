//! Closures of sources: in place until there are two parts, which then share them through a counted pointer. A loop of one item
//! allocates nothing.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

/// A closure.
#[derive(Clone)]
pub enum Function<F> {
    /// Of one part.
    Own(F),
    /// Of several.
    Shared(Arc<F>),
}

impl<F> Function<F> {
    /// For two parts.
    pub(super) fn divide(self) -> (Self, Self) {
        let shared = match self {
            Self::Own(f) => Arc::new(f),
            Self::Shared(f) => f,
        };
        (Self::Shared(shared.clone()), Self::Shared(shared))
    }
}

impl<F> Deref for Function<F> {
    type Target = F;
    #[inline]
    fn deref(&self) -> &F {
        match self {
            Self::Own(f) => f,
            Self::Shared(f) => f,
        }
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Function")
    }
}

/// What goes along with a source when it is split.
pub trait Divide: Sized {
    /// For the part of `at` items, and for the rest.
    fn divide(self, at: usize) -> (Self, Self);
}
