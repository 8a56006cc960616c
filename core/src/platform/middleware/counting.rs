//! Counts calls, errors and bytes per operation.
#![forbid(unsafe_code)]

use super::layered::{Call, Layer, Layered, Verdict};
use crate::error::{Operation, Result};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// A platform whose calls are counted in shared [`Counters`]: a static, or an `Arc` where there
/// is an allocator.
pub type Counting<P, C = &'static Counters> = Layered<P, C>;

/// How often an operation was called, how often it failed, and how many bytes it transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCount {
    /// Calls.
    pub calls: usize,
    /// Calls that returned an error.
    pub errors: usize,
    /// Bytes transferred. Wraps at the width of a pointer.
    pub bytes: usize,
}

#[derive(Debug)]
struct Cell {
    calls: AtomicUsize,
    errors: AtomicUsize,
    bytes: AtomicUsize,
}

/// One count per operation; each add is one relaxed atomic.
#[derive(Debug)]
pub struct Counters {
    cells: [Cell; Operation::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cells: [const {
                Cell {
                    calls: AtomicUsize::new(0),
                    errors: AtomicUsize::new(0),
                    bytes: AtomicUsize::new(0),
                }
            }; Operation::ALL.len()],
        }
    }

    /// All zero.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            cells: core::array::from_fn(|_| Cell {
                calls: AtomicUsize::new(0),
                errors: AtomicUsize::new(0),
                bytes: AtomicUsize::new(0),
            }),
        }
    }

    /// What was counted for `operation` so far.
    #[must_use]
    pub fn get(&self, operation: Operation) -> OperationCount {
        let cell = &self.cells[operation as usize];
        OperationCount {
            calls: cell.calls.load(Ordering::Relaxed),
            errors: cell.errors.load(Ordering::Relaxed),
            bytes: cell.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Counters {
    fn count_call(&self, call: &Call) {
        self.cells[call.operation as usize]
            .calls
            .fetch_add(1, Ordering::Relaxed);
    }

    fn count_result(&self, call: &Call, result: Result<u64>) {
        let cell = &self.cells[call.operation as usize];
        match result {
            Ok(bytes) => cell.bytes.fetch_add(
                usize::try_from(bytes).unwrap_or(usize::MAX),
                Ordering::Relaxed,
            ),
            Err(_) => cell.errors.fetch_add(1, Ordering::Relaxed),
        };
    }
}

impl Layer for &'static Counters {
    fn before(&self, call: &Call) -> Verdict {
        self.count_call(call);
        Verdict::Proceed
    }
    fn after(&self, call: &Call, result: Result<u64>) {
        self.count_result(call, result);
    }
}

#[cfg(feature = "alloc")]
impl Layer for alloc::sync::Arc<Counters> {
    fn before(&self, call: &Call) -> Verdict {
        self.count_call(call);
        Verdict::Proceed
    }
    fn after(&self, call: &Call, result: Result<u64>) {
        self.count_result(call, result);
    }
}
