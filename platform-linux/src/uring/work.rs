//! One operation of the ring: what it asks the kernel for, and what it makes of the answer.
//!
//! # Who owns the bytes
//!
//! W1: between [`Work::entry`] and the completion of that entry the kernel may read or write the buffer of a `Transfer`, so nobody else
//!     looks at its bytes: the ring only moves the box that holds the buffer, whose bytes stay where they are.
#![allow(unsafe_code, reason = "received bytes initialise a buffer")]

use super::file_work::{FileWork, length};
use super::queue::Entry;
use crate::Linux;
use crate::error::error;
use crate::net::{Socket, finish_connect};
use alloc::boxed::Box;
use core::net::SocketAddr;
use rustix::io::Errno;
use rustix::io_uring::IoringOp;
use rustix::net::SendFlags;
use underpin_core::platform::{Buffer, Interest, Net, Op, Outcome};
use underpin_core::{Error, Kind, Operation, Result};

/// The two directions of a socket, as indices of its lanes.
const READ: usize = 0;
const WRITE: usize = 1;

/// An operation that was accepted: what most wait for, readiness, in place, all else in a box, so that an idle connection costs little.
#[derive(Debug)]
pub(super) enum Work {
    Ready { socket: Socket, interest: Interest },
    Other(Box<Other>),
    File(Box<FileWork>),
}

#[derive(Debug)]
pub(super) struct Other {
    socket: Socket,
    kind: OtherKind,
    /// The kernel said that the call would block although it may wait (a kernel that goes by `O_NONBLOCK`): poll first.
    poll_first: bool,
}

#[derive(Debug)]
enum OtherKind {
    Accept,
    Connect(SocketAddr),
    Receive(Buffer),
    Send(Buffer, usize),
}

/// What to do with a work whose turn it is.
pub(super) enum Start {
    /// Give this to the kernel.
    Submit(Entry),
    /// It is complete without it.
    Done(Result<Outcome<Socket>>),
}

/// What an answer of the kernel's means.
pub(super) enum Answer {
    Done(Result<Outcome<Socket>>),
    /// Ask once more.
    Again,
}

impl Work {
    /// The work of an operation that has a socket, or is one on a file that was checked.
    ///
    /// # Errors
    /// The operation itself, if it is a connect or one that the ring does not know, or there is no memory for a path.
    pub(super) fn new(op: Op<Socket>) -> core::result::Result<Self, Op<Socket>> {
        let (socket, kind) = match op {
            Op::Ready { socket, interest } | Op::NextReady { socket, interest } => {
                return Ok(Self::Ready { socket, interest });
            }
            Op::Accept { listener } => (listener, OtherKind::Accept),
            Op::Receive { socket, buffer } => (socket, OtherKind::Receive(buffer)),
            Op::Send {
                socket,
                buffer,
                start,
            } => (socket, OtherKind::Send(buffer, start)),
            Op::File(op) => {
                return FileWork::new(op)
                    .map(|work| Self::File(Box::new(work)))
                    .map_err(Op::File);
            }
            op => return Err(op),
        };
        Ok(Self::other(socket, kind))
    }

    /// The work of a connect that was started on `socket`.
    pub(super) fn connect(socket: Socket, address: SocketAddr) -> Self {
        Self::other(socket, OtherKind::Connect(address))
    }

    fn other(socket: Socket, kind: OtherKind) -> Self {
        Self::Other(Box::new(Other {
            socket,
            kind,
            poll_first: false,
        }))
    }

    /// The operation as its user handed it over.
    pub(super) fn into_op(self) -> Op<Socket> {
        match self {
            Self::Ready { socket, interest } => Op::Ready { socket, interest },
            Self::File(work) => Op::File(work.into_op()),
            Self::Other(other) => {
                let Other { socket, kind, .. } = *other;
                match kind {
                    OtherKind::Accept => Op::Accept { listener: socket },
                    OtherKind::Connect(address) => Op::Connect { address },
                    OtherKind::Receive(buffer) => Op::Receive { socket, buffer },
                    OtherKind::Send(buffer, start) => Op::Send {
                        socket,
                        buffer,
                        start,
                    },
                }
            }
        }
    }

    /// The lane that it waits in: its socket's descriptor number and its direction. Those on files wait for no others.
    pub(super) fn place(&self) -> Option<(usize, usize)> {
        let (socket, interest) = match self {
            Self::Ready { socket, interest } => (socket, *interest),
            Self::Other(other) => (&other.socket, other.interest()),
            Self::File(_) => return None,
        };
        let fd = usize::try_from(socket.raw_fd()).unwrap_or(0);
        Some(match interest {
            Interest::Read => (fd, READ),
            Interest::Write => (fd, WRITE),
        })
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// Whether a thread of the kernel's may be at work on it, which a cancellation does not take it from: it only interrupts the thread, where
    /// that can be. Asking again without pause would not hurry it.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// What errors name as having failed.
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Ready { .. } => Operation::Ready,
            Self::File(work) => work.operation(),
            Self::Other(other) => match other.kind {
                OtherKind::Accept => Operation::Accept,
                OtherKind::Connect(_) => Operation::Connect,
                OtherKind::Receive(_) => Operation::Receive,
                OtherKind::Send(..) => Operation::Send,
            },
        }
    }

    /// The buffer that was lent, if one was.
    pub(super) fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Ready { .. } => None,
            Self::File(work) => work.into_op().into_buffer(),
            Self::Other(other) => match other.kind {
                OtherKind::Receive(buffer) | OtherKind::Send(buffer, _) => Some(buffer),
                OtherKind::Accept | OtherKind::Connect(_) => None,
            },
        }
    }

    /// What to ask the kernel for, now that the work is the oldest of its lane. From here to the answer W1 holds.
    pub(super) fn start(&mut self, user_data: u64) -> Start {
        match self {
            Self::Ready { socket, interest } => Start::Submit(poll(socket, *interest, user_data)),
            Self::Other(other) => other.start(user_data),
            Self::File(work) => Start::Submit(work.start(user_data)),
        }
    }

    /// What the kernel's answer to the entry of [`start`](Self::start) means.
    pub(super) fn answer(&mut self, result: i32) -> Answer {
        let operation = self.operation();
        if let Self::File(work) = self {
            return work.answer(result);
        }
        let count = match usize::try_from(result) {
            Ok(count) => count,
            Err(_) => match Errno::from_raw_os_error(-result) {
                Errno::AGAIN => {
                    if let Self::Other(other) = self {
                        other.poll_first = true;
                    }
                    return Answer::Again;
                }
                // Nobody asked for it here: the thread that submitted it has ended, or was interrupted.
                Errno::CANCELED | Errno::INTR => return Answer::Again,
                errno => return Answer::Done(Err(error(operation, errno))),
            },
        };
        match self {
            Self::Other(other) => other.answer(count),
            Self::Ready { .. } | Self::File(_) => Answer::Done(Ok(Outcome::Ready)),
        }
    }
}

