//! Tells a function about each call.
#![forbid(unsafe_code)]

use super::layered::{Call, Layer, Layered, Verdict};
use crate::error::Result;

/// Whether a call is about to be made or was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// About to be made.
    Before,
    /// Made: bytes transferred, or the error.
    After(Result<u64>),
}

/// One line of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The call.
    pub call: Call,
    /// Before or after it.
    pub phase: Phase,
}

/// A platform that tells `S`, a `Fn(&TraceEvent)`, about each call.
pub type Traced<P, S> = Layered<P, Tracer<S>>;

/// The layer of [`Traced`].
#[derive(Clone, Copy)]
pub struct Tracer<S>(S);

impl<S: Fn(&TraceEvent)> Tracer<S> {
    /// Tells `sink`, which may be called from any thread and must not use the traced platform.
    pub const fn new(sink: S) -> Self {
        Self(sink)
    }
}

impl<S> core::fmt::Debug for Tracer<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tracer")
    }
}

impl<S: Fn(&TraceEvent) + Clone + Send + Sync + 'static> Layer for Tracer<S> {
    fn before(&self, call: &Call) -> Verdict {
        (self.0)(&TraceEvent {
            call: *call,
            phase: Phase::Before,
        });
        Verdict::Proceed
    }
    fn after(&self, call: &Call, result: Result<u64>) {
        (self.0)(&TraceEvent {
            call: *call,
            phase: Phase::After(result),
        });
    }
}
