//! The readiness ring's poller over `epoll`: edges, one registration a socket and ring.
//!
//! A socket is registered for both directions, edge-triggered, and its registration ends with it. `epoll` looks at the socket when it is
//! registered and reports what is ready already; [`poll(2)`](rustix::event::poll) also makes the kernel promise a write edge.
//!
//! Not here: the database's files. `epoll` knows no readiness of regular files.
#![forbid(unsafe_code)]

use crate::Linux;
use crate::clock::timespec_from_ns;
use crate::error::{error, error_as};
use crate::net::{Descriptor, Socket, SocketKind, finish_connect, start_connect};
use crate::platform::refused;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use underpin_core::platform::readiness::{Connecting, Event, Poller, ReadinessRing};
use underpin_core::platform::{Caps, Interest, RingWaker};
use underpin_core::{Kind, Operation, Result};

/// Events that one system call brings at most.
const EVENTS_MAX: usize = 128;

/// Event data of the waker; descriptor numbers are below 2^31.
const WAKER_DATA: u64 = u64::MAX;

/// A ring over one `epoll` instance.
pub type EpollRing = ReadinessRing<EpollPoller>;

/// An `epoll` instance with an `eventfd` that ends its waits.
#[derive(Debug)]
pub struct EpollPoller {
    epoll: OwnedFd,
    waker: Arc<OwnedFd>,
    /// By descriptor number, how many sockets with this number came and went, modulo 2^16. It is in the upper half of events' data: the
    /// registration of a closed descriptor stays while a duplicate of it is open.
    generations: Vec<u16>,
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

impl EpollPoller {
    pub(crate) fn new() -> Result<Self> {
        let make = || {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let data = epoll::EventData::new_u64(WAKER_DATA);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, &waker, data, flags)?;
            Ok((epoll, waker))
        };
        let (epoll, waker) =
            make().map_err(|errno| refused(Caps::REACTOR, Operation::Ring, errno))?;
        Ok(Self {
            epoll,
            waker: Arc::new(waker),
            generations: Vec::new(),
        })
    }

    /// What the events of the socket that has this number carry.
    fn data_of(&self, number: u32) -> u64 {
        let generation = self.generations.get(number as usize).copied();
        u64::from(generation.unwrap_or(0)) << 32 | u64::from(number)
    }
}

/// A descriptor number, which is never negative, as the number that it is.
#[expect(clippy::cast_sign_loss, reason = "descriptor numbers are not negative")]
fn number_of(socket: &Socket) -> u32 {
    socket.raw_fd() as u32
}

impl Poller for EpollPoller {
    type Net = Linux;
    type Waker = EpollWaker;
    type Identity = Weak<Descriptor>;

    const PERSISTENT: bool = true;

    fn net(&self) -> &Linux {
        &Linux
    }

    fn key(socket: &Socket) -> usize {
        number_of(socket) as usize
    }

    fn identity(socket: &Socket) -> Weak<Descriptor> {
        socket.downgrade()
    }

    fn is(socket: &Socket, identity: &Weak<Descriptor>) -> bool {
        socket.is(identity)
    }

    fn is_stream(socket: &Socket) -> bool {
        socket.kind() == SocketKind::Stream
    }

    fn start_connect(&self, address: &SocketAddr) -> Result<Connecting<Socket>> {
        start_connect(address)
    }

    fn finish_connect(&self, socket: &Socket) -> Result<()> {
        finish_connect(socket)
    }

    fn is_ready(&self, socket: &Socket, interest: Interest) -> bool {
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
        // Where the look fails, the caller's own call will tell.
        retry_on_intr(|| rustix::event::poll(&mut list, Some(&NO_WAIT))) != Ok(0)
    }

    fn watch(&mut self, socket: &Socket, _interest: Interest) -> Result<()> {
        const OP: Operation = Operation::Submit;
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::PRI
            | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(self.data_of(number_of(socket)));
        match epoll::add(&self.epoll, socket.as_fd(), data, flags) {
            Ok(()) => Ok(()),
            // The user's bound on watches, not the disk's on space.
            Err(Errno::NOSPC) => Err(error_as(OP, Kind::Limit, Errno::NOSPC)),
            Err(errno) => Err(error(OP, errno)),
        }
    }

    fn forget(&mut self, key: usize) {
        if key >= self.generations.len() {
            let more = key + 1 + key / 4 - self.generations.len();
            if self.generations.try_reserve_exact(more).is_err() {
                // Then a stale event is taken for a new one, which costs a call that says `WouldBlock`, as a rule.
                return;
            }
            self.generations.resize(key + 1 + key / 4, 0);
        }
        self.generations[key] = self.generations[key].wrapping_add(1);
    }

    fn poll(&mut self, timeout_ns: Option<u64>, out: &mut Vec<Event>) -> Result<bool> {
        use epoll::EventFlags as Flags;
        let timeout = timeout_ns.map(timespec_from_ns);
        let mut buffer = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS_MAX];
        let room = buffer.len().min(out.capacity() - out.len());
        let events = match crate::syscall::epoll_wait(
            self.epoll.as_fd(),
            &mut buffer[..room],
            timeout.as_ref(),
        ) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(error_as(Operation::RingWait, Kind::Io, errno)),
        };
        let mut waked = false;
        for event in events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == WAKER_DATA {
                waked = true;
                continue;
            }
            // The lower half.
            let number = data as u32;
            if data != self.data_of(number) {
                continue;
            }
            let both = Flags::HUP | Flags::ERR;
            out.push(Event {
                key: number as usize,
                readable: flags.intersects(Flags::IN | Flags::RDHUP | both),
                writable: flags.intersects(Flags::OUT | both),
                ended: flags.intersects(Flags::RDHUP | both),
                urgent: flags.contains(Flags::PRI),
            });
        }
        Ok(waked)
    }

    fn waker(&self) -> EpollWaker {
        EpollWaker(Arc::clone(&self.waker))
    }
}
