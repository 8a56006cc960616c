//! Listening and welcoming: who comes, who is turned away, and the rest when handles have run out.
#![forbid(unsafe_code)]

use super::{EventLoop, METRICS_LISTENER};
use crate::server::client::Client;
use crate::server::connection::Connection;
use crate::server::metrics;
use core::net::SocketAddr;
use core::time::Duration;
use underpin_core::Kind;
use underpin_core::platform::{Files, Interest, Op, OpId, Reactor, Ring};

/// Connections accepted in one tick.
const ACCEPTS_MAX: usize = 256;
/// How long accepting rests when handles have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket, if there is one (any more), and the pending wait for connections to it.
#[derive(Debug)]
pub(super) struct Listener<S> {
    pub(super) socket: Option<S>,
    pub(super) waiting: Option<OpId>,
}

impl<P: Files + Reactor> EventLoop<P> {
    pub(super) fn listener_of(&mut self, token: u64) -> &mut Listener<P::Socket> {
        match token {
            METRICS_LISTENER => &mut self.metrics_listener,
            _ => &mut self.listener,
        }
    }

    /// Waits for a listener, unless that is being done or accepting rests.
    pub(super) fn listen_on(&mut self, token: u64) {
        let rests = self.accept_after.is_some();
        let Listener { socket, waiting } = self.listener_of(token);
        let (Some(listener), None, false) = (&*socket, *waiting, rests) else {
            return;
        };
        let op = Op::Ready {
            socket: listener.clone(),
            interest: Interest::Read,
        };
        match self.ring.submit(op, token) {
            Ok(id) => self.listener_of(token).waiting = Some(id),
            Err(_) => self.accept_after = Some(self.now.saturating_add(ACCEPT_PAUSE)),
        }
    }

    pub(super) fn accept(&mut self, token: u64) {
        let Some(listener) = self.listener_of(token).socket.clone() else {
            return;
        };
        for _ in 0..ACCEPTS_MAX {
            match self.state.platform.try_accept(&listener) {
                Ok((socket, peer)) => self.welcome(socket, peer, token == METRICS_LISTENER),
                // The peer went away before its turn came.
                Err(error) if error.kind() == Kind::ConnectionAborted => {}
                Err(error) if error.kind() == Kind::WouldBlock => break,
                Err(_) => {
                    self.accept_after = Some(self.now.saturating_add(ACCEPT_PAUSE));
                    break;
                }
            }
        }
        self.listen_on(token);
    }

    pub(super) fn welcome(&mut self, socket: P::Socket, peer: SocketAddr, http: bool) {
        if http && self.http_count >= metrics::CONNECTIONS_MAX {
            return;
        }
        let is_full = |this: &Self| {
            this.connections.len() - this.http_count >= this.state.options.clients_max
        };
        // A pause answers also those who have said all and wait, but they look like those who left: they go first.
        if !http
            && is_full(self)
            && let Some(index) = self.connections.held_and_ended()
        {
            self.state.counters.evicted += 1;
            self.close(index);
        }
        let platform = &self.state.platform;
        if !http && is_full(self) {
            self.state.counters.rejected += 1;
            // As much as fits; the connection ends either way.
            let _ = platform.try_send(&socket, b"-ERR max number of clients reached\r\n");
            return;
        }
        // Without it replies are merely slower.
        let _ = platform.set_no_delay(&socket, true);
        let local = platform
            .local_address(&socket)
            .unwrap_or(self.state.address);
        let mut client = Client::new(self.next_id, peer, local, self.state.store.now_ms());
        client.authenticated = self.state.options.password.is_none();
        self.next_id += 1;
        self.state.counters.connections += u64::from(!http);
        self.http_count += usize::from(http);
        let mut connection = Connection::new(socket, client, self.state.options.limits);
        connection.http = http;
        let index = self.connections.insert(Box::new(connection));
        self.wait_read(index);
    }
}
