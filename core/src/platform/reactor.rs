//! Completions: an operation is handed to a ring with a token, and comes back done.
//!
//! Completion is the model on every system, readiness ([`Op::Ready`]) is one of its operations. io_uring and IOCP do it
//! natively; epoll and kqueue try the call first and wait for readiness only when it would block; the simulator schedules.
//!
//! # Rules
//!
//! 1. Every operation that was accepted completes exactly once, also after [`Ring::cancel`]. Its socket and buffer are the
//!    ring's from submission to completion, so nobody can free what the system still writes to.
//! 2. A completion is delivered by [`Ring::wait`] alone, never from inside `submit` or `cancel`.
//! 3. Operations on one socket and one direction complete in the order of submission; those on files in no order.
//! 4. Dropping a ring cancels what is pending, waits for the system to let go, and drops sockets and buffers.
//! 5. A ring belongs to one thread at a time; only its wakers may be used from elsewhere.
#![forbid(unsafe_code)]

use super::buffer::Buffer;
use super::clock::Instant;
use super::file::Durability;
use super::file_op::FileOp;
use super::net::Net;
use crate::error::{Error, Result};
use core::net::SocketAddr;

/// Which readiness to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// `try_receive` or `try_accept` would not say `WouldBlock`.
    Read,
    /// `try_send` would not say `WouldBlock`.
    Write,
}

/// An operation for a ring.
#[derive(Debug)]
#[non_exhaustive]
pub enum Op<S> {
    /// Waits until the socket is ready, once. An error of the socket counts as ready; spurious readiness is allowed.
    Ready {
        /// The socket.
        socket: S,
        /// For what.
        interest: Interest,
    },
    /// As `Ready`, from a caller who has just seen that the socket is not ready: since the last `Ready` or `NextReady` of this
    /// direction completed, a call said `WouldBlock` or moved fewer bytes than it was given room for. So a ring that hears of
    /// changes need not look again. A ring may refuse it as `Unsupported`; then use `Ready`.
    NextReady {
        /// The socket.
        socket: S,
        /// For what.
        interest: Interest,
    },
    /// Accepts one connection.
    Accept {
        /// The listener.
        listener: S,
    },
    /// Connects to `address`.
    Connect {
        /// The peer.
        address: SocketAddr,
    },
    /// Reads into the buffer's spare capacity; 0 bytes are the end of the stream.
    Receive {
        /// The connection.
        socket: S,
        /// Where to; comes back with the completion.
        buffer: Buffer,
    },
    /// Writes the buffer's bytes from `start`; may be short.
    Send {
        /// The connection.
        socket: S,
        /// What; comes back with the completion.
        buffer: Buffer,
        /// Index of the first byte to send.
        start: usize,
    },
    /// An operation on a file. Rings of readiness refuse it as `Unsupported`; then use [`Files`](super::Files) on another thread.
    File(FileOp<S>),
}

impl<S> Op<S> {
    /// The buffer that is lent, if one is.
    pub fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Receive { buffer, .. } | Self::Send { buffer, .. } => Some(buffer),
            Self::File(op) => op.into_buffer(),
            _ => None,
        }
    }
}

/// What a completed operation brought.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<S> {
    /// The socket is ready.
    Ready,
    /// A connection came in.
    Accepted {
        /// The new connection.
        socket: S,
        /// Its peer.
        peer: SocketAddr,
    },
    /// The connection stands.
    Connected {
        /// The new connection.
        socket: S,
    },
    /// So many bytes were read or written.
    Transferred {
        /// How many.
        bytes: usize,
    },
    /// The file is open.
    Opened {
        /// The file, closed with the last of its clones.
        file: S,
    },
    /// The file is durable.
    Synced {
        /// How durable; perhaps more than was asked for.
        level: Durability,
    },
}

/// A completed operation.
#[derive(Debug)]
pub struct Completion<S> {
    /// The token that was given at submission.
    pub token: u64,
    /// What came of it; `Cancelled` if [`Ring::cancel`] got there first.
    pub result: Result<Outcome<S>>,
    /// The buffer that was lent, if one was.
    pub buffer: Option<Buffer>,
}

