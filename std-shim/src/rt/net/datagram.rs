//! UDP. See [`underpin_core::exec::net::UdpSocket`] for what a dropped future leaves: nothing is lost.
#![forbid(unsafe_code)]

use super::addresses;
use crate::rt::ThreadHost;
use crate::rt::runtime::with;
use crate::sys::{Datagram, Native, ResultExt};
use core::net::{IpAddr, SocketAddr};
use std::io;
use std::net::ToSocketAddrs;
use underpin_core::exec::net as core_net;

/// A socket for datagrams. Linux alone has it yet; elsewhere `bind` says `Unsupported`.
#[derive(Debug)]
pub struct UdpSocket(core_net::UdpSocket<Native, ThreadHost>);

impl UdpSocket {
    /// A socket at the first address that can be had; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// As [`handle`](crate::rt::handle).
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = super::no_address();
        for address in addresses(address)? {
            match with(|handle| core_net::UdpSocket::bind(handle, &address)).into_io() {
                Ok(socket) => return Ok(Self(socket)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Names the peer of [`send`](Self::send); only its datagrams are received from then on.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.connect(&peer).into_io()
    }

    /// Sends a datagram to `peer`. Cancel-safe: a dropped future sent nothing.
    ///
    /// # Errors
    /// The system's.
    pub async fn send_to(&mut self, bytes: &[u8], peer: SocketAddr) -> io::Result<usize> {
        self.0.send_to(bytes, &peer).await.into_io()
    }

    /// Sends a datagram to the connected peer. Cancel-safe.
    ///
    /// # Errors
    /// The system's.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes).await.into_io()
    }

    /// Waits for a datagram; one that is longer than `buffer` is cut, which the result tells. Cancel-safe.
    ///
    /// # Errors
    /// The system's.
    pub async fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<Datagram> {
        self.0.receive_from(buffer).await.into_io()
    }

    /// Receives what is sent to a group, too.
    ///
    /// # Errors
    /// The system's.
    pub fn join_multicast(&self, group: IpAddr) -> io::Result<()> {
        self.0.join_group(group).into_io()
    }

    /// Where it is.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_address().into_io()
    }
}
