//! Datagrams: UDP sockets, non-blocking and close-on-exec.
#![allow(unsafe_code, reason = "a successful read is a promise")]

use crate::Linux;
use crate::error::error;
use crate::net::{SOCKET_FLAGS, Socket, SocketKind, family, ip_address};
use crate::platform::refused;
use core::mem::MaybeUninit;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags, SocketType, ipproto, sockopt};
use underpin_core::platform::{Caps, Datagram, Datagrams};
use underpin_core::{Error, Kind, Operation, Result};

// SAFETY: the count is the kernel's, which fills what it counts and never more than it was given.
unsafe impl Datagrams for Linux {
    fn bind_datagrams(&self, address: &SocketAddr) -> Result<Socket> {
        const OP: Operation = Operation::Listen;
        let attempt = || {
            let protocol = Some(ipproto::UDP);
            let fd = rustix::net::socket_with(
                family(address),
                SocketType::DGRAM,
                SOCKET_FLAGS,
                protocol,
            )?;
            rustix::net::bind(&fd, address)?;
            Ok(fd)
        };
        attempt()
            .map(|fd| Socket::new(fd, SocketKind::Datagram))
            .map_err(|errno| refused(Caps::DATAGRAMS, OP, errno))
    }

    fn connect_datagrams(&self, socket: &Socket, peer: &SocketAddr) -> Result<()> {
        rustix::net::connect(socket.as_fd(), peer).map_err(|errno| error(Operation::Connect, errno))
    }

    fn try_send_to(&self, socket: &Socket, bytes: &[u8], peer: &SocketAddr) -> Result<usize> {
        retry_on_intr(|| rustix::net::sendto(socket.as_fd(), bytes, SendFlags::NOSIGNAL, peer))
            .map_err(|errno| error(Operation::Send, errno))
    }

    fn try_receive_from(
        &self,
        socket: &Socket,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<Datagram> {
        const OP: Operation = Operation::Receive;
        // With this flag the kernel tells the datagram's own length.
        let (bytes, whole_bytes, peer) = retry_on_intr(|| {
            rustix::net::recvfrom(socket.as_fd(), &mut *buffer, RecvFlags::TRUNC)
                .map(|((received, _), whole, peer)| (received.len(), whole, peer))
        })
        .map_err(|errno| error(OP, errno))?;
        let peer = peer.ok_or(Error::new(OP, Kind::NotConnected))?;
        Ok(Datagram {
            bytes,
            whole_bytes,
            peer: ip_address(OP, peer)?,
        })
    }

    fn join_group(&self, socket: &Socket, group: IpAddr) -> Result<()> {
        const OP: Operation = Operation::SocketOption;
        if !group.is_multicast() {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        match group {
            IpAddr::V4(group) => {
                sockopt::set_ip_add_membership(socket.as_fd(), &group, &Ipv4Addr::UNSPECIFIED)
            }
            IpAddr::V6(group) => sockopt::set_ipv6_add_membership(socket.as_fd(), &group, 0),
        }
        .map_err(|errno| match errno {
            // No interface hears groups.
            rustix::io::Errno::NODEV => {
                crate::error::error_as(OP, Kind::AddressNotAvailable, errno)
            }
            errno => error(OP, errno),
        })
    }
}
