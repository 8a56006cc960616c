//! From bytes to replies: reading, whole requests, and what a connection keeps of both.
#![forbid(unsafe_code)]

use super::EventLoop;
use crate::server::client::Wait;
use crate::server::command::{self, Context};
use crate::server::connection::Connection;
use crate::server::metrics;
use crate::server::read_buffer::ReadBuffer;
use crate::server::resp::{Parsed, Reply};
use crate::server::state::State;
use underpin_core::Kind;
use underpin_core::platform::{ClockId, Files, Reactor};

impl<P: Files + Reactor> EventLoop<P> {
    /// Requests that wait come before more of them.
    pub(super) fn may_read(&self, connection: &Connection<P::Socket>) -> bool {
        let waits = connection.has_more || self.state.is_full(connection.unsent());
        !connection.client.closing && !connection.ended && !waits
    }

    pub(super) fn read(&mut self, connection: &mut Connection<P::Socket>) {
        // The buffer is lent to the requests while they run, so it cannot stay inside self.
        let mut buffer = core::mem::replace(&mut self.read_buffer, ReadBuffer::empty());
        match buffer.receive(&self.state.platform, &connection.socket) {
            Ok([]) => connection.ended = true,
            Ok(bytes) => {
                self.state.counters.input_bytes += bytes.len() as u64;
                let is_full = ReadBuffer::is_full(bytes.len());
                self.feed(connection, bytes);
                connection.readable = is_full;
                connection.has_more |= is_full;
            }
            Err(error) if error.kind() == Kind::WouldBlock => connection.readable = false,
            Err(_) => connection.fail(),
        }
        self.read_buffer = buffer;
    }

    /// Runs the whole requests in what is kept of the input and `bytes` after it; keeps the rest.
    pub(super) fn feed(&mut self, connection: &mut Connection<P::Socket>, bytes: &[u8]) {
        connection.has_more = false;
        if connection.http {
            self.feed_http(connection, bytes);
            return;
        }
        let mut kept = core::mem::take(&mut connection.input);
        if kept.is_empty() {
            let taken = self.run_requests(connection, bytes);
            connection.input = bytes.get(taken..).unwrap_or_default().to_vec();
        } else {
            kept.extend_from_slice(bytes);
            let taken = self.run_requests(connection, &kept);
            kept.drain(..taken);
            connection.input = kept;
        }
        connection.held_from = connection.input.len();
        if connection.client.closing {
            connection.input = Vec::new();
        } else if connection.input.len() + connection.client.state_bytes()
            > self.state.options.client_input_bytes_max
        {
            connection.client.closing = true;
            self.state.counters.evicted += 1;
        }
    }

    /// Answers a whole request for metrics; the connection then ends.
    pub(super) fn feed_http(&mut self, connection: &mut Connection<P::Socket>, bytes: &[u8]) {
        connection.input.extend_from_slice(bytes);
        let request = metrics::read(&connection.input);
        if request != metrics::Request::Incomplete {
            // The connection whose turn it is stands outside of the table.
            let connected = self.connections.clients().count();
            metrics::answer(request, &self.state, connected, &mut connection.output);
            connection.input = Vec::new();
            connection.client.closing = true;
        }
    }

    /// Runs requests from the start of `input` until there is no whole one, the output is full, the turn is over, or
    /// the client is done with; returns how many bytes they took.
    pub(super) fn run_requests(
        &mut self,
        connection: &mut Connection<P::Socket>,
        input: &[u8],
    ) -> usize {
        let mut taken = 0;
        while !connection.client.closing && !self.state.stop.is_set() {
            if connection.client.waits.is_some() {
                connection.has_more = true;
                break;
            }
            if self.state.is_full(connection.unsent()) {
                connection.has_more = true;
                break;
            }
            let rest = input.get(taken..).unwrap_or_default();
            let untrusted = !connection.client.authenticated;
            let limits = self.state.options.limits;
            connection.parser.set_limits(limits, untrusted);
            match connection.parser.parse(rest) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Request { bytes }) => {
                    let args = connection.parser.args(rest);
                    let protocol = connection.client.protocol;
                    if !args.is_empty() {
                        let mut context = Context {
                            state: &mut self.state,
                            client: &mut connection.client,
                            others: &mut self.connections,
                            sent: connection.sent,
                            in_exec: false,
                        };
                        let mut reply = Reply::new(&mut connection.output, protocol);
                        command::execute(&mut context, args, &mut reply);
                    }
                    if connection.client.waits == Some(Wait::Pause) {
                        // It runs when the pause is over.
                        connection.has_more = true;
                        break;
                    }
                    taken += bytes;
                    let now = self.state.platform.now(ClockId::Monotonic);
                    if let Some(command) = self.state.last_ran.take() {
                        let ns = now.as_ns().saturating_sub(self.request_start.as_ns());
                        self.state.statistics.took(command, ns);
                        if self.state.slow_log.wants(ns / 1000) {
                            let now_ms = self.state.store.now_ms();
                            let args = connection.parser.args(rest);
                            let slow_log = &mut self.state.slow_log;
                            slow_log.push(args, ns / 1000, now_ms, &connection.client);
                        }
                    }
                    self.request_start = now;
                    if now >= self.turn_until {
                        connection.has_more = true;
                        break;
                    }
                }
                Err(error) => {
                    let text = format!("ERR {error}");
                    Reply::new(&mut connection.output, connection.client.protocol)
                        .error(text.as_bytes());
                    self.state.note_error(text.as_bytes());
                    connection.client.closing = true;
                }
            }
        }
        taken
    }
}

/// Brings the connection's share of the clients' memory up to date.
pub(super) fn account<P: Files + Reactor>(
    state: &mut State<P>,
    connection: &mut Connection<P::Socket>,
) {
    connection.client.input_bytes = connection.input.len();
    connection.client.output_bytes = connection.unsent();
    let bytes = connection.memory_bytes();
    state.clients_memory = (state.clients_memory + bytes).saturating_sub(connection.memory);
    connection.memory = bytes;
}
