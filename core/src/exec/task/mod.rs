//! Tasks: one block each, counted and woken without atomic operations on their own thread.
//!
//! ```text
//!              spawn                 poll: pending
//!   (nothing) -------> [SCHEDULED] <------------------ woken while running ---.
//!                        |    ^  \                                             \
//!                  poll  |    |   \ aborted: dropped, not polled                \
//!                        v    |wake v                                            \
//!                   [RUNNING] |   [DONE | OUTPUT] --- taken, dropped --> [DONE]   |
//!                     |  |    |         ^                                         |
//!                     |  '- ready ------'                                         |
//!                     '-- pending --> [idle]                                      |
//!                     '-- pending, woken meanwhile -------------------------------'
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `state` | the two words, bit by bit |
//! | `header` | what every task begins with |
//! | `reference` | counting and waking, from the owner's thread and from others |
//! | `waker` | the choice between the two |
//! | `body` | the block with future and output |
//! | `run` | one poll, and the end |
//! | `join_handle` | waiting, aborting, letting go |
//! | `space` | static memory for firmware |

mod body;
mod header;
mod join_handle;
mod reference;
mod run;
mod space;
mod state;
mod waker;

pub(super) use body::Task;
pub(super) use header::{Header, TaskPtr};
pub use join_handle::{JoinError, JoinHandle};
pub(super) use reference::{orphan, received, unpost};
#[cfg(feature = "alloc")]
pub(super) use run::is_scheduled;
pub(super) use run::{cancel, is_done, run, take_new};
pub use space::TaskSpace;
