//! A ring over readiness: for systems that tell when a socket can be used, and not when an operation is done.
//!
//! [`ReadinessRing`] makes a [`Ring`](super::Ring) of a [`Poller`]: it tries each call first, queues the operation when the call would
//! block, and runs the queue when the poller reports the socket. epoll, kqueue and Windows' AFD are such pollers.
//!
//! | file | what |
//! |---|---|
//! | `ring.rs` | submission, cancellation, waiting |
//! | `table.rs` | what the ring knows about each socket |
//! | `pending.rs` | the operations: a slab threaded by queues |
//! | `operation.rs` | one try at one operation |

mod operation;
mod pending;
mod poller;
mod ring;
mod table;

pub use poller::{Connecting, Event, Poller};
pub use ring::ReadinessRing;
