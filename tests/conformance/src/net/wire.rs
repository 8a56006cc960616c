//! What cases about sockets work with: a ring that waits for one token, and connections over the loopback address.
#![allow(
    unsafe_code,
    reason = "reads bytes that the platform promised to initialise"
)]

use crate::case::{Context, Stop};
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use underpin_core::limits::RING_COMPLETIONS_MAX;
use underpin_core::platform::{
    Completion, Instant, ListenOptions, Net, Op, OpId, Outcome, Reactor, Ring, RingOptions,
};
use underpin_core::{Kind, Result};

/// The loopback address, with a port that the system picks.
pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A listener at a free port.
pub(crate) fn listen<P: Reactor>(cx: &Context<'_, P>) -> Result<(P::Socket, SocketAddr)> {
    let listener = cx.p.listen(&any_port(), &ListenOptions::default())?;
    let address = cx.p.local_address(&listener)?;
    Ok((listener, address))
}

/// A ring and the completions that nobody has asked for yet.
pub(crate) struct Wire<'a, P: Reactor> {
    cx: &'a Context<'a, P>,
    pub(crate) ring: P::Ring,
    /// Delivered, in order, and not yet taken.
    pub(crate) done: Vec<Completion<P::Socket>>,
    token_next: u64,
}

impl<'a, P: Reactor> Wire<'a, P> {
    pub(crate) fn new(cx: &'a Context<'a, P>) -> Result<Self> {
        Self::with_options(cx, &cx.ring_options())
    }

    pub(crate) fn with_options(cx: &'a Context<'a, P>, options: &RingOptions) -> Result<Self> {
        Ok(Self {
            cx,
            ring: cx.p.ring(options)?,
            done: Vec::new(),
            token_next: 1 << 32,
        })
    }

    /// Hands an operation to the ring.
    #[track_caller]
    pub(crate) fn submit(
        &mut self,
        op: Op<P::Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Stop> {
        self.ring
            .submit(op, token)
            .map_err(|rejected| Stop::failed(format_args!("rejected: {}", rejected.error)))
    }

    /// Waits once and checks what the ring says about it.
    pub(crate) fn wait(&mut self, until: Instant) -> core::result::Result<usize, Stop> {
        let (before, pending) = (self.done.len(), self.ring.pending());
        let count = self.ring.wait(Some(until), &mut self.done)?;
        let delivered = self.done.len() - before;
        ensure!(
            count == delivered,
            "wait says {count} and delivered {delivered}"
        );
        ensure!(count <= RING_COMPLETIONS_MAX, "{count} completions at once");
        ensure!(
            self.ring.pending() + count == pending,
            "{pending} were pending, {count} delivered, {} are pending",
            self.ring.pending()
        );
        Ok(count)
    }

    /// Waits until the operation with `token` has completed.
    #[track_caller]
    pub(crate) fn complete(
        &mut self,
        token: u64,
    ) -> core::result::Result<Completion<P::Socket>, Stop> {
        let deadline = self.cx.deadline();
        loop {
            if let Some(index) = self.done.iter().position(|done| done.token == token) {
                return Ok(self.done.remove(index));
            }
            if self.cx.now() >= deadline {
                return Err(Stop::failed(format_args!(
                    "operation {token} never completes"
                )));
            }
            self.wait(deadline)?;
        }
    }

    /// Submits an operation and waits for it.
    #[track_caller]
    pub(crate) fn perform(
        &mut self,
        op: Op<P::Socket>,
    ) -> core::result::Result<Completion<P::Socket>, Stop> {
        let token = self.token_next;
        self.token_next += 1;
        self.submit(op, token)?;
        self.complete(token)
    }

    /// Connects to `address`.
    #[track_caller]
    pub(crate) fn connect(&mut self, address: SocketAddr) -> core::result::Result<P::Socket, Stop> {
        match self.perform(Op::Connect { address })?.result? {
            Outcome::Connected { socket } => Ok(socket),
            other => Err(Stop::failed(format_args!("connecting brought {other:?}"))),
        }
    }

    /// Accepts one connection.
    #[track_caller]
    pub(crate) fn accept(
        &mut self,
        listener: &P::Socket,
    ) -> core::result::Result<(P::Socket, SocketAddr), Stop> {
        let listener = listener.clone();
        match self.perform(Op::Accept { listener })?.result? {
            Outcome::Accepted { socket, peer } => Ok((socket, peer)),
            other => Err(Stop::failed(format_args!("accepting brought {other:?}"))),
        }
    }

    /// A connection: the side that connected and the side that accepted.
    #[track_caller]
    pub(crate) fn pair(&mut self) -> core::result::Result<(P::Socket, P::Socket), Stop> {
        let (listener, address) = listen(self.cx)?;
        let client = self.connect(address)?;
        let (server, _) = self.accept(&listener)?;
        Ok((client, server))
    }
}

/// One read into initialised memory.
pub(crate) fn try_receive<P: Net>(
    cx: &Context<'_, P>,
    socket: &P::Socket,
    buffer: &mut [u8],
) -> Result<usize> {
    // SAFETY: initialised bytes seen as maybe uninitialised ones; a read stores initialised bytes only.
    let view = unsafe { &mut *(core::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) };
    cx.p.try_receive(socket, view)
}

/// Calls until the answer is something other than `WouldBlock`.
pub(crate) fn until_ready<P: Net, T>(
    cx: &Context<'_, P>,
    mut call: impl FnMut() -> Result<T>,
) -> Result<T> {
    let deadline = cx.deadline();
    loop {
        match call() {
            Err(error) if error.kind() == Kind::WouldBlock && cx.now() < deadline => {
                cx.sleep(Duration::from_micros(200));
            }
            answer => return answer,
        }
    }
}

/// Receives what is there next; an empty answer is the end of the stream.
pub(crate) fn receive<'b, P: Net>(
    cx: &Context<'_, P>,
    socket: &P::Socket,
    buffer: &'b mut [u8],
) -> Result<&'b [u8]> {
    let count = until_ready(cx, || try_receive(cx, socket, buffer))?;
    Ok(&buffer[..count])
}

