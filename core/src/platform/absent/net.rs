//! No sockets.
#![allow(unsafe_code, reason = "implements and forwards unsafe traits")]

use super::forward::{forward_files, forward_platform, forward_threads};
use crate::error::{Error, Operation, Result};
use crate::platform::{
    Cancel, Caps, Clock, ClockId, Completion, Datagrams, Entropy, Instant, ListenOptions,
    LocalSockets, Memory, MemoryInfo, Net, Op, OpId, Park, Platform, Protection, Reactor, Rejected,
    Ring, RingOptions, RingWaker, ShutdownHow, Woken,
};
use crate::sync::atomic::AtomicU32;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::ptr::NonNull;

/// A socket that cannot exist.
#[derive(Clone, Debug)]
pub enum NoSocket {}

/// A ring that cannot exist.
#[derive(Debug)]
pub enum NoRing {}

/// A waker that cannot exist.
#[derive(Clone, Debug)]
pub enum NoWaker {}

impl RingWaker for NoWaker {
    fn wake(&self) {
        match *self {}
    }
}

impl Ring for NoRing {
    type Socket = NoSocket;
    type Waker = NoWaker;

    fn submit(
        &mut self,
        _op: Op<NoSocket>,
        _token: u64,
    ) -> core::result::Result<OpId, Rejected<NoSocket>> {
        match *self {}
    }
    fn cancel(&mut self, _id: OpId) -> Cancel {
        match *self {}
    }
    fn pending(&self) -> usize {
        match *self {}
    }
    fn wait<E: Extend<Completion<NoSocket>>>(
        &mut self,
        _until: Option<Instant>,
        _out: &mut E,
    ) -> Result<usize> {
        match *self {}
    }
    fn waker(&self) -> NoWaker {
        match *self {}
    }
}

/// A platform without sockets: listening and rings are `Unsupported`.
#[derive(Clone, Copy, Debug)]
pub struct NoNet<P>(pub P);

forward_platform!(NoNet, without Caps::NET | Caps::REACTOR | Caps::DATAGRAMS | Caps::LOCAL_SOCKETS);
forward_threads!(NoNet);
forward_files!(NoNet);

// SAFETY: no read ever succeeds.
unsafe impl<P: Platform> Net for NoNet<P> {
    type Socket = NoSocket;

    fn listen(&self, _address: &SocketAddr, _options: &ListenOptions) -> Result<NoSocket> {
        Err(Error::unsupported(Operation::Listen))
    }
    fn try_accept(&self, listener: &NoSocket) -> Result<(NoSocket, SocketAddr)> {
        match *listener {}
    }
    fn try_receive(&self, socket: &NoSocket, _buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        match *socket {}
    }
    fn try_send(&self, socket: &NoSocket, _bytes: &[u8]) -> Result<usize> {
        match *socket {}
    }
    fn shutdown(&self, socket: &NoSocket, _how: ShutdownHow) -> Result<()> {
        match *socket {}
    }
    fn local_address(&self, socket: &NoSocket) -> Result<SocketAddr> {
        match *socket {}
    }
    fn peer_address(&self, socket: &NoSocket) -> Result<SocketAddr> {
        match *socket {}
    }
    fn set_no_delay(&self, socket: &NoSocket, _on: bool) -> Result<()> {
        match *socket {}
    }
}

// SAFETY: no read ever succeeds.
unsafe impl<P: Platform> Datagrams for NoNet<P> {}

impl<P: Platform> LocalSockets for NoNet<P> {}

impl<P: Platform> Reactor for NoNet<P> {
    type Ring = NoRing;

    fn ring(&self, _options: &RingOptions) -> Result<NoRing> {
        Err(Error::unsupported(Operation::Ring))
    }
}
