//! One operation of a ring: where it belongs, and one try at it that never waits.
#![allow(unsafe_code, reason = "received bytes initialise a buffer")]

use crate::Linux;
use crate::net::{Socket, finish_connect};
use core::net::SocketAddr;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;
use underpin_core::platform::{Buffer, Interest, Net, Op, Outcome};
use underpin_core::{Error, Kind, Operation, Result};

/// The two directions of a socket, as indices of its queues.
pub(crate) const READ: usize = 0;
pub(crate) const WRITE: usize = 1;

/// An accepted operation.
#[derive(Debug)]
pub(crate) enum Work {
    /// As it was handed over. Not a connect.
    Op(Op<Socket>),
    /// A connect under way on its new socket.
    Connect(Socket, SocketAddr),
}

/// What came of one try.
pub(crate) enum Attempt {
    /// The operation is complete.
    Done(Result<Outcome<Socket>>),
    /// It must wait for the socket.
    WouldBlock,
}

/// The socket and direction of an operation; `None` for one that this ring does not know, or that has no socket yet.
pub(crate) fn place(op: &Op<Socket>) -> Option<(&Socket, usize)> {
    match op {
        Op::Ready {
            socket,
            interest: Interest::Read,
        }
        | Op::Accept { listener: socket }
        | Op::Receive { socket, .. } => Some((socket, READ)),
        Op::Ready {
            socket,
            interest: Interest::Write,
        }
        | Op::Send { socket, .. } => Some((socket, WRITE)),
        _ => None,
    }
}

impl Work {
    /// The direction's queue that the work waits in.
    pub(crate) fn place(&self) -> Option<(&Socket, usize)> {
        match self {
            Self::Op(op) => place(op),
            Self::Connect(socket, _) => Some((socket, WRITE)),
        }
    }

    /// What errors name as having failed.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Op(Op::Ready { .. }) => Operation::Ready,
            Self::Op(Op::Accept { .. }) => Operation::Accept,
            Self::Op(Op::Receive { .. }) => Operation::Receive,
            Self::Op(Op::Send { .. }) => Operation::Send,
            Self::Op(_) => Operation::Submit,
            Self::Connect(..) => Operation::Connect,
        }
    }

    /// The operation as its user handed it over.
    pub(crate) fn into_op(self) -> Op<Socket> {
        match self {
            Self::Op(op) => op,
            Self::Connect(_, address) => Op::Connect { address },
        }
    }

    /// The buffer that was lent, if one was.
    pub(crate) fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Op(Op::Receive { buffer, .. } | Op::Send { buffer, .. }) => Some(buffer),
            _ => None,
        }
    }
}

/// Tries the work once.
pub(crate) fn attempt(work: &mut Work) -> Attempt {
    let result = match work {
        Work::Connect(socket, _) => finish_connect(socket).map(|()| Outcome::Connected {
            socket: socket.clone(),
        }),
        Work::Op(Op::Ready { socket, interest }) => return attempt_ready(socket, *interest),
        Work::Op(Op::Accept { listener }) => Linux
            .try_accept(listener)
            .map(|(socket, peer)| Outcome::Accepted { socket, peer }),
        Work::Op(Op::Receive { socket, buffer }) => {
            Linux.try_receive(socket, buffer.spare_mut()).map(|bytes| {
                // SAFETY: `try_receive` initialised that many of the spare bytes (the contract of Net).
                unsafe { buffer.advance(bytes) };
                Outcome::Transferred { bytes }
            })
        }
        Work::Op(Op::Send {
            socket,
            buffer,
            start,
        }) => Linux
            .try_send(socket, buffer.as_slice().get(*start..).unwrap_or_default())
            .map(|bytes| Outcome::Transferred { bytes }),
        Work::Op(_) => Err(Error::unsupported(Operation::Submit)),
    };
    match result {
        Err(error) if error.kind() == Kind::WouldBlock => Attempt::WouldBlock,
        result => Attempt::Done(result),
    }
}

/// As [`attempt`], right after an event of the work's direction: a fresh event is the answer to a `Ready`.
pub(crate) fn attempt_after_event(work: &mut Work, fresh: bool) -> Attempt {
    match work {
        Work::Op(Op::Ready { .. }) if fresh => Attempt::Done(Ok(Outcome::Ready)),
        work => attempt(work),
    }
}

/// Looks whether the socket is ready now. A look that says no makes the kernel report the change (it asks for write space).
fn attempt_ready(socket: &Socket, interest: Interest) -> Attempt {
    const NO_WAIT: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let flags = match interest {
        Interest::Read => PollFlags::IN | PollFlags::RDHUP,
        Interest::Write => PollFlags::OUT,
    };
    let fd = socket.as_fd();
    let mut list = [PollFd::new(&fd, flags)];
    match retry_on_intr(|| rustix::event::poll(&mut list, Some(&NO_WAIT))) {
        Ok(0) => Attempt::WouldBlock,
        // Spurious readiness is allowed, a hang is not: where the look fails, the caller's own call will tell.
        Ok(_) | Err(_) => Attempt::Done(Ok(Outcome::Ready)),
    }
}
