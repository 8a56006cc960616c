//! Sockets and rings of a layered platform.
#![allow(unsafe_code, reason = "forwards unsafe traits")]

use super::layered::{Call, Layer, Layered, Verdict};
use crate::error::{Operation, Result};
use crate::platform::{
    Cancel, Completion, Datagram, Datagrams, Instant, ListenOptions, LocalSockets, Net, Op, OpId,
    Reactor, Rejected, Ring, RingBackend, RingOptions, ShutdownHow,
};
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::time::Duration;

// SAFETY: a receive that succeeds is one of the inner platform into a prefix of the same buffer.
unsafe impl<P: Net, L: Layer> Net for Layered<P, L> {
    type Socket = P::Socket;

    fn listen(&self, address: &SocketAddr, options: &ListenOptions) -> Result<P::Socket> {
        self.pass(Call::of(Operation::Listen), |inner| {
            inner.listen(address, options)
        })
    }
    fn try_accept(&self, listener: &P::Socket) -> Result<(P::Socket, SocketAddr)> {
        self.pass(Call::of(Operation::Accept), |inner| {
            inner.try_accept(listener)
        })
    }
    fn try_receive(&self, socket: &P::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let call = Call::over(Operation::Receive, 0, buffer.len() as u64);
        self.transfer(call, |inner, limit| {
            let bytes = buffer.len().min(limit);
            inner.try_receive(socket, &mut buffer[..bytes])
        })
    }
    fn try_peek(&self, socket: &P::Socket, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        let call = Call::over(Operation::Receive, 0, buffer.len() as u64);
        self.transfer(call, |inner, limit| {
            let bytes = buffer.len().min(limit);
            inner.try_peek(socket, &mut buffer[..bytes])
        })
    }
    fn try_send(&self, socket: &P::Socket, bytes: &[u8]) -> Result<usize> {
        let call = Call::over(Operation::Send, 0, bytes.len() as u64);
        self.transfer(call, |inner, limit| {
            inner.try_send(socket, &bytes[..bytes.len().min(limit)])
        })
    }
    fn try_send_vectored(&self, socket: &P::Socket, slices: &[&[u8]]) -> Result<usize> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let call = Call::over(Operation::Send, 0, total as u64);
        self.transfer(call, |inner, limit| {
            if limit >= total {
                return inner.try_send_vectored(socket, slices);
            }
            match slices.iter().find(|slice| !slice.is_empty()) {
                Some(first) => inner.try_send(socket, &first[..first.len().min(limit)]),
                None => Ok(0),
            }
        })
    }
    fn shutdown(&self, socket: &P::Socket, how: ShutdownHow) -> Result<()> {
        self.pass(Call::of(Operation::Shutdown), |inner| {
            inner.shutdown(socket, how)
        })
    }
    fn local_address(&self, socket: &P::Socket) -> Result<SocketAddr> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.local_address(socket)
        })
    }
    fn peer_address(&self, socket: &P::Socket) -> Result<SocketAddr> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.peer_address(socket)
        })
    }
    fn set_no_delay(&self, socket: &P::Socket, on: bool) -> Result<()> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.set_no_delay(socket, on)
        })
    }
    fn set_keep_alive(&self, socket: &P::Socket, after: Option<Duration>) -> Result<()> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.set_keep_alive(socket, after)
        })
    }
    fn set_linger(&self, socket: &P::Socket, time: Option<Duration>) -> Result<()> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.set_linger(socket, time)
        })
    }
}

