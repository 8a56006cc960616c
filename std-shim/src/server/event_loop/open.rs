//! Opening: the database, the listeners, and the loop over them.
#![forbid(unsafe_code)]

use super::accept::Listener;
use super::{EventLoop, LISTENER, METRICS_LISTENER, SECOND};
use crate::server::command::Dispatch;
use crate::server::command_stats::Statistics;
use crate::server::connection::Connections;
use crate::server::copies::Copies;
use crate::server::error::Error;
use crate::server::housekeeper::Housekeepers;
use crate::server::metrics;
use crate::server::options::Options;
use crate::server::read_buffer::ReadBuffer;
use crate::server::slow_log::SlowLog;
use crate::server::state::{Counters, State, Stop};
use crate::server::store::{Store, Sweeps};
use crate::server::work::{Housekeeping, Inline, Progress, Work, Worker};
use core::net::SocketAddr;
use std::sync::Arc;
use underpin_core::db::{self, Db, Maintenance};
use underpin_core::platform::{ClockId, Files, ListenOptions, Reactor, RingOptions, Threads};

impl<P: Files + Reactor> EventLoop<P> {
    /// Opens the database and listens; what happens beside the loop is done on its own thread.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Listen`], [`Error::Reactor`].
    pub fn open(platform: P, options: Options) -> Result<Self, Error> {
        Self::open_with(platform, options, |worker| {
            Ok(Box::new(Inline(Some(worker))))
        })
    }

    /// As [`open`](Self::open), with two threads of the platform's for what happens beside the loop.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_threaded(platform: P, options: Options) -> Result<Self, Error>
    where
        P: Threads,
    {
        Self::open_with(platform, options, |worker| {
            Ok(Box::new(Housekeepers::start(worker)?))
        })
    }

    pub(super) fn open_with(
        platform: P,
        options: Options,
        start: impl FnOnce(Worker<P>) -> Result<Box<dyn Housekeeping + Send>, Error>,
    ) -> Result<Self, Error> {
        let mut db_options = db::Options::default();
        db_options.maintenance = Maintenance::Caller;
        let db = Db::open(platform.clone(), &options.directory, db_options).map_err(|error| {
            Error::Database {
                directory: options.directory.clone(),
                error,
            }
        })?;
        let (listener, address) = listen(&platform, options.listen, options.backlog)?;
        let metrics_listener = options
            .metrics
            .map(|address| listen(&platform, address, 16))
            .transpose()?;
        let (metrics_listener, metrics_address) = metrics_listener.unzip();
        let mut ring_options = RingOptions::default();
        ring_options.backend = crate::sys::ring_backend();
        // A read and a write for each, and as much again for those that were cancelled and not delivered yet.
        let connections_max = options.clients_max.saturating_add(metrics::CONNECTIONS_MAX);
        ring_options.pending_max = connections_max.saturating_mul(4).saturating_add(16);
        let ring = platform.ring(&ring_options)?;
        let progress = Arc::new(Progress::default());
        let sweeps = Arc::new(Sweeps::default());
        let housekeeping = start(Worker {
            platform: platform.clone(),
            db: db.clone(),
            progress: Arc::clone(&progress),
            copies: Copies::of(&options),
            sweeps: Arc::clone(&sweeps),
        })?;
        let now = platform.now(ClockId::Monotonic);
        let started_ms = platform.now(ClockId::Real).as_ns() / 1_000_000;
        progress.saved(started_ms);
        let seed = platform.random_u64().unwrap_or(started_ms);
        let dispatch = Dispatch::new();
        let run_id = (0..3)
            .map(|_| format!("{:016x}", platform.random_u64().unwrap_or(started_ms)))
            .collect::<String>();
        let mut this = Self {
            ring,
            listener: Listener {
                socket: Some(listener),
                waiting: None,
            },
            metrics_listener: Listener {
                socket: metrics_listener,
                waiting: None,
            },
            http_count: 0,
            accept_after: None,
            connections: Connections::new(),
            next_id: 1,
            read_buffer: ReadBuffer::new(),
            turns: Vec::new(),
            next_turns: Vec::new(),
            completions: Vec::new(),
            counting: Vec::new(),
            count_waiters: Vec::new(),
            turn_until: now,
            request_start: now,
            touched: Vec::new(),
            housekeeping,
            now,
            undurable_since: None,
            sync_asked: None,
            sweep_at: now,
            tidy_at: now.saturating_add(SECOND),
            commands_at_tidy: 0,
            draining: false,
            state: State {
                store: Store::new(db, options.rows_bytes_max, seed),
                address,
                metrics_address,
                started_ms,
                run_id: run_id.chars().take(40).collect(),
                counters: Counters::default(),
                statistics: Statistics::new(dispatch.all().len()),
                dispatch,
                slow_log: SlowLog::default(),
                last_ran: None,
                commands_per_second: 0,
                clients_memory: 0,
                clients_max_at_start: options.clients_max,
                kills_pending: false,
                pause: None,
                pause_holds: false,
                requested: Work::empty(),
                progress,
                copies: Copies::of(&options),
                sweeps,
                stop: Stop::default(),
                sync_failed: false,
                platform,
                options,
            },
        };
        this.state.store.set_now(started_ms);
        this.listen_on(LISTENER);
        this.listen_on(METRICS_LISTENER);
        Ok(this)
    }
}

/// Listens at `address` and returns the socket with the address, port 0 resolved.
fn listen<P: Files + Reactor>(
    platform: &P,
    address: SocketAddr,
    backlog: u32,
) -> Result<(P::Socket, SocketAddr), Error> {
    let failed = |error| Error::Listen { address, error };
    let mut options = ListenOptions::default();
    options.backlog = backlog;
    let socket = platform.listen(&address, &options).map_err(failed)?;
    let resolved = platform.local_address(&socket).map_err(failed)?;
    Ok((socket, resolved))
}
