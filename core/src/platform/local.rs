//! Stream sockets within one machine, named by paths (Unix sockets). No call here waits.
#![forbid(unsafe_code)]

use super::net::Net;
use crate::error::{Error, Operation, Result};

/// Stream sockets within the machine. They are sockets of [`Net`]: everything but addresses works on them, rings' `Ready`,
/// `Receive` and `Send` included; an address says `Unsupported`.
///
/// A platform without them says so by [`Caps::LOCAL_SOCKETS`](super::Caps::LOCAL_SOCKETS); the defaults here are `Unsupported`.
pub trait LocalSockets: Net {
    /// Listens at `path`, which must not exist; it stays when the listener goes.
    ///
    /// # Errors
    /// `AddressInUse` if something has the name, `NotFound`, `PermissionDenied`, `InvalidInput` for a path that is too long (about 100
    /// bytes), `TooManyHandles`, `Unsupported`.
    fn listen_local(&self, path: &[u8], backlog: u32) -> Result<Self::Socket> {
        let _ = (path, backlog);
        Err(Error::unsupported(Operation::Listen))
    }

    /// Takes a waiting connection.
    ///
    /// # Errors
    /// `WouldBlock` if none waits; `TooManyHandles`, in which case it goes on waiting.
    fn try_accept_local(&self, listener: &Self::Socket) -> Result<Self::Socket> {
        let _ = listener;
        Err(Error::unsupported(Operation::Accept))
    }

    /// Connects to the listener at `path`, at once or not at all.
    ///
    /// # Errors
    /// `WouldBlock` if the listener's queue is full, `NotFound`, `ConnectionRefused` if nobody listens, `PermissionDenied`,
    /// `InvalidInput`, `TooManyHandles`.
    fn connect_local(&self, path: &[u8]) -> Result<Self::Socket> {
        let _ = path;
        Err(Error::unsupported(Operation::Connect))
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// `TooManyHandles`, `Unsupported`.
    fn local_pair(&self) -> Result<(Self::Socket, Self::Socket)> {
        Err(Error::unsupported(Operation::Connect))
    }
}