// SAFETY: a receive that succeeds is one of the inner platform into the same buffer.
unsafe impl<P: Datagrams, L: Layer> Datagrams for Layered<P, L> {
    fn bind_datagrams(&self, address: &SocketAddr) -> Result<P::Socket> {
        self.pass(Call::of(Operation::Listen), |inner| {
            inner.bind_datagrams(address)
        })
    }
    fn connect_datagrams(&self, socket: &P::Socket, peer: &SocketAddr) -> Result<()> {
        self.pass(Call::of(Operation::Connect), |inner| {
            inner.connect_datagrams(socket, peer)
        })
    }
    // A datagram is never cut short.
    fn try_send_to(&self, socket: &P::Socket, bytes: &[u8], peer: &SocketAddr) -> Result<usize> {
        let call = Call::over(Operation::Send, 0, bytes.len() as u64);
        self.pass(call, |inner| inner.try_send_to(socket, bytes, peer))
    }
    fn try_receive_from(
        &self,
        socket: &P::Socket,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<Datagram> {
        let call = Call::over(Operation::Receive, 0, buffer.len() as u64);
        self.pass(call, |inner| inner.try_receive_from(socket, buffer))
    }
    fn join_group(&self, socket: &P::Socket, group: core::net::IpAddr) -> Result<()> {
        self.pass(Call::of(Operation::SocketOption), |inner| {
            inner.join_group(socket, group)
        })
    }
}

impl<P: LocalSockets, L: Layer> LocalSockets for Layered<P, L> {
    fn listen_local(&self, path: &[u8], backlog: u32) -> Result<P::Socket> {
        self.pass(Call::of(Operation::Listen), |inner| {
            inner.listen_local(path, backlog)
        })
    }
    fn try_accept_local(&self, listener: &P::Socket) -> Result<P::Socket> {
        self.pass(Call::of(Operation::Accept), |inner| {
            inner.try_accept_local(listener)
        })
    }
    fn connect_local(&self, path: &[u8]) -> Result<P::Socket> {
        self.pass(Call::of(Operation::Connect), |inner| {
            inner.connect_local(path)
        })
    }
    fn local_pair(&self) -> Result<(P::Socket, P::Socket)> {
        self.pass(Call::of(Operation::Connect), P::local_pair)
    }
}

impl<P: Reactor, L: Layer + core::fmt::Debug> Reactor for Layered<P, L> {
    type Ring = LayeredRing<P::Ring, L>;

    fn ring(&self, options: &RingOptions) -> Result<Self::Ring> {
        let ring = self.pass(Call::of(Operation::Ring), |inner| inner.ring(options))?;
        Ok(LayeredRing(Layered::new(ring, self.layer().clone())))
    }
}

/// The ring of a [`Layered`] platform. The layer sees submissions and waits; what an operation brings is seen by nobody
/// but its completion's reader.
#[derive(Debug)]
pub struct LayeredRing<R, L>(Layered<R, L>);

impl<R: Ring, L: Layer + core::fmt::Debug> Ring for LayeredRing<R, L> {
    type Socket = R::Socket;
    type Waker = R::Waker;

    fn submit(
        &mut self,
        op: Op<R::Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<R::Socket>> {
        let call = Call::of(Operation::Submit);
        let result = match self.0.layer().before(&call) {
            Verdict::Fail(error) => Err(Rejected { error, op }),
            Verdict::Proceed | Verdict::Short(_) => self.0.inner_mut().submit(op, token),
        };
        let seen = result
            .as_ref()
            .map(|_| 0)
            .map_err(|rejected| rejected.error);
        self.0.layer().after(&call, seen);
        result
    }
    fn cancel(&mut self, id: OpId) -> Cancel {
        self.0.inner_mut().cancel(id)
    }
    fn let_go(&mut self) {
        self.0.inner_mut().let_go();
    }
    fn pending(&self) -> usize {
        self.0.inner().pending()
    }
    fn wait<E: Extend<Completion<R::Socket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        let call = Call::of(Operation::RingWait);
        let result = match self.0.layer().before(&call) {
            Verdict::Fail(error) => Err(error),
            Verdict::Proceed | Verdict::Short(_) => self.0.inner_mut().wait(until, out),
        };
        self.0
            .layer()
            .after(&call, result.map(|count| count as u64));
        result
    }
    fn waker(&self) -> R::Waker {
        self.0.inner().waker()
    }
    fn backend(&self) -> RingBackend {
        self.0.inner().backend()
    }
}
