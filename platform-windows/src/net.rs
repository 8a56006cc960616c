//! Stream sockets: born non-blocking and not inheritable.
//!
//! Where Windows differs from the other systems, and what is done about it:
//!
//! - an accepted socket is inheritable for a moment, until the flag is taken away (there is no accept that makes it so);
//! - an address in `TIME_WAIT` never stands in the way of a listener, and `SO_REUSEADDR` would let two listeners have one address:
//!   so it is not set, and without [`ListenOptions::reuse_address`] the address is taken exclusively;
//! - several listeners cannot share the connections of one address: `reuse_port` is `Unsupported`;
//! - reading after this side's end of reading is an error, which becomes the end of the stream.
#![allow(unsafe_code, reason = "system calls")]

use crate::Windows;
use crate::winsock::{self, Address, code, family_of, from_code, last_code, last_error};
use alloc::sync::{Arc, Weak};
use core::mem::{MaybeUninit, size_of};
use core::net::SocketAddr;
use underpin_core::platform::readiness::Connecting;
use underpin_core::platform::{Datagrams, ListenOptions, LocalSockets, Net, ShutdownHow};
use underpin_core::{Domain, Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::Networking::WinSock::{
    FIONBIO, INVALID_SOCKET, IPPROTO_TCP, SD_BOTH, SD_RECEIVE, SD_SEND, SIO_BASE_HANDLE,
    SO_CONNECT_TIME, SO_ERROR, SO_EXCLUSIVEADDRUSE, SOCK_STREAM, SOCKET, SOCKET_ERROR, SOL_SOCKET,
    TCP_NODELAY, WSA_FLAG_NO_HANDLE_INHERIT, WSA_FLAG_OVERLAPPED, WSABUF, WSAIoctl, WSASend,
    WSASocketW, accept, bind, closesocket, connect, getpeername, getsockname, getsockopt,
    ioctlsocket, listen, recv, send, setsockopt, shutdown,
};

/// Slices that one send hands to the system; a longer list makes a short send.
const SLICES_MAX: usize = 64;

/// `SO_CONNECT_TIME` of a socket that has no connection.
const NOT_CONNECTED: u32 = u32::MAX;

/// A listener or a connection. Clones share one handle, which is closed with the last of them.
#[derive(Clone, Debug)]
pub struct Socket(Arc<Descriptor>);

/// What the clones of a socket share.
#[derive(Debug)]
pub struct Descriptor {
    socket: SOCKET,
    /// The handle below any layered provider, which AFD knows.
    base: SOCKET,
    listener: bool,
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the socket is open and owned.
        unsafe { closesocket(self.socket) };
    }
}

/// A length as Winsock takes it.
fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// `Ok` if a call's `result` is 0.
fn check(operation: Operation, result: i32) -> Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(last_error(operation))
    }
}

impl Socket {
    /// Takes what a call that makes sockets returned, and makes it non-blocking.
    ///
    /// # Safety
    /// A valid `raw` is open, and nobody else closes it.
    unsafe fn from_raw(operation: Operation, raw: SOCKET, listener: bool) -> Result<Self> {
        if raw == INVALID_SOCKET {
            return Err(last_error(operation));
        }
        let mut descriptor = Descriptor {
            socket: raw,
            base: raw,
            listener,
        };
        let mut on = 1;
        // SAFETY: an open socket; the call reads the number.
        check(operation, unsafe { ioctlsocket(raw, FIONBIO, &raw mut on) })?;
        let (mut base, mut bytes) = (INVALID_SOCKET, 0);
        // SAFETY: an open socket; the call fills in `base` and `bytes`. Where it fails, no provider is layered above the base.
        let found = unsafe {
            WSAIoctl(
                raw,
                SIO_BASE_HANDLE,
                core::ptr::null(),
                0,
                (&raw mut base).cast(),
                size_of::<SOCKET>() as u32,
                &raw mut bytes,
                core::ptr::null_mut(),
                None,
            )
        };
        if found == 0 && base != INVALID_SOCKET {
            descriptor.base = base;
        }
        Ok(Self(Arc::new(descriptor)))
    }

    /// A fresh socket for `address`.
    fn new(operation: Operation, address: &SocketAddr, listener: bool) -> Result<Self> {
        winsock::start(operation)?;
        // SAFETY: a call by value; what it returns is ours.
        unsafe {
            let raw = WSASocketW(
                family_of(address),
                SOCK_STREAM,
                IPPROTO_TCP,
                core::ptr::null(),
                0,
                WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT,
            );
            Self::from_raw(operation, raw, listener)
        }
    }