/// Receives exactly the bytes of `expected`, then nothing more is asked.
#[track_caller]
pub(crate) fn expect_bytes<P: Net>(
    cx: &Context<'_, P>,
    socket: &P::Socket,
    expected: &[u8],
) -> crate::case::Verdict {
    let mut done = 0;
    let mut buffer = [0; 4096];
    while done < expected.len() {
        let room = buffer.len().min(expected.len() - done);
        let bytes = receive(cx, socket, &mut buffer[..room])?;
        ensure!(
            !bytes.is_empty(),
            "the stream ends after {done} of {} bytes",
            expected.len()
        );
        ensure!(
            expected[done..].starts_with(bytes),
            "wrong bytes at {done} of {}",
            expected.len()
        );
        done += bytes.len();
    }
    Ok(())
}

/// Sends all of `bytes` and receives them at the other side as they come, however little fits at a time.
#[track_caller]
pub(crate) fn carry<P: Net>(
    cx: &Context<'_, P>,
    from: &P::Socket,
    to: &P::Socket,
    bytes: &[u8],
) -> crate::case::Verdict {
    let (mut sent, mut received) = (0, 0);
    let deadline = cx.deadline();
    while received < bytes.len() {
        ensure!(
            cx.now() < deadline,
            "stuck: {sent} bytes sent, {received} received"
        );
        match cx.p.try_send(from, &bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == Kind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if sent > received {
            expect_bytes(cx, to, &bytes[received..sent])?;
            received = sent;
        } else {
            cx.sleep(Duration::from_micros(200));
        }
    }
    Ok(())
}

/// Sends all of `bytes`, few enough to fit at once.
pub(crate) fn send_all<P: Net>(
    cx: &Context<'_, P>,
    socket: &P::Socket,
    mut bytes: &[u8],
) -> Result<()> {
    while !bytes.is_empty() {
        let count = until_ready(cx, || cx.p.try_send(socket, bytes))?;
        bytes = &bytes[count.min(bytes.len())..];
    }
    Ok(())
}
