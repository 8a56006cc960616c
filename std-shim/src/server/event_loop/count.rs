//! `DBSIZE`: keys are counted a millisecond a tick, and only who asked waits.
#![forbid(unsafe_code)]

use super::EventLoop;
use crate::server::command;
use crate::server::resp::Reply;
use crate::server::store;
use core::time::Duration;
use underpin_core::platform::{ClockId, Files, Reactor};

/// Time that a tick counts keys.
const COUNT_TIME: Duration = Duration::from_millis(1);

impl<P: Files + Reactor> EventLoop<P> {
    /// Counts keys for a while, if somebody waits for it, and answers when they are counted. Whoever asked after the count had
    /// begun waits for the next one, which sees what it had written.
    pub(super) fn count(&mut self) {
        if self.counting.is_empty() {
            if self.count_waiters.is_empty() {
                return;
            }
            self.counting = core::mem::take(&mut self.count_waiters);
            if let Err(error) = self.state.store.begin_count() {
                self.counted(Err(error));
                return;
            }
        }
        let until = self.now.saturating_add(COUNT_TIME);
        loop {
            match self.state.store.step_count() {
                Ok(None) if self.state.platform.now(ClockId::Monotonic) < until => {}
                Ok(None) => return,
                Ok(Some(keys)) => return self.counted(Ok(keys)),
                Err(error) => return self.counted(Err(error)),
            }
        }
    }

    pub(super) fn counted(&mut self, result: Result<usize, store::Error>) {
        let result = result.map_err(command::Failure::from);
        for (index, generation) in core::mem::take(&mut self.counting) {
            if self.connections.generation(index) != Some(generation) {
                continue;
            }
            let Some(connection) = self.connections.get_mut(index) else {
                continue;
            };
            connection.client.waits = None;
            if connection.client.closing {
                // It was killed meanwhile.
                continue;
            }
            let mut reply = Reply::new(&mut connection.output, connection.client.protocol);
            match &result {
                Ok(keys) => reply.integer(i64::try_from(*keys).unwrap_or(i64::MAX)),
                Err(failure) => {
                    reply.error(failure.as_bytes());
                    self.state.note_error(failure.as_bytes());
                }
            }
            self.touched.push(index);
        }
    }
}