    /// The socket's number, for calls that the seam does not have. It names this socket while the value lives.
    #[must_use]
    pub fn raw_socket(&self) -> u64 {
        self.raw() as u64
    }

    pub(crate) fn raw(&self) -> SOCKET {
        self.0.socket
    }

    /// The handle that AFD knows.
    pub(crate) fn base(&self) -> SOCKET {
        self.0.base
    }

    /// A reference that tells this socket from a later one with the same number, and keeps nothing open.
    pub(crate) fn downgrade(&self) -> Weak<Descriptor> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn is(&self, other: &Weak<Descriptor>) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.0), other.as_ptr())
    }

    /// The error of a send that failed. A listener's is called a reset by some systems.
    #[cold]
    fn send_error(&self) -> Error {
        let raw = last_code();
        if self.0.listener {
            return Error::from_raw(Operation::Send, Kind::NotConnected, Domain::Wsa, raw);
        }
        from_code(Operation::Send, raw)
    }

    fn set_option(&self, level: i32, name: i32, value: u32) -> Result<()> {
        // SAFETY: the call reads the number.
        let result = unsafe {
            setsockopt(
                self.raw(),
                level,
                name,
                (&raw const value).cast(),
                length(size_of::<u32>()),
            )
        };
        check(Operation::SocketOption, result)
    }

    fn option(&self, operation: Operation, name: i32) -> Result<u32> {
        let (mut value, mut bytes) = (0_u32, length(size_of::<u32>()));
        // SAFETY: the call fills in the number.
        let result = unsafe {
            getsockopt(
                self.raw(),
                SOL_SOCKET,
                name,
                (&raw mut value).cast(),
                &raw mut bytes,
            )
        };
        check(operation, result).map(|()| value)
    }

    /// An address that `call` fills in.
    fn address(
        &self,
        call: unsafe extern "system" fn(
            SOCKET,
            *mut windows_sys::Win32::Networking::WinSock::SOCKADDR,
            *mut i32,
        ) -> i32,
    ) -> Result<SocketAddr> {
        const OP: Operation = Operation::SocketOption;
        let mut address = Address::empty();
        let (at, bytes) = address.as_mut_ptrs();
        // SAFETY: `call` is one of Winsock's, which fills in an address and its length.
        check(OP, unsafe { call(self.raw(), at, bytes) })?;
        address.ip().ok_or(Error::new(OP, Kind::Unsupported))
    }
}

/// A new socket on its way to `address`.
pub(crate) fn start_connect(address: &SocketAddr) -> Result<Connecting<Socket>> {
    let socket = Socket::new(Operation::Connect, address, false)?;
    let to = Address::from(address);
    // SAFETY: the call reads the address.
    let result = unsafe { connect(socket.raw(), to.as_ptr(), to.bytes()) };
    Ok(match last_code() {
        _ if result == 0 => Connecting::Started(socket),
        code::WOULD_BLOCK => Connecting::Started(socket),
        raw => Connecting::Failed(from_code(Operation::Connect, raw)),
    })
}

/// How a connect that was started stands: `WouldBlock` if it still goes on.
pub(crate) fn finish_connect(socket: &Socket) -> Result<()> {
    const OP: Operation = Operation::Connect;
    match socket.option(OP, SO_ERROR)? {
        0 => {}
        raw => return Err(from_code(OP, raw.cast_signed())),
    }
    if socket.option(OP, SO_CONNECT_TIME)? == NOT_CONNECTED {
        Err(from_code(OP, code::WOULD_BLOCK))
    } else {
        Ok(())
    }
}

// SAFETY: the count is the system's, which fills what it counts and never more than it was given.
unsafe impl Net for Windows {
    type Socket = Socket;

    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<Socket> {
        const OP: Operation = Operation::Listen;
        if options.reuse_port {
            return Err(Error::unsupported(OP));
        }
        let socket = Socket::new(OP, address, true)?;
        if !options.reuse_address {
            socket.set_option(SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1)?;
        }
        let at = Address::from(address);
        // SAFETY: the call reads the address.
        if unsafe { bind(socket.raw(), at.as_ptr(), at.bytes()) } != 0 {
            return Err(match last_code() {
                // An exclusive owner of the address is reported so.
                code::ACCESS_DENIED => {
                    Error::from_raw(OP, Kind::AddressInUse, Domain::Wsa, code::ACCESS_DENIED)
                }
                raw => from_code(OP, raw),
            });
        }
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        // SAFETY: a call by value.
        check(OP, unsafe { listen(socket.raw(), backlog) })?;
        Ok(socket)
    }

