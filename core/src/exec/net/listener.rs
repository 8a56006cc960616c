//! Accepting connections.
#![forbid(unsafe_code)]

use super::readiness::Readiness;
use super::stream::TcpStream;
use crate::error::{Kind, Result};
use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::exec::timer::Sleep;
use crate::platform::{Interest, ListenOptions, Reactor};
use alloc::boxed::Box;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

/// How long accepting rests when handles have run out: trying again at once would fail at once.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that accepts connections.
pub struct TcpListener<P: Reactor, H: Host> {
    handle: Handle<P, H>,
    socket: P::Socket,
    readiness: Readiness,
    /// Accepting rests until it ends.
    pause: Option<Pause<P, H>>,
}

type Pause<P, H> = Pin<Box<Sleep<Handle<P, H>>>>;

impl<P: Reactor, H: Host> TcpListener<P, H> {
    /// Listens at `address`; port 0 picks a free one.
    ///
    /// # Errors
    /// `AddressInUse`, `AddressNotAvailable`, `PermissionDenied`, `TooManyHandles`, `Unsupported`.
    pub fn bind(
        handle: &Handle<P, H>,
        address: &SocketAddr,
        options: &ListenOptions,
    ) -> Result<Self> {
        Ok(Self {
            socket: handle.platform().listen(address, options)?,
            handle: handle.clone(),
            readiness: Readiness::new(Interest::Read),
            pause: None,
        })
    }

    /// Waits for a connection. Cancel-safe: a connection that comes meanwhile is given to the next call.
    ///
    /// # Errors
    /// `TooManyHandles`: the connection goes on waiting, and the next call rests 50 ms before it tries again.
    pub async fn accept(&mut self) -> Result<(TcpStream<P, H>, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`accept`](Self::accept), for hand-written futures.
    ///
    /// # Errors
    /// As `accept`.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(TcpStream<P, H>, SocketAddr)>> {
        // In a pause too: the timers of an executor that is gone never fire.
        if self.handle.0.is_open()
            && let Some(pause) = &mut self.pause
        {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let shared = &*self.handle.0;
        let accepted = ready!(self.readiness.poll(
            shared,
            &self.socket,
            cx,
            |_| false,
            || shared.platform.try_accept(&self.socket),
        ));
        Poll::Ready(match accepted {
            Ok((socket, peer)) => Ok((TcpStream::new(&self.handle, socket), peer)),
            Err(error) => {
                if error.kind() == Kind::TooManyHandles {
                    self.pause = Some(Box::pin(self.handle.sleep(PAUSE)));
                }
                Err(error)
            }
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `Io`.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.handle.platform().local_address(&self.socket)
    }
}

impl<P: Reactor, H: Host> Drop for TcpListener<P, H> {
    fn drop(&mut self) {
        self.readiness.close_now(&self.handle.0);
    }
}

impl<P: Reactor, H: Host> fmt::Debug for TcpListener<P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
