//! Parallel iterators, under the names that Rayon's users know.
//!
//! ```
//! use underpin::pool::iter::*;
//!
//! let squares: Vec<u64> = (0..1000_u64).into_par_iter().map(|n| n * n).collect();
//! assert_eq!(squares[31], 961);
//! assert_eq!(squares.par_iter().filter(|n| **n % 2 == 0).count(), 500);
//! ```
//!
//! Nothing needs tuning: a loop that nobody helps with runs as a plain one, and is split when a worker without work asks.
//!
//! [`reduce_fixed`](ParallelIterator::reduce_fixed) and [`sum_fixed`](ParallelIterator::sum_fixed) give the same bits for any number
//! of threads, also in floating point.
#![forbid(unsafe_code)]
#![allow(
    clippy::type_complexity,
    reason = "what an adaptor returns names the sources it is made of, so that it fits where a parallel iterator is wanted"
)]

mod bridge;
mod consume;
mod either;
mod extend;
mod from;
mod indexed;
mod into;
mod make;
mod method;
mod scan;
mod slice;
mod text;

pub use bridge::{ParallelBridge, ParallelBridged};
pub use either::Either;
pub use extend::{ParallelDrainFull, ParallelDrainRange, ParallelExtend};
pub use from::FromParallelIterator;
pub use indexed::IndexedParallelIterator;
pub use into::{IntoParallelIterator, IntoParallelRefIterator, IntoParallelRefMutIterator};
pub use make::{
    RepeatN, empty, once, repeat, repeat_n, split, walk_tree, walk_tree_postfix, walk_tree_prefix,
};
pub use method::{ParallelIterator, UntilCancelled, WhileSome};
pub use slice::{ParallelSlice, ParallelSliceMut};
pub use text::{ParallelString, Pattern};
pub use underpin_core::pool::iter::Attempt;
