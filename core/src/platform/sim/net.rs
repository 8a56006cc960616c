//! Stream sockets of the seam, on the simulated network.
#![allow(
    unsafe_code,
    reason = "Net is an unsafe trait: a promise about initialised bytes"
)]

use super::Sim;
use super::file::on;
use super::machine::{Power, State};
use super::network::SocketId;
use super::trace::What;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Datagrams, ListenOptions, LocalSockets, Net, ShutdownHow};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::net::SocketAddr;

/// A socket of a simulated machine.
#[derive(Clone, Debug)]
pub struct SimSocket(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    sim: Sim,
    id: SocketId,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.sim.state();
        if state.power == Power::On {
            state.event(What::Drop, [self.id, 0]);
            let now = state.clock.now_ns();
            state.network.close(self.id, now);
            state.scheduler.wake_rings();
        }
    }
}

impl SimSocket {
    pub(super) fn new(sim: &Sim, id: SocketId) -> Self {
        Self(Arc::new(Handle {
            sim: sim.clone(),
            id,
        }))
    }

    pub(super) fn id(&self) -> SocketId {
        self.0.id
    }

    pub(super) fn is_of(&self, sim: &Sim) -> bool {
        Arc::ptr_eq(&self.0.sim.0, &sim.0)
    }
}

impl State {
    /// What can be received, at most `count` bytes.
    pub(super) fn receive(&mut self, id: SocketId, count: usize) -> Result<Vec<u8>> {
        let now = self.clock.now_ns();
        if self.network.is_readable(id, now) {
            self.strike_stream(Operation::Receive, id)?;
        }
        let odds = self.faults.odds.short_transfer_ppm;
        let count = self.faults.shorten(count, odds);
        let bytes = on(Operation::Receive, self.network.receive(id, count, now))?;
        self.trace.bytes(&bytes);
        self.scheduler.wake_rings();
        Ok(bytes)
    }

    /// Sends what fits of `bytes`.
    pub(super) fn send(&mut self, id: SocketId, bytes: &[u8]) -> Result<usize> {
        let now = self.clock.now_ns();
        if self.network.is_writable(id, now) {
            self.strike_stream(Operation::Send, id)?;
        }
        let odds = self.faults.odds.short_transfer_ppm;
        let count = self.faults.shorten(bytes.len(), odds);
        let sent = on(Operation::Send, self.network.send(id, &bytes[..count], now))?;
        self.trace.bytes(&bytes[..sent]);
        self.scheduler.wake_rings();
        Ok(sent)
    }

    /// An injected failure of a transfer breaks the connection, if it is of that kind.
    fn strike_stream(&mut self, operation: Operation, id: SocketId) -> Result<()> {
        self.strike(operation).inspect_err(|error| {
            if error.kind() == Kind::ConnectionReset {
                let now = self.clock.now_ns();
                self.network.reset(id, now);
                self.scheduler.wake_rings();
            }
        })
    }
}

impl Sim {
    /// Refuses sockets of other machines.
    fn owns_socket(&self, socket: &SimSocket, operation: Operation) -> Result<()> {
        if socket.is_of(self) {
            return Ok(());
        }
        let lost = socket.0.sim.state().power != Power::On;
        let kind = if lost {
            Kind::PowerLost
        } else {
            Kind::InvalidInput
        };
        Err(Error::new(operation, kind))
    }

    fn socket_call(
        &self,
        socket: &SimSocket,
        operation: Operation,
    ) -> Result<super::machine::Guard<'_>> {
        self.owns_socket(socket, operation)?;
        let mut state = self.enter(operation)?;
        state.trace.detail([socket.id(), 0]);
        Ok(state)
    }

    /// As `socket_call`, without asking for faults: transfers ask themselves, once they would succeed.
    fn transfer_call(
        &self,
        socket: &SimSocket,
        operation: Operation,
    ) -> Result<super::machine::Guard<'_>> {
        self.owns_socket(socket, operation)?;
        let mut state = self.step(operation);
        state.alive(operation)?;
        state.trace.detail([socket.id(), 0]);
        Ok(state)
    }
}

// SAFETY: try_receive copies at most the buffer's length into it and returns the count copied.
unsafe impl Net for Sim {
    type Socket = SimSocket;

    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<SimSocket> {
        let mut state = self.enter(Operation::Listen)?;
        let id = on(Operation::Listen, state.network.listen(address, options))?;
        state.trace.detail([id, 0]);
        drop(state);
        Ok(SimSocket::new(self, id))
    }

    fn try_accept(&self, listener: &SimSocket) -> Result<(SimSocket, SocketAddr)> {
        let mut state = self.socket_call(listener, Operation::Accept)?;
        let now = state.clock.now_ns();
        let (id, peer) = on(Operation::Accept, state.network.accept(listener.id(), now))?;
        state.scheduler.wake_rings();
        drop(state);
        Ok((SimSocket::new(self, id), peer))
    }

    fn try_receive(&self, socket: &SimSocket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let mut state = self.transfer_call(socket, Operation::Receive)?;
        let bytes = state.receive(socket.id(), buffer.len())?;
        buffer[..bytes.len()].write_copy_of_slice(&bytes);
        Ok(bytes.len())
    }

    fn try_send(&self, socket: &SimSocket, bytes: &[u8]) -> Result<usize> {
        let mut state = self.transfer_call(socket, Operation::Send)?;
        state.send(socket.id(), bytes)
    }

    fn shutdown(&self, socket: &SimSocket, how: ShutdownHow) -> Result<()> {
        let mut state = self.socket_call(socket, Operation::Shutdown)?;
        let now = state.clock.now_ns();
        on(
            Operation::Shutdown,
            state.network.shutdown(socket.id(), how, now),
        )?;
        state.scheduler.wake_rings();
        Ok(())
    }

    fn local_address(&self, socket: &SimSocket) -> Result<SocketAddr> {
        let state = self.socket_call(socket, Operation::SocketOption)?;
        on(
            Operation::SocketOption,
            state.network.local_address(socket.id()),
        )
    }

    fn peer_address(&self, socket: &SimSocket) -> Result<SocketAddr> {
        let mut state = self.socket_call(socket, Operation::SocketOption)?;
        on(
            Operation::SocketOption,
            state.network.peer_address(socket.id()),
        )
    }

    fn set_no_delay(&self, socket: &SimSocket, _on: bool) -> Result<()> {
        let state = self.socket_call(socket, Operation::SocketOption)?;
        if state.network.is_listener(socket.id()) {
            return Err(Error::new(Operation::SocketOption, Kind::InvalidInput));
        }
        // Delays here do not depend on the size of what is sent.
        Ok(())
    }
}

// SAFETY: nothing is ever received: the simulated network carries streams alone.
unsafe impl Datagrams for Sim {}

impl LocalSockets for Sim {}
