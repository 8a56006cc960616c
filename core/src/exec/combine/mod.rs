//! Several futures at once: [`join!`](crate::join), [`try_join!`](crate::try_join) and [`select!`](crate::select) for a known number,
//! [`FutureSet`] and [`scope`] for any number within one task, [`TaskSet`] for tasks of their own.
//!
//! # Cancel safety
//! `join!` and `select!` own their futures: dropping the whole drops them all, and `select!` drops those that lost before its body runs.
//! So what `select!` may drop must be cancel-safe, or be kept outside and given as `&mut future`. `FutureSet::next` and
//! `TaskSet::join_next` keep what they have not given out.

mod atomic_waker;
mod future_set;
mod join;
mod scope;
mod select;
mod task_set;

pub use future_set::FutureSet;
pub use join::MaybeDone;
pub use scope::{Scope, ScopedJoin, scope};
pub use select::Either;
pub use task_set::TaskSet;
