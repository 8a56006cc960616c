//! What all connections share: the keyspace, the settings, the counters.
#![forbid(unsafe_code)]

use super::command::Dispatch;
use super::command_stats::Statistics;
use super::copies::Copies;
use super::options::{AppendFsync, Options};
use super::slow_log::SlowLog;
use super::store::{Store, Sweeps};
use super::work::{Progress, Work};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use underpin_core::platform::{Files, Instant, Reactor};

/// The version of Redis whose commands and texts are followed: clients choose what they send by it.
pub(crate) const REDIS_VERSION: &str = "7.0.15";

/// Asks the server to end; clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks. Async-signal-safe; wake the loop's ring as well, which may be waiting.
    pub fn set(&self) {
        // Pairs with the load in `is_set`; carries no other data.
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What `INFO` counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: u64,
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) rejected: u64,
    pub(crate) evicted: u64,
    pub(crate) errors: u64,
}

/// A `CLIENT PAUSE`: until when requests wait, and which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    /// Those that write, or all.
    pub(crate) writes_only: bool,
}

/// The shared state. See the [module](self).
pub(crate) struct State<P: Files + Reactor> {
    pub(crate) platform: P,
    pub(crate) options: Options,
    pub(crate) store: Store<P>,
    /// Where the server listens, port 0 resolved.
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) started_ms: u64,
    pub(crate) run_id: String,
    pub(crate) counters: Counters,
    pub(crate) dispatch: Dispatch<P>,
    pub(crate) statistics: Statistics,
    pub(crate) slow_log: SlowLog,
    /// Place of the command that the present request ran.
    pub(crate) last_ran: Option<usize>,
    pub(crate) commands_per_second: u64,
    /// Bytes that the buffers of all clients hold.
    pub(crate) clients_memory: usize,
    /// The ring is as large as this needs, so it can't be raised.
    pub(crate) clients_max_at_start: usize,
    /// A client was told to go that may be idle.
    pub(crate) kills_pending: bool,
    pub(crate) pause: Option<Pause>,
    /// A request waits for the end of the pause.
    pub(crate) pause_holds: bool,
    /// Work that commands asked for, handed on when the tick ends.
    pub(crate) requested: Work,
    pub(crate) progress: Arc<Progress>,
    /// Where `SAVE` and `BGSAVE` make copies.
    pub(crate) copies: Option<Copies>,
    pub(crate) sweeps: Arc<Sweeps>,
    pub(crate) stop: Stop,
    /// A sync at the end of a tick failed: the database refuses writes from then on.
    pub(crate) sync_failed: bool,
}

impl<P: Files + Reactor> State<P> {
    /// Whether reads could show what was never durable although `always` promises that nobody sees such a thing.
    pub(crate) fn may_show_lost(&self) -> bool {
        self.sync_failed && self.options.appendfsync == AppendFsync::Always
    }

    /// Whether so much of a client's output is unsent that its further requests wait.
    pub(crate) fn is_full(&self, unsent: usize) -> bool {
        let options = &self.options;
        let soft = options.client_output_bytes_soft;
        unsent >= soft.min(options.client_output_bytes_max / 2)
    }

    /// Counts an error reply.
    pub(crate) fn note_error(&mut self, text: &[u8]) {
        self.counters.errors += 1;
        self.statistics.error(text);
    }
}
