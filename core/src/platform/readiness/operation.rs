//! One operation of a ring: where it belongs, and one try at it that never waits.
#![allow(unsafe_code, reason = "received bytes initialise a buffer")]

use super::poller::Poller;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Buffer, Interest, Net, Op, Outcome};
use core::net::SocketAddr;

/// The two directions of a socket, as indices of its queues.
pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;

/// The interest that a direction's queue waits with.
pub(super) const fn interest(direction: usize) -> Interest {
    if direction == READ {
        Interest::Read
    } else {
        Interest::Write
    }
}

/// An accepted operation.
#[derive(Debug)]
pub(super) enum Work<S> {
    /// As it was handed over. Not a connect.
    Op(Op<S>),
    /// A connect under way on its new socket.
    Connect(S, SocketAddr),
}

/// What came of one try.
pub(super) enum Attempt<S> {
    /// The operation is complete.
    Done(Result<Outcome<S>>),
    /// A receive is complete and left room in its buffer.
    Short(Result<Outcome<S>>),
    /// It must wait for the socket.
    WouldBlock,
}

/// The socket and direction of an operation; `None` for a connect, which has no socket yet.
pub(super) fn place<S>(op: &Op<S>) -> Option<(&S, usize)> {
    match op {
        Op::Ready {
            socket,
            interest: Interest::Read,
        }
        | Op::NextReady {
            socket,
            interest: Interest::Read,
        }
        | Op::Accept { listener: socket }
        | Op::Receive { socket, .. } => Some((socket, READ)),
        Op::Ready {
            socket,
            interest: Interest::Write,
        }
        | Op::NextReady {
            socket,
            interest: Interest::Write,
        }
        | Op::Send { socket, .. } => Some((socket, WRITE)),
        Op::Connect { .. } => None,
    }
}

impl<S> Work<S> {
    /// The direction's queue that the work waits in.
    pub(super) fn place(&self) -> Option<(&S, usize)> {
        match self {
            Self::Op(op) => place(op),
            Self::Connect(socket, _) => Some((socket, WRITE)),
        }
    }

    /// Whether it reads bytes.
    pub(super) fn is_receive(&self) -> bool {
        matches!(self, Self::Op(Op::Receive { .. }))
    }

    /// Whether its user has looked already.
    pub(super) fn has_looked(&self) -> bool {
        matches!(self, Self::Op(Op::NextReady { .. }))
    }

    /// What errors name as having failed.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Op(Op::Ready { .. } | Op::NextReady { .. }) => Operation::Ready,
            Self::Op(Op::Accept { .. }) => Operation::Accept,
            Self::Op(Op::Receive { .. }) => Operation::Receive,
            Self::Op(Op::Send { .. }) => Operation::Send,
            Self::Op(Op::Connect { .. }) | Self::Connect(..) => Operation::Connect,
        }
    }

    /// The operation as its user handed it over.
    pub(super) fn into_op(self) -> Op<S> {
        match self {
            Self::Op(op) => op,
            Self::Connect(_, address) => Op::Connect { address },
        }
    }

    /// The buffer that was lent, if one was.
    pub(super) fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Op(Op::Receive { buffer, .. } | Op::Send { buffer, .. }) => Some(buffer),
            _ => None,
        }
    }
}

/// Tries the work once.
pub(super) fn attempt<P: Poller>(
    poller: &P,
    work: &mut Work<<P::Net as Net>::Socket>,
) -> Attempt<<P::Net as Net>::Socket> {
    let net = poller.net();
    let mut short = false;
    let result = match work {
        Work::Connect(socket, _) => poller.finish_connect(socket).map(|()| Outcome::Connected {
            socket: socket.clone(),
        }),
        Work::Op(Op::Ready { socket, interest } | Op::NextReady { socket, interest }) => {
            // Spurious readiness is allowed, a hang is not.
            return if poller.is_ready(socket, *interest) {
                Attempt::Done(Ok(Outcome::Ready))
            } else {
                Attempt::WouldBlock
            };
        }
        Work::Op(Op::Accept { listener }) => net
            .try_accept(listener)
            .map(|(socket, peer)| Outcome::Accepted { socket, peer }),
        Work::Op(Op::Receive { socket, buffer }) => {
            let spare = buffer.spare_mut();
            let room = spare.len();
            net.try_receive(socket, spare).map(|bytes| {
                // SAFETY: `try_receive` initialised that many of the spare bytes (the contract of Net).
                unsafe { buffer.advance(bytes) };
                short = 0 < bytes && bytes < room && P::is_stream(socket);
                Outcome::Transferred { bytes }
            })
        }
        Work::Op(Op::Send {
            socket,
            buffer,
            start,
        }) => net
            .try_send(socket, buffer.as_slice().get(*start..).unwrap_or_default())
            .map(|bytes| Outcome::Transferred { bytes }),
        Work::Op(Op::Connect { .. }) => Err(Error::unsupported(Operation::Submit)),
    };
    match result {
        Err(error) if error.kind() == Kind::WouldBlock => Attempt::WouldBlock,
        result if short => Attempt::Short(result),
        result => Attempt::Done(result),
    }
}

/// As [`attempt`], right after an event of the work's direction: a fresh event is the answer to a `Ready`.
pub(super) fn attempt_after_event<P: Poller>(
    poller: &P,
    work: &mut Work<<P::Net as Net>::Socket>,
    fresh: bool,
) -> Attempt<<P::Net as Net>::Socket> {
    match work {
        Work::Op(Op::Ready { .. } | Op::NextReady { .. }) if fresh => {
            Attempt::Done(Ok(Outcome::Ready))
        }
        work => attempt(poller, work),
    }
}