impl Other {
    fn interest(&self) -> Interest {
        match self.kind {
            OtherKind::Accept | OtherKind::Receive(_) => Interest::Read,
            OtherKind::Connect(_) | OtherKind::Send(..) => Interest::Write,
        }
    }

    /// Whether the entry is a transfer of bytes, and not a poll.
    fn is_transfer(&self) -> bool {
        !self.poll_first && matches!(self.kind, OtherKind::Receive(_) | OtherKind::Send(..))
    }

    fn start(&mut self, user_data: u64) -> Start {
        const NOTHING: Start = Start::Done(Ok(Outcome::Transferred { bytes: 0 }));
        let (interest, transfer) = (self.interest(), self.is_transfer());
        let (opcode, address, len, op_flags) = match &mut self.kind {
            OtherKind::Receive(buffer) => {
                let spare = buffer.spare_mut();
                if spare.is_empty() {
                    return NOTHING;
                }
                let at = spare.as_mut_ptr().expose_provenance();
                (IoringOp::Recv, at, spare.len(), 0)
            }
            OtherKind::Send(buffer, start) => {
                let rest = buffer.as_slice().get(*start..).unwrap_or_default();
                if rest.is_empty() {
                    return NOTHING;
                }
                let at = rest.as_ptr().expose_provenance();
                (IoringOp::Send, at, rest.len(), SendFlags::NOSIGNAL.bits())
            }
            OtherKind::Accept | OtherKind::Connect(_) => {
                return Start::Submit(poll(&self.socket, interest, user_data));
            }
        };
        if !transfer {
            return Start::Submit(poll(&self.socket, interest, user_data));
        }
        Start::Submit(Entry {
            opcode: opcode as u8,
            fd: self.socket.raw_fd(),
            address: address as u64,
            len: length(len),
            op_flags,
            user_data,
            ..Entry::default()
        })
    }

    /// The kernel's answer, which is no error.
    fn answer(&mut self, count: usize) -> Answer {
        if self.is_transfer() {
            return Answer::Done(self.transferred(count));
        }
        // A poll: the socket can be used, or has failed.
        let result = match &self.kind {
            OtherKind::Accept => Linux
                .try_accept(&self.socket)
                .map(|(socket, peer)| Outcome::Accepted { socket, peer }),
            OtherKind::Connect(_) => finish_connect(&self.socket).map(|()| Outcome::Connected {
                socket: self.socket.clone(),
            }),
            OtherKind::Receive(_) | OtherKind::Send(..) => {
                self.poll_first = false;
                return Answer::Again;
            }
        };
        match result {
            Err(error) if error.kind() == Kind::WouldBlock => Answer::Again,
            result => Answer::Done(result),
        }
    }

    fn transferred(&mut self, bytes: usize) -> Result<Outcome<Socket>> {
        let operation = Operation::RingWait;
        match &mut self.kind {
            OtherKind::Receive(buffer) => {
                if bytes > buffer.spare_mut().len() {
                    return Err(Error::new(operation, Kind::Io));
                }
                // SAFETY: the kernel wrote that many of the spare bytes that the entry named: the spare capacity from its start, which
                // has not changed since (W1). `Queue::pop` acquired the writes.
                unsafe { buffer.advance(bytes) };
            }
            OtherKind::Send(buffer, start) => {
                if bytes > buffer.as_slice().len() - *start {
                    return Err(Error::new(operation, Kind::Io));
                }
            }
            OtherKind::Accept | OtherKind::Connect(_) => {}
        }
        Ok(Outcome::Transferred { bytes })
    }
}

/// An entry that is answered once, when the socket can be used for `interest`, or has failed.
fn poll(socket: &Socket, interest: Interest, user_data: u64) -> Entry {
    use rustix::event::PollFlags;
    let events = match interest {
        Interest::Read => PollFlags::IN | PollFlags::RDHUP,
        Interest::Write => PollFlags::OUT,
    };
    let events = u32::from(events.bits());
    Entry {
        opcode: IoringOp::PollAdd as u8,
        fd: socket.raw_fd(),
        // The kernel wants the halves of the word in the order of a little-endian machine.
        op_flags: if cfg!(target_endian = "big") {
            events.rotate_left(16)
        } else {
            events
        },
        user_data,
        ..Entry::default()
    }
}
