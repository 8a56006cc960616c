//! Datagrams over IP (UDP). No call here waits; a ring's [`Op::Ready`](super::Op::Ready) tells when one would not.
//!
//! Datagrams may be lost, doubled and reordered; what arrives is whole.
#![allow(
    unsafe_code,
    reason = "a successful read is a promise about initialised bytes"
)]

use super::net::Net;
use crate::error::{Error, Operation, Result};
use core::mem::MaybeUninit;
use core::net::SocketAddr;

/// A datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes in the buffer.
    pub bytes: usize,
    /// Bytes that the datagram had. More than `bytes`: the buffer was too small, and the rest is gone.
    pub whole_bytes: usize,
    /// The sender.
    pub peer: SocketAddr,
}

/// Sockets for datagrams. They are sockets of [`Net`], so that rings and [`Net::local_address`] take them.
///
/// A platform without them says so by [`Caps::DATAGRAMS`](super::Caps::DATAGRAMS); the defaults here are `Unsupported`.
///
/// # Safety
/// A `try_receive_from` that returns `Ok` has `bytes <= buffer.len()` and has initialised so many bytes.
pub unsafe trait Datagrams: Net {
    /// A socket for datagrams at `address`. Port 0 picks a free one.
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `TooManyHandles`, `Unsupported`.
    fn bind_datagrams(&self, address: &SocketAddr) -> Result<Self::Socket> {
        let _ = address;
        Err(Error::unsupported(Operation::Listen))
    }

    /// Sends to and hears from `peer` alone from now on; [`Net::try_send`] and [`Net::try_receive`] work then, a datagram a call.
    ///
    /// # Errors
    /// `Unreachable`, `InvalidInput`.
    fn connect_datagrams(&self, socket: &Self::Socket, peer: &SocketAddr) -> Result<()> {
        let _ = (socket, peer);
        Err(Error::unsupported(Operation::Connect))
    }

    /// Sends one datagram, whole or not at all, and returns its length.
    ///
    /// # Errors
    /// `WouldBlock`; `InvalidInput` for one that is too long; `Unreachable`; `ConnectionRefused` if an earlier one was refused.
    fn try_send_to(&self, socket: &Self::Socket, bytes: &[u8], peer: &SocketAddr) -> Result<usize> {
        let _ = (socket, bytes, peer);
        Err(Error::unsupported(Operation::Send))
    }

    /// Takes one datagram, or as much of it as fits.
    ///
    /// # Errors
    /// `WouldBlock` if none is there; `ConnectionRefused` if an earlier one of this side's was refused.
    fn try_receive_from(
        &self,
        socket: &Self::Socket,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<Datagram> {
        let _ = (socket, buffer);
        Err(Error::unsupported(Operation::Receive))
    }

    /// Hears what is sent to the group `group` too, which must be a multicast address, on the interface of the system's choice.
    ///
    /// # Errors
    /// `InvalidInput`; `AddressNotAvailable` or `Unsupported` where there is no such interface.
    fn join_group(&self, socket: &Self::Socket, group: core::net::IpAddr) -> Result<()> {
        let _ = (socket, group);
        Err(Error::unsupported(Operation::SocketOption))
    }
}
