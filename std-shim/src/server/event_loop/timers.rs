//! What time brings: accepting again, the sync of `everysec`, expiry, tidying.
#![forbid(unsafe_code)]

use super::{EventLoop, LISTENER, METRICS_LISTENER, SECOND, queue_turn};
use crate::server::client::Wait;
use crate::server::options::AppendFsync;
use crate::server::work::Work;
use core::time::Duration;
use underpin_core::db::WriteLevel;
use underpin_core::platform::{Files, Instant, Reactor, Ring};

/// Time between two looks for expired values, while there are values that expire.
const SWEEP_PERIOD: Duration = Duration::from_millis(100);
/// The same while walks find much.
const SWEEP_BUSY: Duration = Duration::from_millis(5);
/// How long looks rest after one that could remove nothing: each forgets all values that were read lately.
const SWEEP_REST: Duration = Duration::from_secs(10);
/// Looks rest for so many times as long as one took: large values make it long.
const SWEEP_SHARE: u32 = 20;
/// Seconds without progress after which a connection that is to end is closed although its peer has not taken all of its replies.
const LAST_SECONDS: u64 = 60;

impl<P: Files + Reactor> EventLoop<P> {
    pub(super) fn timers(&mut self) {
        if self.accept_after.is_some_and(|after| after <= self.now) {
            self.accept_after = None;
            self.listen_on(LISTENER);
            self.listen_on(METRICS_LISTENER);
        }
        self.sync_later();
        if self.tidy_at <= self.now {
            self.tidy();
        }
        self.end_pause();
        if self.may_sweep() && self.sweep_at <= self.now {
            self.sweep();
        }
    }

    /// The oldest write that `everysec` has not asked a sync for.
    pub(super) fn undurable(&self) -> Option<Instant> {
        let is_wanted = self.state.options.appendfsync == AppendFsync::EverySec;
        self.undurable_since.filter(|_| is_wanted)
    }

    /// Has what `everysec` left undurable for a second synced by the thread. If a second later that has not begun, because the
    /// thread is at something long, such as a merge, the loop does it itself: so no write waits longer than two seconds.
    pub(super) fn sync_later(&mut self) {
        let now = self.now;
        let is_due =
            |since: Option<Instant>| since.is_some_and(|since| since.saturating_add(SECOND) <= now);
        let mut overdue = false;
        if is_due(self.sync_asked) {
            self.sync_asked = None;
            overdue = self.state.progress.sync_waits();
        }
        if !overdue && is_due(self.undurable()) {
            self.undurable_since = None;
            if self.state.progress.want_sync() {
                self.state.requested |= Work::SYNC;
                self.sync_asked = Some(now);
            } else {
                overdue = self.sync_asked.is_none();
            }
        }
        if overdue {
            self.undurable_since = None;
            // A failure poisons the database, which tells every writer.
            let result = self.state.store.db().sync(WriteLevel::Data);
            self.state.progress.synced(result.is_ok());
        }
    }

    /// Whether there is something to sweep, and keys may change.
    pub(super) fn may_sweep(&self) -> bool {
        self.state.pause.is_none() && self.state.store.needs_sweep()
    }

    /// Gives those that a pause held their turns again, once it is over or was called off.
    fn end_pause(&mut self) {
        if let Some(pause) = self.state.pause
            && pause.until <= self.now
        {
            self.state.pause = None;
        }
        if self.state.pause.is_some() || !core::mem::take(&mut self.state.pause_holds) {
            return;
        }
        let indices: Vec<usize> = self.connections.indices().collect();
        for index in indices {
            if let Some(connection) = self.connections.get_mut(index)
                && connection.client.waits == Some(Wait::Pause)
            {
                connection.client.waits = None;
                queue_turn(&mut self.turns, connection, index);
            }
        }
    }

    /// Removes what the last look found to be expired and has the next stretch looked at. What it writes is synced with the next tick's
    /// writes.
    pub(super) fn sweep(&mut self) {
        let mut rest = SWEEP_PERIOD;
        if let Some(walked) = self.state.sweeps.take() {
            // A database that refuses writes keeps its expired values, which nobody can read.
            let swept = walked.and_then(|walked| {
                if walked.found_much() {
                    rest = SWEEP_BUSY;
                }
                rest = rest.max(walked.took.saturating_mul(SWEEP_SHARE));
                self.state.store.swept(walked)
            });
            if swept.is_err() {
                self.sweep_at = self.now.saturating_add(SWEEP_REST);
                return;
            }
        }
        self.sweep_at = self.now.saturating_add(rest);
        let store = &self.state.store;
        if store.needs_sweep() && self.state.sweeps.want(store.somewhere(), store.now_ms()) {
            self.state.requested |= Work::SWEEP;
        }
    }

    pub(super) fn tidy(&mut self) {
        self.tidy_at = self.now.saturating_add(SECOND);
        self.state.commands_per_second = self
            .state
            .counters
            .commands
            .saturating_sub(self.commands_at_tidy);
        self.commands_at_tidy = self.state.counters.commands;
        let mut freed = 0;
        let now_ms = self.state.store.now_ms();
        let options = &self.state.options;
        for connection in self.connections.iter_mut() {
            let (soft_bytes, soft_seconds) = options.client_output_soft;
            if soft_bytes == 0 || connection.unsent() <= soft_bytes {
                connection.client.over_soft_since_ms = None;
            }
            let over_since = (soft_bytes > 0 && connection.unsent() > soft_bytes)
                .then(|| *connection.client.over_soft_since_ms.get_or_insert(now_ms));
            let is_older =
                |since_ms: u64, seconds: u64| now_ms.saturating_sub(since_ms) / 1000 >= seconds;
            // Who asks for metrics has a minute for it, and so has who is only to take its last replies, as it asks for no more.
            let idle_seconds_max =
                match connection.http || connection.client.closing || connection.ended {
                    true => LAST_SECONDS,
                    false => options.idle_seconds_max,
                };
            let is_idle = idle_seconds_max > 0
                && connection.client.waits.is_none()
                && is_older(connection.client.active_ms, idle_seconds_max);
            let is_deaf = over_since.is_some_and(|since_ms| is_older(since_ms, soft_seconds));
            if is_idle || is_deaf {
                connection.cut_off();
                self.state.kills_pending = true;
                self.state.counters.evicted += u64::from(is_deaf);
            }
            connection.tidy();
            // Its completion asks for readiness in its place.
            if connection.reading_with_buffer
                && connection.client.waits.is_none()
                && is_older(connection.client.active_ms, 1)
                && let Some(id) = connection.reading
            {
                self.ring.cancel(id);
            }
            let bytes = connection.memory_bytes();
            freed += connection.memory.saturating_sub(bytes);
            connection.memory = bytes.min(connection.memory);
        }
        self.state.clients_memory = self.state.clients_memory.saturating_sub(freed);
    }
}
