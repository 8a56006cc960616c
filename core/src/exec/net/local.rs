//! Streams within one machine (Unix sockets). A connection of theirs is a [`TcpStream`] in all but its addresses.
#![forbid(unsafe_code)]

use super::readiness::Readiness;
use super::stream::TcpStream;
use crate::error::Result;
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::platform::{Interest, LocalSockets, Reactor};
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

/// A socket that accepts connections at a path.
pub struct LocalListener<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    socket: P::Socket,
    readiness: Readiness,
}

impl<P: Reactor + LocalSockets, H: Host> LocalListener<P, H> {
    /// Listens at `path`, which must not exist; whoever made it removes it.
    ///
    /// # Errors
    /// `AddressInUse`, `NotFound`, `InvalidInput`, `PermissionDenied`, `Unsupported`.
    pub fn bind(handle: &Handle<P, H>, path: &[u8], backlog: u32) -> Result<Self> {
        Ok(Self {
            socket: handle.platform().listen_local(path, backlog)?,
            handle: handle.clone(),
            readiness: Readiness::new(Interest::Read),
        })
    }

    /// Waits for a connection. Cancel-safe: a connection that comes meanwhile is given to the next call.
    ///
    /// # Errors
    /// `TooManyHandles`: the connection goes on waiting; rest before the next call.
    pub async fn accept(&mut self) -> Result<TcpStream<P, H>> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`accept`](Self::accept), for hand-written futures.
    ///
    /// # Errors
    /// As `accept`.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<TcpStream<P, H>>> {
        let shared = &*self.handle.0;
        let accept = || shared.platform.try_accept_local(&self.socket);
        self.readiness
            .poll(shared, &self.socket, cx, |_| false, accept)
            .map_ok(|socket| TcpStream::local(&self.handle, socket))
    }
}

impl<P: Reactor + LocalSockets, H: Host> TcpStream<P, H> {
    /// Connects to a listener at `path`. It does not wait: a listener whose queue is full says `WouldBlock`.
    ///
    /// # Errors
    /// `NotFound`, `ConnectionRefused`, `PermissionDenied`, `WouldBlock`, `Unsupported`.
    pub fn connect_local(handle: &Handle<P, H>, path: &[u8]) -> Result<Self> {
        let socket = handle.platform().connect_local(path)?;
        Ok(Self::local(handle, socket))
    }

    /// Two ends of a connection without a name.
    ///
    /// # Errors
    /// `TooManyHandles`, `Unsupported`.
    pub fn local_pair(handle: &Handle<P, H>) -> Result<(Self, Self)> {
        let (one, other) = handle.platform().local_pair()?;
        Ok((Self::local(handle, one), Self::local(handle, other)))
    }
}

impl<P: Reactor, H: Host> Drop for LocalListener<P, H> {
    fn drop(&mut self) {
        self.readiness.close_now(&self.handle.0);
    }
}

impl<P: Reactor, H: Host> fmt::Debug for LocalListener<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalListener")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
