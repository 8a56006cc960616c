//! The ring over `epoll`: try the call first, queue the operation on `EAGAIN`, run the queue when the kernel reports an edge.
//!
//! # Why edges are enough
//!
//! A socket is registered once per ring, for both directions, edge-triggered, when an operation on it first has to wait; the
//! registration ends with the socket. An edge is a change seen after the last look, so every look comes after registration
//! and before waiting:
//!
//! - an operation that met `EAGAIN` looked at the socket itself; whatever makes it possible later is a new edge;
//! - [`Op::Ready`] moves no bytes, and its user calls `try_receive` and `try_send` outside of the ring, so edges that fired
//!   before say nothing: it looks with `poll(2)` and no timeout, which also makes the kernel promise a write edge;
//! - at registration the kernel looks, and reports what is ready already.
//!
//! Edges are hints: an operation completes because its call succeeded or failed, so a stale edge is harmless.
//!
//! # Order
//!
//! Each socket has a queue for reading (`Ready` for reading, `Accept`, `Receive`) and one for writing (`Ready` for writing,
//! `Send`, `Connect`). A call is tried at submission only when its queue is empty, and a queue runs from its head until one would
//! block, so that operations complete in the order of submission.
//!
//! # Bounds
//!
//! Operations: `RingOptions::pending_max`. Table of sockets: one entry per descriptor number, so at most the process's limit.
//! A socket that went away leaves its small entry (and its reference count's memory) until its number is used again.
//!
//! # Not here
//!
//! The database's files: `epoll` knows no readiness of regular files.
#![forbid(unsafe_code)]

use crate::Linux;
use crate::clock::timespec_from_ns;
use crate::error::{error, error_as};
use crate::net::{Descriptor, Socket, start_connect};
use crate::operation::{Attempt, READ, WRITE, Work, attempt, attempt_after_event, place};
use crate::pending::{Pending, Queue};
use crate::platform::refused;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use underpin_core::limits::RING_COMPLETIONS_MAX;
use underpin_core::platform::{
    Cancel, Caps, Clock, ClockId, Completion, Instant, Op, OpId, Reactor, Rejected, Ring,
    RingOptions, RingWaker,
};
use underpin_core::{Error, Kind, Operation, Result};

/// Events that one system call brings at most.
const EVENTS_MAX: usize = 128;

/// Event data of the waker; descriptor numbers are below 2^31.
const WAKER_DATA: u64 = u64::MAX;

/// What the ring knows about the socket that has, or had, a certain descriptor number.
#[derive(Debug)]
struct Registration {
    owner: Weak<Descriptor>,
    registered: bool,
    queues: [Queue; 2],
}

/// A ring over one `epoll` instance.
#[derive(Debug)]
pub struct EpollRing {
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    /// By descriptor number.
    registrations: Vec<Registration>,
    pending: Pending,
    pending_max: usize,
}

/// Ends a wait of its ring.
#[derive(Clone, Debug)]
pub struct EpollWaker(Arc<OwnedFd>);

impl RingWaker for EpollWaker {
    #[expect(
        clippy::host_endian_bytes,
        reason = "the kernel reads the count as the host does"
    )]
    fn wake(&self) {
        // The counter is never read: each write is an edge of its own. It would overflow, and the write fail, after 2^64 - 2
        // wakes. One system call, so it is async-signal-safe.
        let _ = retry_on_intr(|| rustix::io::write(&*self.0, &1_u64.to_ne_bytes()));
    }
}

impl Reactor for Linux {
    type Ring = EpollRing;

    fn ring(&self, options: &RingOptions) -> Result<EpollRing> {
        const OP: Operation = Operation::Ring;
        let make = || {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let data = epoll::EventData::new_u64(WAKER_DATA);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, &waker, data, flags)?;
            Ok((epoll, waker))
        };
        let (epoll, waker) = make().map_err(|errno| refused(Caps::REACTOR, OP, errno))?;
        Ok(EpollRing {
            epoll,
            waker: Arc::new(waker),
            registrations: Vec::new(),
            pending: Pending::new(),
            // Entries are numbered with 32 bits, one of which stands for none.
            pending_max: options.pending_max.min(u32::MAX as usize - 1),
        })
    }
}