    fn try_accept(&self, listener: &Socket) -> Result<(Socket, SocketAddr)> {
        const OP: Operation = Operation::Accept;
        loop {
            let mut peer = Address::empty();
            let (at, bytes) = peer.as_mut_ptrs();
            // SAFETY: the call fills in the address; the socket that it returns is ours.
            let accepted =
                unsafe { Socket::from_raw(OP, accept(listener.raw(), at, bytes), false) };
            match accepted {
                Ok(socket) => {
                    // SAFETY: an open handle; the call changes a flag of it.
                    unsafe {
                        let handle = core::ptr::with_exposed_provenance_mut::<core::ffi::c_void>(
                            socket.raw(),
                        );
                        SetHandleInformation(handle as HANDLE, HANDLE_FLAG_INHERIT, 0);
                    }
                    let peer = peer.ip().ok_or(Error::new(OP, Kind::NotConnected))?;
                    return Ok((socket, peer));
                }
                // The connection that was taken off the queue is gone: take the next.
                Err(error) if error.raw() == code::CONNECTION_RESET => {}
                Err(error) => return Err(error),
            }
        }
    }

    #[inline]
    fn try_receive(&self, socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let room = length(buffer.len());
        // SAFETY: the call writes at most `room` bytes to the buffer.
        match unsafe { recv(socket.raw(), buffer.as_mut_ptr().cast(), room, 0) } {
            SOCKET_ERROR => match last_code() {
                code::SHUT_DOWN => Ok(0),
                raw => Err(from_code(Operation::Receive, raw)),
            },
            count => Ok(count.unsigned_abs() as usize),
        }
    }

    #[inline]
    fn try_send(&self, socket: &Socket, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // SAFETY: the call reads at most the bytes.
        match unsafe { send(socket.raw(), bytes.as_ptr(), length(bytes.len()), 0) } {
            SOCKET_ERROR => Err(socket.send_error()),
            count => Ok(count.unsigned_abs() as usize),
        }
    }

    fn try_send_vectored(&self, socket: &Socket, slices: &[&[u8]]) -> Result<usize> {
        let mut list = [WSABUF {
            len: 0,
            buf: core::ptr::null_mut(),
        }; SLICES_MAX];
        let mut count = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let Some(slot) = list.get_mut(count as usize) else {
                break;
            };
            *slot = WSABUF {
                len: u32::try_from(slice.len()).unwrap_or(u32::MAX),
                buf: slice.as_ptr().cast_mut(),
            };
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let mut sent = 0;
        // SAFETY: the call reads the first `count` slices and is over when it returns.
        let result = unsafe {
            WSASend(
                socket.raw(),
                list.as_ptr(),
                count,
                &raw mut sent,
                0,
                core::ptr::null_mut(),
                None,
            )
        };
        if result == 0 {
            Ok(sent as usize)
        } else {
            Err(socket.send_error())
        }
    }

    fn shutdown(&self, socket: &Socket, how: ShutdownHow) -> Result<()> {
        let how = match how {
            ShutdownHow::Read => SD_RECEIVE,
            ShutdownHow::Write => SD_SEND,
            ShutdownHow::Both => SD_BOTH,
        };
        // SAFETY: a call by value.
        check(Operation::Shutdown, unsafe { shutdown(socket.raw(), how) })
    }

    fn local_address(&self, socket: &Socket) -> Result<SocketAddr> {
        socket.address(getsockname)
    }

    fn peer_address(&self, socket: &Socket) -> Result<SocketAddr> {
        socket.address(getpeername)
    }

    fn set_no_delay(&self, socket: &Socket, on: bool) -> Result<()> {
        if socket.0.listener {
            return Err(Error::new(Operation::SocketOption, Kind::InvalidInput));
        }
        socket.set_option(IPPROTO_TCP, TCP_NODELAY, u32::from(on))
    }
}

// SAFETY: nothing is ever received: datagrams are not there yet.
unsafe impl Datagrams for Windows {}

/// Not there yet.
impl LocalSockets for Windows {}
