//! Stream sockets: non-blocking, close-on-exec, never raising `SIGPIPE`.
//!
//! # Quirks
//! - Neither `socket` nor `accept` can set those three at birth: a program that another thread starts in between inherits the
//!   socket (no call closes that gap; `accept4` and `SOCK_CLOEXEC` are not there).
//! - A send while the socket is being torn down may say `EPROTOTYPE`; the next one says `EPIPE` (libuv, `src/unix/stream.c`).
//! - The address of a peer that has reset the connection is `EINVAL`.
//! - With `SO_REUSEPORT` connections go to one of the listeners, not to all in turn.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::descriptor::OwnedDescriptor;
use crate::error::{check, coded, last_errno, retry};
use crate::socket_address::{Address, family_of};
use alloc::sync::{Arc, Weak};
use core::mem::{MaybeUninit, size_of};
use core::net::SocketAddr;
use libc::{c_int, c_void, sockaddr, socklen_t};
use underpin_core::error::{Domain, Error, Kind, Operation, Result};
use underpin_core::platform::readiness::Connecting;
use underpin_core::platform::{Datagrams, ListenOptions, LocalSockets, Net, ShutdownHow};

/// Slices that one send hands to the kernel; a longer list makes a short send.
const SLICES_MAX: usize = 64;

/// Sends that may say `EPROTOTYPE` one after the other.
const TEARDOWN_SENDS_MAX: usize = 8;

/// A listener or a connection. Clones share one descriptor, which is closed with the last of them.
#[derive(Clone, Debug)]
pub struct Socket(Arc<Descriptor>);

/// What the clones of a socket share.
#[derive(Debug)]
pub struct Descriptor {
    fd: OwnedDescriptor,
    listener: bool,
}

impl Socket {
    /// Takes what `socket` or `accept` returned and prepares it.
    ///
    /// # Safety
    /// A valid `raw` is open, and nobody else closes it.
    unsafe fn from_raw(operation: Operation, raw: c_int, listener: bool) -> Result<Self> {
        // SAFETY: the caller's promise.
        let fd = unsafe { OwnedDescriptor::from_raw(operation, raw) }?;
        fd.close_on_exec(operation)?;
        // SAFETY: an open descriptor; the command takes a number.
        retry(operation, || unsafe {
            libc::fcntl(raw, libc::F_SETFL, libc::O_NONBLOCK)
        })?;
        let socket = Self(Arc::new(Descriptor { fd, listener }));
        socket.set_option(operation, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1)?;
        Ok(socket)
    }

    fn new(operation: Operation, address: &SocketAddr, listener: bool) -> Result<Self> {
        // SAFETY: a call by value; what it returns is ours.
        unsafe {
            let raw = libc::socket(family_of(address), libc::SOCK_STREAM, libc::IPPROTO_TCP);
            Self::from_raw(operation, raw, listener)
        }
    }

    /// The descriptor's number, for calls that the seam does not have. It names this socket while the value lives.
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.0.fd.raw()
    }

    /// A reference that tells this socket from a later one with the same number, and keeps nothing open.
    pub(crate) fn downgrade(&self) -> Weak<Descriptor> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn is(&self, other: &Weak<Descriptor>) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.0), other.as_ptr())
    }

    fn set_option(
        &self,
        operation: Operation,
        level: c_int,
        name: c_int,
        value: c_int,
    ) -> Result<()> {
        // SAFETY: the call reads the number.
        check(operation, unsafe {
            libc::setsockopt(
                self.raw_fd(),
                level,
                name,
                (&raw const value).cast::<c_void>(),
                size_of::<c_int>() as socklen_t,
            )
        })
        .map(drop)
    }

    /// An address that `call` fills in.
    fn address(
        &self,
        call: unsafe extern "C" fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    ) -> Result<SocketAddr> {
        const OP: Operation = Operation::SocketOption;
        let mut address = Address::empty();
        let (at, bytes) = address.as_mut_ptrs();
        // SAFETY: `call` fills in an address and its length.
        check(OP, unsafe { call(self.raw_fd(), at, bytes) })?;
        address.ip().ok_or(Error::new(OP, Kind::Unsupported))
    }

    /// Sends by `call`, again where the answer is known to be passing.
    fn send(&self, mut call: impl FnMut(c_int) -> libc::ssize_t) -> Result<usize> {
        const OP: Operation = Operation::Send;
        for _ in 0..TEARDOWN_SENDS_MAX {
            match retry(OP, || call(self.raw_fd())) {
                Err(error) if error.raw() == libc::EPROTOTYPE => {}
                result => return result.map(isize::unsigned_abs),
            }
        }
        Err(Error::from_raw(
            OP,
            Kind::BrokenPipe,
            Domain::Errno,
            libc::EPROTOTYPE,
        ))
    }
}

/// A new socket on its way to `address`.
pub(crate) fn start_connect(address: &SocketAddr) -> Result<Connecting<Socket>> {
    const OP: Operation = Operation::Connect;
    let socket = Socket::new(OP, address, false)?;
    let to = Address::from(address);
    // SAFETY: the call reads the address.
    if unsafe { libc::connect(socket.raw_fd(), to.as_ptr(), to.bytes()) } == 0 {
        return Ok(Connecting::Started(socket));
    }
    Ok(match last_errno() {
        // An interrupted connect goes on in the background like one that would block.
        libc::EINPROGRESS | libc::EINTR => Connecting::Started(socket),
        errno => Connecting::Failed(coded(OP, errno)),
    })
}