impl Ring for EpollRing {
    type Socket = Socket;
    type Waker = EpollWaker;

    fn submit(
        &mut self,
        op: Op<Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<Socket>> {
        if let Err(error) = self.admit(&op) {
            return Err(Rejected { error, op });
        }
        let (socket, direction, work) = match op {
            Op::Connect { address } => match start_connect(&address) {
                (Ok(socket), None) => (socket.clone(), WRITE, Work::Connect(socket, address)),
                (Ok(_), Some(error)) => {
                    let index = self.pending.insert_done(Completion {
                        token,
                        result: Err(error),
                        buffer: None,
                    });
                    return Ok(self.pending.id(index));
                }
                (Err(error), _) => return Err(Rejected { error, op }),
            },
            op => match place(&op) {
                Some((socket, direction)) => (socket.clone(), direction, Work::Op(op)),
                None => {
                    let error = Error::unsupported(Operation::Submit);
                    return Err(Rejected { error, op });
                }
            },
        };
        match self.start(&socket, direction, work, token) {
            Ok(index) => Ok(self.pending.id(index)),
            Err((error, work)) => Err(Rejected {
                error,
                op: work.into_op(),
            }),
        }
    }

    fn cancel(&mut self, id: OpId) -> Cancel {
        let Some(index) = self.pending.find(id) else {
            return Cancel::NotPending;
        };
        // An entry that is done already is delivered with its result.
        if let Some(work) = self.pending.work(index)
            && let Some((socket, direction)) = work.place()
        {
            let fd = index_of(socket);
            let operation = work.operation();
            let queue = &mut self.registrations[fd].queues[direction];
            let error = Error::new(operation, Kind::Cancelled);
            self.pending
                .complete(queue, index, |token, work| Completion {
                    token,
                    result: Err(error),
                    buffer: work.into_buffer(),
                });
        }
        Cancel::Requested
    }

    fn pending(&self) -> usize {
        self.pending.count()
    }

    fn wait<E: Extend<Completion<Socket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        loop {
            let now = Linux.now(ClockId::Monotonic);
            // Sockets are looked at also when completions are at hand, so that one busy connection starves no other.
            let timeout_ns = if self.pending.has_ready() {
                Some(0)
            } else {
                until
                    .filter(|&until| until != Instant::MAX)
                    .map(|until| until.as_ns().saturating_sub(now.as_ns()))
            };
            let timeout = timeout_ns.map(timespec_from_ns);
            let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
            let waked =
                match crate::syscall::epoll_wait(self.epoll.as_fd(), &mut events, timeout.as_ref())
                {
                    Ok(events) => self.dispatch(events),
                    Err(Errno::INTR) => false,
                    Err(errno) => {
                        return Err(error_as(Operation::RingWait, Kind::Io, errno));
                    }
                };
            let expired = || until.is_some_and(|until| Linux.now(ClockId::Monotonic) >= until);
            if self.pending.has_ready() || waked || expired() {
                return Ok(self.deliver(out));
            }
        }
    }

    fn waker(&self) -> EpollWaker {
        EpollWaker(Arc::clone(&self.waker))
    }
}

impl EpollRing {
    /// Checks everything that can be checked before an operation starts, and makes room for it.
    fn admit(&mut self, op: &Op<Socket>) -> Result<()> {
        const OP: Operation = Operation::Submit;
        if self.pending.count() >= self.pending_max {
            return Err(Error::new(OP, Kind::Limit));
        }
        if let Op::Send { buffer, start, .. } = op
            && *start > buffer.as_slice().len()
        {
            return Err(Error::new(OP, Kind::InvalidInput));
        }
        self.pending
            .reserve()
            .map_err(|_| Error::new(OP, Kind::OutOfMemory))
    }

