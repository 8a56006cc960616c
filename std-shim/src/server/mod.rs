//! The database served over the Redis protocol, by one thread on the platform's reactor.
//!
//! ```text
//! socket -> event_loop -> resp::Parser -> command (the table) -> store -> db
//!              ^   |                                              |
//!              |   +-- one db.sync per tick, then replies leave   +-- housekeeper: merging, syncing once a second
//!              +-- connection: unfinished input, unsent output, client
//! ```
//!
//! Everything here is generic over the platform: `Files + Reactor` is enough, and threads are used where there are any. So
//! the same server runs on an operating system and on the simulator.
//!
//! # Promise
//!
//! A write whose reply was sent survives the end of the process at any instant. With [`AppendFsync::Always`] it survives a
//! loss of power too, with [`AppendFsync::EverySec`] unless it is younger than about two seconds.

mod client;
mod command;
mod command_stats;
mod connection;
mod copies;
mod error;
mod event_loop;
mod housekeeper;
mod metrics;
mod options;
mod read_buffer;
pub mod resp;
mod slow_log;
mod state;
pub mod store;
mod work;

pub use error::Error;
pub use event_loop::EventLoop;
pub use options::{AppendFsync, Options, Usage};
pub use state::Stop;
