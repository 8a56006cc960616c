//! Locks over [`Park`]: they spin for a moment, then sleep.
//!
//! They carry the platform as their last type parameter and hold it by value: nothing for an operating system, a handle
//! for the simulator. Both protocols are checked under loom (`loom.rs` beside this file).

mod condvar;
#[cfg(all(test, loom))]
mod loom;
mod mutex;

pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard};
