//! The work-stealing pool for applications.
//!
//! | you want | call |
//! |---|---|
//! | two things at once | [`join`] |
//! | many jobs that borrow | [`scope`], [`scope_fifo`] |
//! | a job on its own | [`spawn`] |
//! | loops, reductions, sorts | [`iter`] |
//! | to stop a loop early | [`CancelToken`], [`cancel_on`](iter::ParallelIterator::cancel_on) |
//! | a pool of your own | [`ThreadPoolBuilder`] |
//!
//! A thread from outside works as a guest: [`join`] and [`scope`] run on it, and the pool's threads help. What is waited for is
//! only ever one's own: see [`underpin_core::pool`].

mod env;
mod global;
pub mod iter;
mod rayon;
mod refused;
mod start;
mod thread_pool;

pub use env::Std;
pub use global::{
    FnContext, block_in_place, broadcast, current_num_threads, current_thread_has_pending_tasks,
    current_thread_index, enter, global, join, join_context, join_with, scope, scope_fifo, spawn,
    spawn_broadcast, spawn_fifo, yield_local, yield_now,
};
// A scope's body runs on the calling thread in any case.
pub use global::{scope as in_place_scope, scope_fifo as in_place_scope_fifo};
pub use start::{OwnThreads, SpawnHandler, ThreadBuilder};
pub use thread_pool::{ThreadPool, ThreadPoolBuilder};
pub use underpin_core::pool::iter::CancelToken;
pub use underpin_core::pool::max_num_threads;
pub use underpin_core::pool::{Event, Payload, Priority, Trace, WorkerMetrics};

/// The traits of parallel iterators and nothing else, for those who write `use rayon::prelude::*`.
pub mod prelude {
    pub use super::iter::{
        FromParallelIterator, IndexedParallelIterator, IntoParallelIterator,
        IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelBridge, ParallelDrainFull,
        ParallelDrainRange, ParallelExtend, ParallelIterator, ParallelSlice, ParallelSliceMut,
        ParallelString,
    };
}

/// The right to use a pool as one of its workers, on this thread.
pub type Worker<'w> = underpin_core::pool::Worker<'w, Std>;
/// Where jobs are spawned that end before the scope does.
pub type Scope<'scope> = underpin_core::pool::Scope<'scope, Std>;
/// A scope whose jobs start first in, first out.
pub type ScopeFifo<'a, 'scope> = underpin_core::pool::ScopeFifo<'a, 'scope, Std>;
