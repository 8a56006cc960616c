//! Datagrams (UDP).
#![allow(
    unsafe_code,
    reason = "initialised bytes are lent as maybe initialised ones"
)]

use super::readiness::Readiness;
use crate::error::Result;
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::platform::{Datagram, Datagrams, Interest, Reactor};
use core::fmt;
use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};

/// A socket for datagrams. Each call moves one, whole, in the poll that gives its result, so every future here may be dropped: a
/// datagram is given to the caller or stays in the system's queue.
pub struct UdpSocket<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    socket: P::Socket,
    read: Readiness,
    write: Readiness,
}

impl<P: Reactor + Datagrams, H: Host> UdpSocket<P, H> {
    /// A socket at `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `TooManyHandles`, `Unsupported`.
    pub fn bind(handle: &Handle<P, H>, address: &SocketAddr) -> Result<Self> {
        Ok(Self {
            socket: handle.platform().bind_datagrams(address)?,
            handle: handle.clone(),
            read: Readiness::new(Interest::Read),
            write: Readiness::new(Interest::Write),
        })
    }

    /// Names the peer of [`send`](Self::send); only its datagrams are received from then on.
    ///
    /// # Errors
    /// `AddressNotAvailable`, `Unreachable`.
    pub fn connect(&self, peer: &SocketAddr) -> Result<()> {
        self.handle.platform().connect_datagrams(&self.socket, peer)
    }

    /// Sends a datagram to `peer`. Cancel-safe: a dropped future sent nothing.
    ///
    /// # Errors
    /// `InvalidInput` for one that is too large; `Unreachable`, `ConnectionRefused` (of one sent earlier).
    pub async fn send_to(&mut self, bytes: &[u8], peer: &SocketAddr) -> Result<usize> {
        poll_fn(|cx| {
            let shared = &*self.handle.0;
            let send = || shared.platform.try_send_to(&self.socket, bytes, peer);
            self.write.poll(shared, &self.socket, cx, |_| false, send)
        })
        .await
    }

    /// Sends a datagram to the connected peer. Cancel-safe.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); `NotConnected`.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<usize> {
        poll_fn(|cx| {
            let shared = &*self.handle.0;
            let send = || shared.platform.try_send(&self.socket, bytes);
            self.write.poll(shared, &self.socket, cx, |_| false, send)
        })
        .await
    }

    /// Waits for a datagram. What is longer than `buffer` is cut, which the result tells. Cancel-safe.
    ///
    /// # Errors
    /// `ConnectionRefused`, of a datagram sent earlier.
    pub async fn receive_from(&mut self, buffer: &mut [u8]) -> Result<Datagram> {
        poll_fn(|cx| self.poll_receive_from(cx, buffer)).await
    }

    /// As [`receive_from`](Self::receive_from), for hand-written futures.
    ///
    /// # Errors
    /// As `receive_from`.
    pub fn poll_receive_from(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Datagram>> {
        // SAFETY: initialised bytes are also maybe initialised ones, and the call writes nothing but bytes.
        let buffer = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
        let shared = &*self.handle.0;
        let receive = || shared.platform.try_receive_from(&self.socket, buffer);
        self.read.poll(shared, &self.socket, cx, |_| false, receive)
    }

    /// Receives what is sent to a group, too.
    ///
    /// # Errors
    /// `InvalidInput` for an address that is no group's.
    pub fn join_group(&self, group: IpAddr) -> Result<()> {
        self.handle.platform().join_group(&self.socket, group)
    }

    /// Where it is.
    ///
    /// # Errors
    /// `Io`.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.handle.platform().local_address(&self.socket)
    }
}

impl<P: Reactor, H: Host> Drop for UdpSocket<P, H> {
    fn drop(&mut self) {
        self.read.close_now(&self.handle.0);
        self.write.close_now(&self.handle.0);
    }
}

impl<P: Reactor, H: Host> fmt::Debug for UdpSocket<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
