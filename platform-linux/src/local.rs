//! Stream sockets named by paths: Unix sockets, non-blocking and close-on-exec.
#![forbid(unsafe_code)]

use crate::Linux;
use crate::error::{error, error_as};
use crate::net::{SOCKET_FLAGS, Socket, SocketKind};
use crate::path::with_path;
use crate::platform::refused;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use underpin_core::platform::{Caps, LocalSockets};
use underpin_core::{Kind, Operation, Result};

fn make(operation: Operation) -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SOCKET_FLAGS, None)
        .map_err(|errno| refused(Caps::LOCAL_SOCKETS, operation, errno))
}

/// Calls `call` with the address that `path` names.
fn with_address<T>(
    operation: Operation,
    path: &[u8],
    call: impl FnOnce(&SocketAddrUnix) -> Result<T>,
) -> Result<T> {
    with_path(operation, path, |path| {
        // A path that is too long for the kernel's form.
        let address = SocketAddrUnix::new(path)
            .map_err(|errno| error_as(operation, Kind::InvalidInput, errno))?;
        call(&address)
    })
}

impl LocalSockets for Linux {
    fn listen_local(&self, path: &[u8], backlog: u32) -> Result<Socket> {
        const OP: Operation = Operation::Listen;
        with_address(OP, path, |address| {
            let fd = make(OP)?;
            rustix::net::bind(&fd, address).map_err(|errno| error(OP, errno))?;
            let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
            rustix::net::listen(&fd, backlog).map_err(|errno| error(OP, errno))?;
            Ok(Socket::new(fd, SocketKind::Listener))
        })
    }

    fn try_accept_local(&self, listener: &Socket) -> Result<Socket> {
        rustix::io::retry_on_intr(|| rustix::net::accept_with(listener.as_fd(), SOCKET_FLAGS))
            .map(|fd| Socket::new(fd, SocketKind::Stream))
            .map_err(|errno| error(Operation::Accept, errno))
    }

    fn connect_local(&self, path: &[u8]) -> Result<Socket> {
        const OP: Operation = Operation::Connect;
        with_address(OP, path, |address| {
            let fd = make(OP)?;
            // The kernel connects at once, says EAGAIN for a full queue, and may be interrupted only while it waits, which it does not.
            rustix::io::retry_on_intr(|| rustix::net::connect(&fd, address)).map_err(|errno| {
                match errno {
                    Errno::AGAIN => error_as(OP, Kind::WouldBlock, errno),
                    errno => error(OP, errno),
                }
            })?;
            Ok(Socket::new(fd, SocketKind::Stream))
        })
    }

    fn local_pair(&self) -> Result<(Socket, Socket)> {
        const OP: Operation = Operation::Connect;
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SOCKET_FLAGS, None)
            .map(|(one, other)| {
                (
                    Socket::new(one, SocketKind::Stream),
                    Socket::new(other, SocketKind::Stream),
                )
            })
            .map_err(|errno| refused(Caps::LOCAL_SOCKETS, OP, errno))
    }
}
