//! Stream sockets: born non-blocking and close-on-exec, never raising `SIGPIPE`.
#![allow(unsafe_code, reason = "a successful read is a promise")]

use crate::Linux;
use crate::error::{error, error_as};
use crate::platform::refused;
use alloc::sync::{Arc, Weak};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrAny, SocketFlags,
    SocketType, ipproto, sockopt,
};
use underpin_core::platform::readiness::Connecting;
use underpin_core::platform::{Caps, ListenOptions, Net, ShutdownHow};
use underpin_core::{Error, Kind, Operation, Result};

/// Slices that one send hands to the kernel; a longer list makes a short send.
const SLICES_MAX: usize = 64;

pub(crate) const SOCKET_FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A listener or a connection. Clones share one descriptor, which is closed with the last of them.
#[derive(Clone, Debug)]
pub struct Socket(Arc<Descriptor>);

/// What the clones of a socket share.
#[derive(Debug)]
pub struct Descriptor {
    fd: OwnedFd,
    kind: SocketKind,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Listener,
    Stream,
    Datagram,
    /// Something else, which its user reads and writes himself.
    Watched,
}

impl Socket {
    pub(crate) fn new(fd: OwnedFd, kind: SocketKind) -> Self {
        Self(Arc::new(Descriptor { fd, kind }))
    }

    /// A pipe, a process or whatever else rings can watch ([`Op::Ready`](underpin_core::platform::Op::Ready)); the calls of [`Net`] are not for it.
    #[must_use]
    pub fn watched(fd: OwnedFd) -> Self {
        Self::new(fd, SocketKind::Watched)
    }

    pub(crate) fn kind(&self) -> SocketKind {
        self.0.kind
    }

    /// The descriptor's number, for calls that the seam does not have. It names this socket while the value lives.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.as_fd().as_raw_fd()
    }

    /// The descriptor, for calls that the seam does not have.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }

    /// A reference that tells this socket from a later one with the same descriptor number, and keeps nothing open.
    pub(crate) fn downgrade(&self) -> Weak<Descriptor> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn is(&self, other: &Weak<Descriptor>) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.0), other.as_ptr())
    }
}

pub(crate) fn family(address: &SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

pub(crate) fn ip_address(operation: Operation, address: SocketAddrAny) -> Result<SocketAddr> {
    SocketAddr::try_from(address).map_err(|errno| error(operation, errno))
}

/// A new socket on its way to `address`: the connection stands, or will, or has failed, once the socket is writable.
pub(crate) fn start_connect(address: &SocketAddr) -> Result<Connecting<Socket>> {
    let fd = rustix::net::socket_with(
        family(address),
        SocketType::STREAM,
        SOCKET_FLAGS,
        Some(ipproto::TCP),
    )
    .map_err(|errno| refused(Caps::NET, Operation::Connect, errno))?;
    Ok(match rustix::net::connect(&fd, address) {
        // An interrupted connect goes on in the background like one that would block.
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {
            Connecting::Started(Socket::new(fd, SocketKind::Stream))
        }
        Err(errno) => Connecting::Failed(connect_error(errno)),
    })
}

/// `EAGAIN` from connect means that no local port is left, not that waiting helps.
fn connect_error(errno: Errno) -> Error {
    match errno {
        Errno::AGAIN => error_as(Operation::Connect, Kind::AddressNotAvailable, errno),
        // Linux reports a broadcast or forbidden peer so.
        errno => error(Operation::Connect, errno),
    }
}

/// How a connect that was started stands: `WouldBlock` if it still goes on.
pub(crate) fn finish_connect(socket: &Socket) -> Result<()> {
    const OP: Operation = Operation::Connect;
    match sockopt::socket_error(socket.as_fd()) {
        Ok(Ok(())) => match rustix::net::getpeername(socket.as_fd()) {
            Ok(_) => Ok(()),
            Err(Errno::NOTCONN) => Err(error_as(OP, Kind::WouldBlock, Errno::INPROGRESS)),
            Err(errno) => Err(error(OP, errno)),
        },
        Ok(Err(errno)) => Err(connect_error(errno)),
        Err(errno) => Err(error(OP, errno)),
    }
}

#[inline]
fn receive(socket: &Socket, buffer: &mut [MaybeUninit<u8>], flags: RecvFlags) -> Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    retry_on_intr(|| {
        rustix::net::recv(socket.as_fd(), &mut *buffer, flags)
            .map(|((received, _), _)| received.len())
    })
    .map_err(|errno| error(Operation::Receive, errno))
}

/// Options of connections are not for listeners, where Linux takes them all the same.
fn option(
    socket: &Socket,
    set: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>,
) -> Result<()> {
    const OP: Operation = Operation::SocketOption;
    if socket.kind() != SocketKind::Stream {
        return Err(Error::new(OP, Kind::InvalidInput));
    }
    set(socket.as_fd()).map_err(|errno| error(OP, errno))
}

