//! The one platform wrapper that every layer shares.
#![forbid(unsafe_code)]

use crate::error::{Error, Operation, Result};

/// A call that is about to be made or was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub operation: Operation,
    /// Bytes asked for, where the call transfers or covers bytes; else 0.
    pub bytes: u64,
    /// Offset in the file, where there is one; else 0.
    pub offset: u64,
}

impl Call {
    /// A call without bytes or offset.
    #[must_use]
    pub const fn of(operation: Operation) -> Self {
        Self {
            operation,
            bytes: 0,
            offset: 0,
        }
    }

    /// A call over a range.
    #[must_use]
    pub const fn over(operation: Operation, offset: u64, bytes: u64) -> Self {
        Self {
            operation,
            bytes,
            offset,
        }
    }
}

/// What shall become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made as asked.
    Proceed,
    /// It is not made and returns this error. Calls that cannot fail (clocks, park) are made all the same.
    Fail(Error),
    /// A read, write, send or receive transfers at most this many bytes (at least 1); others are made as asked.
    Short(usize),
}

/// Sees each call of a [`Layered`] platform.
pub trait Layer: Clone + Send + Sync + 'static {
    /// Before the call.
    fn before(&self, call: &Call) -> Verdict;

    /// After the call: the bytes that it transferred (0 where that means nothing), or its error.
    fn after(&self, call: &Call, result: Result<u64>);
}

/// A platform behind a [`Layer`].
#[derive(Clone, Copy, Debug)]
pub struct Layered<P, L> {
    inner: P,
    layer: L,
}

impl<P, L: Layer> Layered<P, L> {
    /// Puts `layer` around `inner`.
    pub const fn new(inner: P, layer: L) -> Self {
        Self { inner, layer }
    }

    /// The platform inside.
    pub const fn inner(&self) -> &P {
        &self.inner
    }

    /// The platform inside, exclusively.
    pub(super) const fn inner_mut(&mut self) -> &mut P {
        &mut self.inner
    }

    /// The layer.
    pub const fn layer(&self) -> &L {
        &self.layer
    }

    /// Makes a call that moves no bytes.
    pub(super) fn pass<T>(&self, call: Call, make: impl FnOnce(&P) -> Result<T>) -> Result<T> {
        let result = match self.layer.before(&call) {
            Verdict::Fail(error) => Err(error),
            Verdict::Proceed | Verdict::Short(_) => make(&self.inner),
        };
        self.layer
            .after(&call, result.as_ref().map(|_| 0).map_err(|error| *error));
        result
    }

    /// Makes a call that moves at most `limit` bytes and returns how many it moved.
    pub(super) fn transfer(
        &self,
        call: Call,
        make: impl FnOnce(&P, usize) -> Result<usize>,
    ) -> Result<usize> {
        let result = match self.layer.before(&call) {
            Verdict::Fail(error) => Err(error),
            Verdict::Proceed => make(&self.inner, usize::MAX),
            Verdict::Short(limit) => make(&self.inner, limit.max(1)),
        };
        self.layer.after(&call, result.map(|bytes| bytes as u64));
        result
    }

    /// Makes a call that cannot fail.
    pub(super) fn observe<T>(&self, call: Call, make: impl FnOnce(&P) -> T) -> T {
        let _ = self.layer.before(&call);
        let result = make(&self.inner);
        self.layer.after(&call, Ok(0));
        result
    }
}
