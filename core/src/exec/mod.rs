//! The executor: futures on one thread, woken from anywhere.
//!
//! # Picture
//!
//! ```text
//!   other threads, interrupts --wake--> inbox (one word) --doorbell--> ring
//!                                          |                            | completions
//!                                          v                            v
//!        spawn, wake (plain memory) --> run queue --> poll --> tasks wait for: io slots, timers (wheel), other tasks
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `task` | one block a task; two words of state; wakers without atomic operations on their own thread |
//! | `inbox`, `scheduler`, `run_queue` | what other threads leave; what one executor's tasks share; who is next |
//! | `block_pool` | memory for tasks |
//! | `timer` | the wheel, and the futures that stand in it |
//! | `executor` | the loop over a ring ([`Executor`]), for systems with an allocator |
//! | `static_executor` | the same tasks and timers in static memory ([`StaticExecutor`]), for firmware |
//! | `sync` | locks, semaphores, channels between the tasks of one executor |
//! | `combine` | several futures at once: join, select, sets, scopes of tasks that borrow |
//! | `io`, `perform`, `net` | operations that somebody waits for; one of them as a future; TCP |
//! | `loom` | the shared words under the model checker |
//!
//! # Which thread
//! An executor, its tasks, handles and timers stay on the thread that made it. [`Waker`](core::task::Waker)s are `Send` and `Sync`, as
//! the standard library promises; each call asks [`Host::thread_token`] which side it is on. [`Remote`] spawns from elsewhere.
//!
//! # Bounds
//! A task costs its future, its output or both in one place, and a header of 72 bytes. The inbox, the run queue and the wheel are linked
//! through tasks and futures, so they need no memory of their own. Operations: `Limit` beyond 2^24. What a program spawns is its own to bound.
#![deny(unsafe_code)]
#![cfg_attr(
    not(feature = "alloc"),
    allow(
        dead_code,
        reason = "static executors neither close nor list their tasks"
    )
)]

#[cfg(feature = "alloc")]
mod block_pool;
#[cfg(feature = "alloc")]
mod buffers;
mod cell;
#[cfg(feature = "alloc")]
mod combine;
#[cfg(feature = "alloc")]
mod executor;
mod host;
mod inbox;
#[cfg(feature = "alloc")]
mod io;
#[cfg(all(test, loom, feature = "alloc"))]
mod loom;
#[cfg(feature = "alloc")]
mod metrics;
#[cfg(feature = "alloc")]
pub mod net;
#[cfg(feature = "alloc")]
mod perform;
mod run_queue;
mod scheduler;
#[cfg(not(loom))]
mod static_executor;
#[cfg(feature = "futures-core-v0_3")]
mod stream;
#[cfg(feature = "alloc")]
pub mod sync;
#[cfg_attr(loom, allow(dead_code, reason = "static memory is not modelled"))]
mod task;
#[cfg(all(test, not(loom), feature = "alloc"))]
mod tests;
mod timer;
mod waker_cell;

#[cfg(feature = "alloc")]
pub use buffers::{LEASE_BYTES, Lease};
#[cfg(feature = "alloc")]
pub use combine::{Either, FutureSet, MaybeDone, Scope, ScopedJoin, TaskSet, scope};
#[cfg(feature = "alloc")]
pub use executor::{Executor, Handle, OPERATIONS_PER_POLL, Remote, TASKS_PER_TURN};
pub use host::{Host, PanicPayload};
#[cfg(feature = "alloc")]
pub use io::Performed;
#[cfg(feature = "alloc")]
pub use metrics::{Metrics, SlowPolls, TaskInfo};
#[cfg(feature = "alloc")]
pub use perform::Perform;
#[cfg(not(loom))]
pub use static_executor::{Next, Started, StaticExecutor};
pub use task::{JoinError, JoinHandle, TaskSpace};
pub use timer::{Elapsed, Interval, MissedTick, Sleep, Timeout, TimerSource, Timers};