// SAFETY: the count is the kernel's, which fills what it counts and never more than it was given.
unsafe impl Net for Linux {
    type Socket = Socket;

    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<Socket> {
        const OP: Operation = Operation::Listen;
        let attempt = || {
            let protocol = Some(ipproto::TCP);
            let fd = rustix::net::socket_with(
                family(address),
                SocketType::STREAM,
                SOCKET_FLAGS,
                protocol,
            )?;
            if options.reuse_address {
                sockopt::set_socket_reuseaddr(&fd, true)?;
            }
            if options.reuse_port {
                sockopt::set_socket_reuseport(&fd, true)?;
            }
            rustix::net::bind(&fd, address)?;
            let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
            rustix::net::listen(&fd, backlog)?;
            Ok(fd)
        };
        attempt()
            .map(|fd| Socket::new(fd, SocketKind::Listener))
            .map_err(|errno| refused(Caps::NET, OP, errno))
    }

    fn try_accept(&self, listener: &Socket) -> Result<(Socket, SocketAddr)> {
        const OP: Operation = Operation::Accept;
        loop {
            match rustix::net::acceptfrom_with(listener.as_fd(), SOCKET_FLAGS) {
                Ok((fd, Some(peer))) => {
                    return Ok((Socket::new(fd, SocketKind::Stream), ip_address(OP, peer)?));
                }
                Ok((_, None)) => return Err(Error::new(OP, Kind::NotConnected)),
                // These are errors of the connection that was taken off the queue, not of the listener: take the next.
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PROTO
                    | Errno::NETDOWN
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::NONET
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH,
                ) => {}
                Err(errno) => return Err(error(OP, errno)),
            }
        }
    }

    fn try_peek(&self, socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        receive(socket, buffer, RecvFlags::PEEK)
    }

    #[inline]
    fn try_receive(&self, socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        receive(socket, buffer, RecvFlags::empty())
    }

    fn try_receive_vectored(&self, socket: &Socket, buffers: &mut [&mut [u8]]) -> Result<usize> {
        let count = buffers.iter().filter(|buffer| !buffer.is_empty()).count();
        let count = count.min(SLICES_MAX);
        if count == 0 {
            return Ok(0);
        }
        let mut buffers = buffers.iter_mut().filter(|buffer| !buffer.is_empty());
        let mut list: [IoSliceMut<'_>; SLICES_MAX] =
            core::array::from_fn(|_| match buffers.next() {
                Some(buffer) => IoSliceMut::new(buffer),
                None => IoSliceMut::new(&mut []),
            });
        retry_on_intr(|| rustix::io::readv(socket.as_fd(), &mut list[..count]))
            .map_err(|errno| error(Operation::Receive, errno))
    }

    #[inline]
    fn try_send(&self, socket: &Socket, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        retry_on_intr(|| rustix::net::send(socket.as_fd(), bytes, SendFlags::NOSIGNAL))
            .map_err(|errno| error(Operation::Send, errno))
    }

    fn try_send_vectored(&self, socket: &Socket, slices: &[&[u8]]) -> Result<usize> {
        let mut list = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let Some(slot) = list.get_mut(count) else {
                break;
            };
            *slot = IoSlice::new(slice);
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        retry_on_intr(|| {
            rustix::net::sendmsg(
                socket.as_fd(),
                &list[..count],
                &mut SendAncillaryBuffer::default(),
                SendFlags::NOSIGNAL,
            )
        })
        .map_err(|errno| error(Operation::Send, errno))
    }

    fn shutdown(&self, socket: &Socket, how: ShutdownHow) -> Result<()> {
        let how = match how {
            ShutdownHow::Read => Shutdown::Read,
            ShutdownHow::Write => Shutdown::Write,
            ShutdownHow::Both => Shutdown::Both,
        };
        rustix::net::shutdown(socket.as_fd(), how)
            .map_err(|errno| error(Operation::Shutdown, errno))
    }

    fn local_address(&self, socket: &Socket) -> Result<SocketAddr> {
        const OP: Operation = Operation::SocketOption;
        let address = rustix::net::getsockname(socket.as_fd()).map_err(|errno| error(OP, errno))?;
        ip_address(OP, address)
    }

    fn peer_address(&self, socket: &Socket) -> Result<SocketAddr> {
        const OP: Operation = Operation::SocketOption;
        match rustix::net::getpeername(socket.as_fd()) {
            Ok(Some(address)) => ip_address(OP, address),
            Ok(None) => Err(Error::new(OP, Kind::NotConnected)),
            Err(errno) => Err(error(OP, errno)),
        }
    }

    fn set_no_delay(&self, socket: &Socket, on: bool) -> Result<()> {
        option(socket, |fd| sockopt::set_tcp_nodelay(fd, on))
    }

    fn set_keep_alive(&self, socket: &Socket, after: Option<Duration>) -> Result<()> {
        option(socket, |fd| {
            if let Some(after) = after {
                sockopt::set_tcp_keepidle(fd, after)?;
                sockopt::set_tcp_keepintvl(fd, after)?;
            }
            sockopt::set_socket_keepalive(fd, after.is_some())
        })
    }

    fn set_linger(&self, socket: &Socket, time: Option<Duration>) -> Result<()> {
        option(socket, |fd| sockopt::set_socket_linger(fd, time))
    }
}
