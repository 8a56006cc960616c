//! The async runtime: one thread, many connections.
//!
//! ```
//! use core::time::Duration;
//! use underpin::rt;
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = rt::Runtime::new()?;
//! let sum = runtime.block_on(async {
//!     let task = rt::spawn(async {
//!         rt::sleep(Duration::from_millis(1)).await;
//!         40
//!     });
//!     task.await.map(|number| number + 2)
//! });
//! assert_eq!(sum.ok(), Some(42));
//! # Ok(())
//! # }
//! ```
//!
//! A [`Runtime`] belongs to its thread, and so do its tasks, which need not be `Send`; make a runtime a thread to use more
//! processors. Its wakers are `Send` and `Sync`: any thread may wake, and [`Remote`] spawns from elsewhere.
//!
//! The free functions ([`spawn`], [`sleep`], [`timeout`] and so on) and the types in [`net`] use the runtime whose `block_on` is
//! running on this thread, and panic where there is none.
//!
//! # Cancel safety
//!
//! Dropping a future of this module loses no byte and no connection unless its documentation says so: see
//! [`underpin_core::exec::net`].

mod host;
pub mod net;
mod runtime;

pub use host::ThreadHost;
pub use runtime::{
    Handle, Remote, Runtime, block_on, handle, interval, now, sleep, sleep_until, spawn, timeout,
    yield_now,
};
pub use underpin_core::exec::sync;
pub use underpin_core::exec::{
    Elapsed, JoinError, JoinHandle, Lease, Metrics, MissedTick, TaskInfo,
};

use underpin_core::exec;

/// Ends at a time; see [`sleep`].
pub type Sleep = exec::Sleep<Handle>;
/// A future with a deadline; see [`timeout`].
pub type Timeout<F> = exec::Timeout<F, Handle>;