/// Names an accepted operation until it completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpId(u64);

impl OpId {
    /// For implementors; a number is not used again while its operation is pending.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// For implementors.
    #[must_use]
    pub const fn as_raw(self) -> u64 {
        self.0
    }
}

/// An operation that the ring did not take, with the reason; sockets and buffers come back in it.
#[derive(Debug)]
pub struct Rejected<S> {
    /// Why: `Limit` (too many pending), `InvalidInput`, `Unsupported`, `TooManyHandles`.
    pub error: Error,
    /// The operation.
    pub op: Op<S>,
}

/// What [`Ring::cancel`] could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// The operation will complete soon, as `Cancelled` or, if it was faster, with its result.
    Requested,
    /// No such operation is pending.
    NotPending,
}

/// What a ring asks of the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingBackend {
    /// What serves best on the platform as measured.
    #[default]
    Usual,
    /// To tell when a socket can be used: epoll, kqueue, AFD.
    Readiness,
    /// To do the operation: io_uring.
    Completion,
}

/// How to make a ring.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RingOptions {
    /// Which of the system's ways to use; where it is not there or not allowed, the ring goes the usual way, and
    /// [`Ring::backend`] says so. Default: the usual one, which on Linux is epoll.
    pub backend: RingBackend,
    /// Operations that may be pending at once; more are rejected with `Limit`. Default 65,536.
    pub pending_max: usize,
}

impl Default for RingOptions {
    fn default() -> Self {
        Self {
            backend: RingBackend::Usual,
            pending_max: 65_536,
        }
    }
}

/// Ends a [`Ring::wait`] from another thread.
pub trait RingWaker: Clone + Send + Sync + core::fmt::Debug + 'static {
    /// Makes the ring's current or, if it is not waiting, next `wait` return. Wakes before that are one wake. Async-signal-safe
    /// on Unix. Harmless after the ring is gone.
    fn wake(&self);
}

/// A queue of operations and their completions. The rules stand at the head of its file, `reactor.rs`.
pub trait Ring: Send + core::fmt::Debug {
    /// The platform's socket.
    type Socket: Clone + Send + Sync + core::fmt::Debug + 'static;
    /// Ends a wait from elsewhere.
    type Waker: RingWaker;

    /// Hands over an operation. It may start at once or with the next [`wait`](Self::wait).
    ///
    /// # Errors
    /// [`Rejected`]: nothing was started.
    fn submit(
        &mut self,
        op: Op<Self::Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<Self::Socket>>;

    /// Asks for an operation to be given up. The system may hear of it with the next [`wait`](Self::wait), all cancellations at once.
    fn cancel(&mut self, id: OpId) -> Cancel;

    /// Tells the system what was cancelled, if it does not know yet, so that sockets and files which only cancelled operations still have
    /// are closed now, where the system can give them up at once.
    fn let_go(&mut self) {}

    /// Operations accepted and not yet delivered.
    fn pending(&self) -> usize;

    /// Waits until something completes, a waker calls, or the monotonic clock reaches `until` (`None`: for ever; a
    /// deadline that has passed: not at all), hands completions to `out` and returns how many. At most
    /// [`RING_COMPLETIONS_MAX`](crate::limits::RING_COMPLETIONS_MAX) a call; the rest come with the next.
    ///
    /// # Errors
    /// `Io` if the system's queue fails; nothing is lost then.
    fn wait<E: Extend<Completion<Self::Socket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize>;

    /// A waker for this ring.
    fn waker(&self) -> Self::Waker;

    /// What this ring asks of the system. `Usual` where there is one way only.
    fn backend(&self) -> RingBackend {
        RingBackend::Usual
    }
}

/// Makes rings.
pub trait Reactor: Net {
    /// The platform's ring.
    type Ring: Ring<Socket = Self::Socket>;

    /// Makes a ring.
    ///
    /// # Errors
    /// `TooManyHandles`, `OutOfMemory`, `Unsupported`.
    fn ring(&self, options: &RingOptions) -> Result<Self::Ring>;
}
