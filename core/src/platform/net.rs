//! Stream sockets over IP. No call here waits: what is not ready says `WouldBlock`, and a [`Reactor`](super::Reactor)
//! tells when it is.
#![allow(
    unsafe_code,
    reason = "a successful read is a promise about initialised bytes"
)]

use super::Platform;
use crate::error::{Error, Operation, Result};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;

/// How to listen.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Connections that may wait to be accepted; the system may cut it. Default 1,024.
    pub backlog: u32,
    /// Listen although connections of an earlier listener linger. Default: yes. (A live listener at the address is
    /// `AddressInUse` all the same.)
    pub reuse_address: bool,
    /// Let several sockets listen at one address and share its connections. Default: no.
    pub reuse_port: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            reuse_address: true,
            reuse_port: false,
        }
    }
}

/// Which direction to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownHow {
    /// This side reads no more.
    Read,
    /// This side writes no more: the peer reads the end.
    Write,
    /// Both.
    Both,
}

/// Stream sockets.
///
/// # Safety
/// A `try_receive` or `try_peek` that returns `Ok(n)` has `n <= buffer.len()` and has initialised the first `n` bytes.
pub unsafe trait Net: Platform {
    /// A socket: a listener or a connection. Clones are the same socket; it is closed when the last one is dropped.
    /// Never inherited by child processes; never blocks.
    type Socket: Clone + Send + Sync + core::fmt::Debug + 'static;

    /// Listens for connections at `address`. Port 0 picks a free one (see [`local_address`](Self::local_address)).
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `TooManyHandles`, `Unsupported`.
    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<Self::Socket>;

    /// Takes a waiting connection and its peer's address.
    ///
    /// # Errors
    /// `WouldBlock` if none waits; `TooManyHandles`, in which case the connection goes on waiting.
    fn try_accept(&self, listener: &Self::Socket) -> Result<(Self::Socket, SocketAddr)>;

    /// Reads what is there, at most `buffer.len()` bytes; 0 is the end of the stream (or an empty buffer).
    ///
    /// # Errors
    /// `WouldBlock`; `ConnectionReset`, `NotConnected`.
    fn try_receive(&self, socket: &Self::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize>;

    /// As [`try_receive`](Self::try_receive), into several buffers in turn. The default fills the first that has room.
    ///
    /// # Errors
    /// As `try_receive`.
    fn try_receive_vectored(
        &self,
        socket: &Self::Socket,
        buffers: &mut [&mut [u8]],
    ) -> Result<usize> {
        match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
            Some(buffer) => {
                // SAFETY: initialised bytes are also maybe initialised ones, and `try_receive` writes nothing but bytes.
                let buffer =
                    unsafe { &mut *(core::ptr::from_mut(*buffer) as *mut [MaybeUninit<u8>]) };
                self.try_receive(socket, buffer)
            }
            None => Ok(0),
        }
    }

    /// As [`try_receive`](Self::try_receive), and leaves the bytes for the next. A platform may lack it.
    ///
    /// # Errors
    /// As `try_receive`; `Unsupported`.
    fn try_peek(&self, socket: &Self::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let _ = (socket, buffer);
        Err(Error::unsupported(Operation::Receive))
    }

    /// Writes as much as fits now and returns how many bytes, at least 1 unless `bytes` is empty. Raises no signal.
    ///
    /// # Errors
    /// `WouldBlock` if none fits; `BrokenPipe`, `ConnectionReset`, `NotConnected`.
    fn try_send(&self, socket: &Self::Socket, bytes: &[u8]) -> Result<usize>;

    /// As [`try_send`](Self::try_send), from several slices in turn. The default sends the first that is not empty.
    ///
    /// # Errors
    /// As `try_send`.
    fn try_send_vectored(&self, socket: &Self::Socket, slices: &[&[u8]]) -> Result<usize> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.try_send(socket, slice),
            None => Ok(0),
        }
    }

    /// Ends one direction or both, for every clone.
    ///
    /// # Errors
    /// `NotConnected`.
    fn shutdown(&self, socket: &Self::Socket, how: ShutdownHow) -> Result<()>;

    /// The socket's own address.
    ///
    /// # Errors
    /// `Io`.
    fn local_address(&self, socket: &Self::Socket) -> Result<SocketAddr>;

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected`.
    fn peer_address(&self, socket: &Self::Socket) -> Result<SocketAddr>;

    /// Send small writes at once rather than gather them (`TCP_NODELAY`).
    ///
    /// # Errors
    /// `InvalidInput` for a listener.
    fn set_no_delay(&self, socket: &Self::Socket, on: bool) -> Result<()>;

    /// Asks a peer that says nothing whether it is still there, each time so long after it last did; `None` asks never. Whole seconds,
    /// at least one. A platform may lack it.
    ///
    /// # Errors
    /// `InvalidInput` for a listener or a time that the system refuses; `Unsupported`.
    fn set_keep_alive(&self, socket: &Self::Socket, after: Option<Duration>) -> Result<()> {
        let _ = (socket, after);
        Err(Error::unsupported(Operation::SocketOption))
    }

    /// How long the system goes on delivering what was written when the connection is closed: `None` as long as it takes, zero resets the
    /// connection. Closing waits in no case but others of more than zero, where the system may let it wait. A platform may lack it.
    ///
    /// # Errors
    /// `InvalidInput` for a listener; `Unsupported`.
    fn set_linger(&self, socket: &Self::Socket, time: Option<Duration>) -> Result<()> {
        let _ = (socket, time);
        Err(Error::unsupported(Operation::SocketOption))
    }
}
