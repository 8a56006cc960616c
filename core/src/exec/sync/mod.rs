//! Locks, semaphores and channels between the tasks of one executor: no atomic operation, no system call.
//!
//! They are not `Send`. To hand something to an executor from another thread use [`Remote::spawn`](super::Remote::spawn), whose task then
//! uses these.
//!
//! # Cancel safety
//! Every future here may be dropped at any point. A future that was given its turn (a permit, a lock, a notification) and is dropped before
//! it is polled hands its turn on to the next. A dropped `recv` has taken nothing; a dropped `send` has sent nothing, and its value is
//! dropped with it (use `reserve` to keep it). A dropped waiter loses its place in the queue; keep it, through `&mut future`, to keep the place.
//!
//! # Fairness
//! First come, first served, everywhere.

mod barrier;
mod broadcast;
mod mpsc;
mod mutex;
mod notify;
mod once_cell;
mod oneshot;
mod rw_lock;
mod semaphore;
mod token;
mod wait_queue;
mod watch;

pub use barrier::Barrier;
pub use broadcast::{Broadcast, BroadcastReceiver, Lagged};
pub use mpsc::{
    Receiver, Reserved, SendError, Sender, Sending, TrySendError, UnboundedReceiver,
    UnboundedSender, channel, unbounded,
};
pub use mutex::{Mutex, MutexGuard};
pub use notify::Notify;
pub use once_cell::OnceCell;
pub use oneshot::{OneshotReceiver, OneshotSender, oneshot};
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Acquire, Closed, Permit, Semaphore};
pub use token::{CancellationToken, Cancelled};
pub use watch::{Watch, WatchReceiver};
