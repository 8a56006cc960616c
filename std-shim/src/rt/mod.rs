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
//! # Several at once
//!
//! [`join!`], [`try_join!`] and [`select!`] run a known number of futures in one task; [`FutureSet`] and [`scope`] any number, which may
//! borrow; [`TaskSet`] tasks of their own. What blocks goes to [`blocking`], as names and [files](fs) do.
//!
//! # Which of Linux's queues
//!
//! Sockets wait in epoll. With `UNDERPIN_RING=io_uring` in the environment, and a kernel (5.11 or later) and sandbox that allow it, they
//! wait in an io_uring: one system call submits and waits. Bytes are moved by the same calls as over epoll. [Files](fs) do
//! at once what memory has at hand either way; what must wait is the io_uring's, or else goes to [`blocking`].
//! [`Runtime::with_ring`] chooses in the program.
//!
//! # Streams, processes, the console
//!
//! [`io`] has buffered readers and writers, lines and frames over every stream here; [`stdin`], [`stdout`] and [`stderr`] are such streams.
//! On Linux `process` starts children and awaits their pipes and ends. `signal` (feature `signals`) hears signals on Linux and the console's
//! events on Windows; `signal::ctrl_c` is in both. Elsewhere these modules do not exist yet.
//!
//! # With others
//!
//! Features, each named with the version that it is of: `futures-io-v0_3` (`AsyncRead`, `AsyncWrite`), `futures-core-v0_3` (`Stream`),
//! `hyper-v1` (connections, `HyperExecutor`, `HyperTimer`), `embedded-io-async-v0_7`.
//!
//! # Cancel safety
//!
//! Dropping a future of this module loses no byte and no connection unless its documentation says so: see
//! [`underpin_core::exec::net`].

mod blocking;
pub mod fs;
mod host;
#[cfg(any(
    feature = "embedded-io-async-v0_7",
    feature = "futures-io-v0_3",
    feature = "hyper-v1"
))]
mod interop;
pub mod io;
pub mod net;
pub(crate) mod runtime;
mod stdio;

#[allow(
    unused_imports,
    unreachable_pub,
    reason = "systems without processes and signals have none"
)]
pub use crate::sys::events::*;
pub use blocking::{BLOCKING_THREADS_MAX, Blocking, blocking};
pub use host::ThreadHost;
#[cfg(feature = "hyper-v1")]
pub use interop::{HyperExecutor, HyperTimer};
pub use runtime::{
    Handle, Remote, Runtime, block_on, handle, interval, now, sleep, sleep_until, spawn, timeout,
    yield_now,
};
pub use stdio::{Stdin, Stdout, stderr, stdin, stdout};
pub use underpin_core::exec::sync;
pub use underpin_core::exec::{
    Elapsed, FutureSet, JoinError, JoinHandle, Lease, Metrics, MissedTick, Scope, ScopedJoin,
    TaskInfo, TaskSet, scope,
};
pub use underpin_core::{join, select, try_join};

use underpin_core::exec;

/// Ends at a time; see [`sleep`].
pub type Sleep = exec::Sleep<Handle>;
/// A future with a deadline; see [`timeout`].
pub type Timeout<F> = exec::Timeout<F, Handle>;