/// How a connect that was started stands: `WouldBlock` if it still goes on.
pub(crate) fn finish_connect(socket: &Socket) -> Result<()> {
    const OP: Operation = Operation::Connect;
    let (mut errno, mut bytes): (c_int, _) = (0, size_of::<c_int>() as socklen_t);
    // SAFETY: the call fills in the number.
    check(OP, unsafe {
        libc::getsockopt(
            socket.raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut errno).cast::<c_void>(),
            &raw mut bytes,
        )
    })?;
    if errno != 0 {
        return Err(coded(OP, errno));
    }
    match socket.address(libc::getpeername) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == Kind::NotConnected => Err(coded(OP, libc::EINPROGRESS)),
        Err(error) => Err(coded(OP, error.raw())),
    }
}

// SAFETY: the count is the kernel's, which fills what it counts and never more than it was given.
unsafe impl Net for Macos {
    type Socket = Socket;

    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<Socket> {
        const OP: Operation = Operation::Listen;
        let socket = Socket::new(OP, address, true)?;
        if options.reuse_address {
            socket.set_option(OP, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        }
        if options.reuse_port {
            socket.set_option(OP, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        let at = Address::from(address);
        let backlog = c_int::try_from(options.backlog).unwrap_or(c_int::MAX);
        // SAFETY: the calls read the address.
        unsafe {
            check(OP, libc::bind(socket.raw_fd(), at.as_ptr(), at.bytes()))?;
            check(OP, libc::listen(socket.raw_fd(), backlog))?;
        }
        Ok(socket)
    }

    fn try_accept(&self, listener: &Socket) -> Result<(Socket, SocketAddr)> {
        const OP: Operation = Operation::Accept;
        loop {
            let mut peer = Address::empty();
            let (at, bytes) = peer.as_mut_ptrs();
            // SAFETY: the call fills in the address; the descriptor that it returns is ours.
            let raw = unsafe { libc::accept(listener.raw_fd(), at, bytes) };
            if raw == -1 {
                match last_errno() {
                    // These are of the connection that was taken off the queue, not of the listener: take the next.
                    libc::EINTR | libc::ECONNABORTED | libc::EPROTO => continue,
                    errno => return Err(coded(OP, errno)),
                }
            }
            // SAFETY: as above.
            match (unsafe { Socket::from_raw(OP, raw, false) }, peer.ip()) {
                (Ok(socket), Some(peer)) => return Ok((socket, peer)),
                // A connection that is gone already takes no options and has no peer.
                (Err(error), _) if error.kind() != Kind::InvalidInput => return Err(error),
                _ => {}
            }
        }
    }

    #[inline]
    fn try_receive(&self, socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // SAFETY: the call writes at most the buffer's length.
        retry(Operation::Receive, || unsafe {
            libc::recv(socket.raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0)
        })
        .map(isize::unsigned_abs)
    }

    #[inline]
    fn try_send(&self, socket: &Socket, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // SAFETY: the call reads at most the bytes.
        socket.send(|fd| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), 0) })
    }

    fn try_send_vectored(&self, socket: &Socket, slices: &[&[u8]]) -> Result<usize> {
        let mut list = [libc::iovec {
            iov_base: core::ptr::null_mut(),
            iov_len: 0,
        }; SLICES_MAX];
        let mut count: c_int = 0;
        let filled = slices.iter().filter(|slice| !slice.is_empty());
        for (slot, slice) in list.iter_mut().zip(filled) {
            slot.iov_base = slice.as_ptr().cast_mut().cast();
            slot.iov_len = slice.len();
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the call reads the first `count` slices.
        socket.send(|fd| unsafe { libc::writev(fd, list.as_ptr(), count) })
    }

    fn shutdown(&self, socket: &Socket, how: ShutdownHow) -> Result<()> {
        let how = match how {
            ShutdownHow::Read => libc::SHUT_RD,
            ShutdownHow::Write => libc::SHUT_WR,
            ShutdownHow::Both => libc::SHUT_RDWR,
        };
        // SAFETY: a call by value.
        check(Operation::Shutdown, unsafe {
            libc::shutdown(socket.raw_fd(), how)
        })
        .map(drop)
    }

    fn local_address(&self, socket: &Socket) -> Result<SocketAddr> {
        socket.address(libc::getsockname)
    }

    fn peer_address(&self, socket: &Socket) -> Result<SocketAddr> {
        socket
            .address(libc::getpeername)
            .map_err(|error| match error.raw() {
                libc::EINVAL => Error::from_raw(
                    Operation::SocketOption,
                    Kind::NotConnected,
                    Domain::Errno,
                    libc::EINVAL,
                ),
                _ => error,
            })
    }

    fn set_no_delay(&self, socket: &Socket, on: bool) -> Result<()> {
        const OP: Operation = Operation::SocketOption;
        if socket.0.listener {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        socket.set_option(OP, libc::IPPROTO_TCP, libc::TCP_NODELAY, c_int::from(on))
    }
}

// SAFETY: nothing is ever received: datagrams are not there yet.
unsafe impl Datagrams for Macos {}

/// Not there yet.
impl LocalSockets for Macos {}