    /// Finds or makes the table's entry for `socket` and returns its index.
    fn enlist(&mut self, socket: &Socket) -> Result<usize> {
        let fd = index_of(socket);
        while self.registrations.len() <= fd {
            self.registrations
                .try_reserve(1)
                .map_err(|_| Error::new(Operation::Submit, Kind::OutOfMemory))?;
            self.registrations.push(Registration {
                owner: Weak::new(),
                registered: false,
                queues: [Queue::EMPTY; 2],
            });
        }
        let registration = &mut self.registrations[fd];
        if !socket.is(&registration.owner) {
            // The number's earlier owner is closed: nothing of it is queued, since queued operations keep their socket, and the
            // kernel dropped its registration.
            debug_assert!(
                registration
                    .queues
                    .iter()
                    .all(|queue| queue.first().is_none())
            );
            registration.owner = socket.downgrade();
            registration.registered = false;
        }
        Ok(fd)
    }

    /// Tries an operation at once if it may, else queues it. [`admit`](Self::admit) came before.
    fn start(
        &mut self,
        socket: &Socket,
        direction: usize,
        mut work: Work,
        token: u64,
    ) -> core::result::Result<u32, (Error, Work)> {
        let fd = match self.enlist(socket) {
            Ok(fd) => fd,
            Err(error) => return Err((error, work)),
        };
        if self.registrations[fd].queues[direction].first().is_none()
            && let Attempt::Done(result) = attempt(&mut work)
        {
            return Ok(self.pending.insert_done(Completion {
                token,
                result,
                buffer: work.into_buffer(),
            }));
        }
        if let Err(error) = self.register(fd, socket) {
            return Err((error, work));
        }
        let queue = &mut self.registrations[fd].queues[direction];
        Ok(self.pending.insert(queue, token, work))
    }

    /// Registers the socket of entry `fd` with the kernel, once.
    fn register(&mut self, fd: usize, socket: &Socket) -> Result<()> {
        const OP: Operation = Operation::Submit;
        let registration = &mut self.registrations[fd];
        if registration.registered {
            return Ok(());
        }
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(fd as u64);
        match epoll::add(&self.epoll, socket.as_fd(), data, flags) {
            Ok(()) => {
                registration.registered = true;
                Ok(())
            }
            // The user's bound on watches, not the disk's on space.
            Err(Errno::NOSPC) => Err(error_as(OP, Kind::Limit, Errno::NOSPC)),
            Err(errno) => Err(error(OP, errno)),
        }
    }

    /// Runs the queues that events speak of; true if the waker called.
    fn dispatch(&mut self, events: &[epoll::Event]) -> bool {
        use epoll::EventFlags as Flags;
        let both = Flags::HUP | Flags::ERR;
        let mut waked = false;
        for event in events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == WAKER_DATA {
                waked = true;
                continue;
            }
            let Ok(fd) = usize::try_from(data) else {
                continue;
            };
            if flags.intersects(Flags::IN | Flags::RDHUP | both) {
                self.run(fd, READ);
            }
            if flags.intersects(Flags::OUT | both) {
                self.run(fd, WRITE);
            }
        }
        waked
    }

    /// Runs a queue after an event until an operation would block.
    fn run(&mut self, fd: usize, direction: usize) {
        let Some(registration) = self.registrations.get_mut(fd) else {
            return;
        };
        let queue = &mut registration.queues[direction];
        // The event itself is the answer to a `Ready` at the head; one behind it must look for itself.
        let mut fresh = true;
        while let Some(index) = queue.first() {
            let Some(work) = self.pending.work_mut(index) else {
                return;
            };
            let result = match attempt_after_event(work, fresh) {
                Attempt::Done(result) => result,
                Attempt::WouldBlock => return,
            };
            fresh = false;
            self.pending
                .complete(queue, index, |token, work| Completion {
                    token,
                    result,
                    buffer: work.into_buffer(),
                });
        }
    }

    /// Hands over what is ready, up to the bound of one call.
    fn deliver<E: Extend<Completion<Socket>>>(&mut self, out: &mut E) -> usize {
        let mut count = 0;
        out.extend(core::iter::from_fn(|| {
            if count == RING_COMPLETIONS_MAX {
                return None;
            }
            let completion = self.pending.pop_ready()?;
            count += 1;
            Some(completion)
        }));
        count
    }
}

/// The index of a socket's entry: its descriptor number, which is never negative.
fn index_of(socket: &Socket) -> usize {
    usize::try_from(socket.raw_fd()).unwrap_or(0)
}
