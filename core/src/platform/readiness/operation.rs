//! One operation of a ring: where it belongs, and one try at it that never waits.
#![allow(unsafe_code, reason = "received bytes initialise a buffer")]

use super::poller::Poller;
use crate::error::{Error, Kind, Operation, Result};
use crate::platform::{Buffer, Interest, Net, Op, Outcome};
use alloc::boxed::Box;
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

/// An accepted operation that waits: what most wait for, readiness, in place, all else in a box, so that an idle connection costs little.
#[derive(Debug)]
pub(super) enum Parked<S> {
    Ready { socket: S, interest: Interest },
    Other(Box<Work<S>>),
}

impl<S> Parked<S> {
    pub(super) fn new(work: Work<S>) -> Self {
        match work {
            // That its user looked matters at submission alone.
            Work::Op(Op::Ready { socket, interest } | Op::NextReady { socket, interest }) => {
                Self::Ready { socket, interest }
            }
            work => Self::Other(Box::new(work)),
        }
    }

    /// The direction's queue that it waits in.
    pub(super) fn place(&self) -> Option<(&S, usize)> {
        match self {
            Self::Ready {
                socket,
                interest: Interest::Read,
            } => Some((socket, READ)),
            Self::Ready {
                socket,
                interest: Interest::Write,
            } => Some((socket, WRITE)),
            Self::Other(work) => work.place(),
        }
    }

    /// Whether it reads bytes.
    pub(super) fn is_receive(&self) -> bool {
        matches!(self, Self::Other(work) if work.is_receive())
    }

    /// What errors name as having failed.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Ready { .. } => Operation::Ready,
            Self::Other(work) => work.operation(),
        }
    }

    /// The buffer that was lent, if one was.
    pub(super) fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Ready { .. } => None,
            Self::Other(work) => work.into_buffer(),
        }
    }
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

/// The socket and direction of an operation; `None` for a connect, which has no socket yet, and for files, which rings of readiness refuse.
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
        Op::Connect { .. } | Op::File(_) => None,
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
            Self::Op(Op::File(_)) => Operation::Submit,
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
            Self::Op(op) => op.into_buffer(),
            Self::Connect(..) => None,
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
            return look(poller, socket, *interest, false);
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
        Work::Op(Op::Connect { .. } | Op::File(_)) => Err(Error::unsupported(Operation::Submit)),
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
    parked: &mut Parked<<P::Net as Net>::Socket>,
    fresh: bool,
) -> Attempt<<P::Net as Net>::Socket> {
    match parked {
        Parked::Ready { socket, interest } => look(poller, socket, *interest, fresh),
        Parked::Other(work) => attempt(poller, work),
    }
}

/// Whether the socket is ready, or was just said to be.
fn look<P: Poller>(
    poller: &P,
    socket: &<P::Net as Net>::Socket,
    interest: Interest,
    fresh: bool,
) -> Attempt<<P::Net as Net>::Socket> {
    // Spurious readiness is allowed, a hang is not.
    if fresh || poller.is_ready(socket, interest) {
        Attempt::Done(Ok(Outcome::Ready))
    } else {
        Attempt::WouldBlock
    }
}
