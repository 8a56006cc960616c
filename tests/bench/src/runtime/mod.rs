//! The runtime against tokio (one thread), smol, monoio, compio and libuv, and against bare loops over the system's own queues.
//!
//! Figures are processor time: of the thread that runs the tasks or, where a load generator is needed, of the process without the
//! generator's thread. It is steadier than wall time, and it is what a server pays.
//!
//! Equal for all: the same futures where the case is about the scheduler; each runtime's own timers, channels and sockets where it is
//! about those; the C library's allocator.

mod bare;
mod echo;
mod files;
mod http;
mod libuv;
mod load;
mod memory;
mod subject;
mod tasks;
mod timers;

use crate::case::{Case, Settings};
use std::time::Duration;

/// The cases.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let mut cases = tasks::cases(settings);
    cases.extend(timers::cases(settings));
    cases.extend(echo::cases(settings));
    cases.extend(http::cases(settings));
    cases.extend(files::cases(settings));
    cases.extend(memory::cases(settings));
    Ok(cases)
}

/// The processor time of the calling thread.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The processor time of all threads but the calling one.
fn others_cpu() -> Duration {
    process_cpu().saturating_sub(thread_cpu())
}

/// The processor time of all threads.
fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How many of so many connections the process may have both ends of, after seeing to it. (Not asked for a few: valgrind takes a raised
/// limit badly.)
fn room_for(connections: usize) -> usize {
    const OTHERS: usize = 100;
    if connections <= 400 {
        return connections;
    }
    let limit = underpin::sys::raise_handle_limit((connections * 2 + OTHERS) as u64);
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    connections.min(room.saturating_sub(OTHERS) / 2)
}
