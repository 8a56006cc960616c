//! The readiness ring's poller: AFD polls on a completion port.
//!
//! Each socket has at most one poll a direction. A poll reports once, at once if the socket can be used already; the ring asks again when
//! an operation blocks again.
//!
//! ```text
//!   watch: [idle] ---ask---> [asked] ---port reports---> [idle], an event
//!                               \ forget: [orphan] ---port reports---> freed
//! ```
//!
//! # Invariants
//! I1: the memory of a request that is asked or orphaned belongs to the kernel; nobody else touches it until the port reports.
//! I2: a request's name at the port is its index and one; the waker's packets have the name 0 and a key of their own.
//! I3: `asked` counts the requests of I1, and dropping the poller waits until there are none.
//!
//! # Bounds
//! Two requests a socket that has ever waited, of some 100 bytes, until its number is used again. One AFD handle serves them all.
//!
//! # Where it ran
//! Under wine. On Windows a `Ready` for writing of a socket whose connect failed was not executed.
#![allow(unsafe_code, reason = "system calls")]

use crate::afd::{self, PollMemory, event};
use crate::handle::{self, Handle, last_error};
use crate::net::{Descriptor, Socket, finish_connect, start_connect};
use crate::{Windows, error};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ptr::{NonNull, null, null_mut};
use core::sync::atomic::{AtomicBool, Ordering};
use underpin_core::platform::readiness::{Connecting, Event, Poller, ReadinessRing};
use underpin_core::platform::{Interest, Reactor, RingOptions, RingWaker};
use underpin_core::{Error, Kind, Operation, Result};
use windows_sys::Win32::Foundation::{INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::Networking::WinSock::{POLLRDNORM, POLLWRNORM, WSAPOLLFD, WSAPoll};
use windows_sys::Win32::System::IO::{
    CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

/// Packets that one system call brings at most.
const PACKETS_MAX: usize = 64;

/// Completion keys.
const AFD_KEY: usize = 0;
const WAKER_KEY: usize = 1;

/// No request.
const NONE: u32 = u32::MAX;

const READ_EVENTS: u32 =
    event::RECEIVE | event::ACCEPT | event::DISCONNECT | event::ABORT | event::LOCAL_CLOSE;
const WRITE_EVENTS: u32 = event::SEND | event::CONNECT_FAIL | event::ABORT | event::LOCAL_CLOSE;

/// A ring over one completion port.
pub type AfdRing = ReadinessRing<AfdPoller>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Asked,
    Orphan,
}

/// A poll of one direction of one socket.
#[derive(Debug)]
struct Request {
    memory: NonNull<PollMemory>,
    state: State,
    key: usize,
    direction: usize,
}

/// A completion port with the sockets' polls.
#[derive(Debug)]
pub struct AfdPoller {
    afd: Handle,
    port: Arc<Port>,
    requests: Vec<Option<Request>>,
    /// Empty places in `requests`.
    free: Vec<u32>,
    /// By the socket's key and direction.
    table: Vec<[u32; 2]>,
    asked: usize,
}

// SAFETY: the requests' memory is owned by the poller or the kernel, and by no thread.
unsafe impl Send for AfdPoller {}

/// A completion port, and whether a waker's packet is on its way there: several wakes are one packet.
#[derive(Debug)]
struct Port {
    handle: Handle,
    waked: AtomicBool,
}

/// Ends a wait of its ring.
#[derive(Clone, Debug)]
pub struct AfdWaker(Arc<Port>);

impl RingWaker for AfdWaker {
    fn wake(&self) {
        if self.0.waked.swap(true, Ordering::AcqRel) {
            // The packet is under way; whoever takes it sees what was written before this.
            return;
        }
        // SAFETY: a call by value; the port lives as long as the waker.
        let posted =
            unsafe { PostQueuedCompletionStatus(self.0.handle.raw(), 0, WAKER_KEY, null()) };
        if posted == 0 {
            self.0.waked.store(false, Ordering::Release);
        }
    }
}

impl Reactor for Windows {
    type Ring = AfdRing;

    fn ring(&self, options: &RingOptions) -> Result<AfdRing> {
        ReadinessRing::new(AfdPoller::new()?, options)
    }
}

impl AfdPoller {
    fn new() -> Result<Self> {
        const OP: Operation = Operation::Ring;
        crate::winsock::start(OP)?;
        let afd = afd::open(OP)?;
        // SAFETY: makes a port that is ours, and ties the driver's handle to it.
        let port = unsafe {
            let port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1);
            let port = Handle::from_raw(OP, port)?;
            let tied = CreateIoCompletionPort(afd.raw(), port.raw(), AFD_KEY, 0);
            if tied.is_null() {
                return Err(last_error(OP));
            }
            port
        };
        Ok(Self {
            afd,
            port: Arc::new(Port {
                handle: port,
                waked: AtomicBool::new(false),
            }),
            requests: Vec::new(),
            free: Vec::new(),
            table: Vec::new(),
            asked: 0,
        })
    }

    /// The request of a socket's direction, made if need be.
    fn request(&mut self, key: usize, direction: usize) -> Result<usize> {
        let no_memory = |_| Error::new(Operation::Submit, Kind::OutOfMemory);
        while self.table.len() <= key {
            self.table.try_reserve(1).map_err(no_memory)?;
            self.table.push([NONE; 2]);
        }
        let index = self.table[key][direction];
        if index != NONE {
            return Ok(index as usize);
        }
        let index = if let Some(index) = self.free.pop() {
            index as usize
        } else {
            self.requests.try_reserve(1).map_err(no_memory)?;
            self.requests.push(None);
            // Room to give every place back without allocating.
            let index = self.requests.len() - 1;
            let room = self.requests.len() - self.free.len();
            if let Err(error) = self.free.try_reserve(room) {
                self.requests.pop();
                return Err(no_memory(error));
            }
            index
        };
        let memory = Box::into_raw(Box::new(PollMemory::new()));
        // SAFETY: a box's pointer is not null.
        let memory = unsafe { NonNull::new_unchecked(memory) };
        self.requests[index] = Some(Request {
            memory,
            state: State::Idle,
            key,
            direction,
        });
        self.table[key][direction] = u32::try_from(index).unwrap_or(NONE);
        Ok(index)
    }

    /// Frees a request that is not the kernel's.
    fn free(&mut self, index: usize) {
        if let Some(request) = self.requests.get_mut(index).and_then(Option::take) {
            debug_assert!(request.state == State::Idle, "I1");
            // SAFETY: I1: the memory came from a box and is nobody else's.
            drop(unsafe { Box::from_raw(request.memory.as_ptr()) });
            self.free.push(u32::try_from(index).unwrap_or(NONE));
        }
    }

    /// A packet of AFD's came for the request `index`.
    fn complete(&mut self, index: usize) -> Option<Event> {
        let request = self.requests.get_mut(index)?.as_mut()?;
        self.asked -= 1;
        let orphan = request.state == State::Orphan;
        request.state = State::Idle;
        if orphan {
            self.free(index);
            return None;
        }
        // SAFETY: I1: the port has reported, so the kernel has let go.
        let events = unsafe { request.memory.as_ref() }.events();
        if events & event::LOCAL_CLOSE != 0 && events != u32::MAX {
            // The socket is closed, so nobody waits for it.
            return None;
        }
        let read = request.direction == 0;
        Some(Event {
            key: request.key,
            readable: read,
            writable: !read,
            ended: read && events & (event::DISCONNECT | event::ABORT) != 0,
            urgent: false,
        })
    }

    /// Takes what is at the port. Says whether a waker called.
    fn take(
        &mut self,
        timeout_ms: u32,
        most: usize,
        mut report: impl FnMut(Event),
    ) -> Result<bool> {
        const OP: Operation = Operation::RingWait;
        let mut packets = [OVERLAPPED_ENTRY::default(); PACKETS_MAX];
        let room = u32::try_from(packets.len().min(most)).unwrap_or(1);
        let mut count = 0;
        // SAFETY: the call fills in at most `room` packets and their count.
        let taken = unsafe {
            GetQueuedCompletionStatusEx(
                self.port.handle.raw(),
                packets.as_mut_ptr(),
                room,
                &raw mut count,
                timeout_ms,
                0,
            )
        };
        if taken == 0 {
            return match handle::last_code() {
                WAIT_TIMEOUT => Ok(false),
                raw => Err(error::with_kind(OP, Kind::Io, raw)),
            };
        }
        let mut waked = false;
        for packet in packets.iter().take(count as usize) {
            match packet.lpCompletionKey {
                WAKER_KEY => {
                    self.port.waked.swap(false, Ordering::AcqRel);
                    waked = true;
                }
                // I2.
                _ => {
                    if let Some(index) = packet.lpOverlapped.addr().checked_sub(1)
                        && let Some(event) = self.complete(index)
                    {
                        report(event);
                    }
                }
            }
        }
        Ok(waked)
    }
}

impl Drop for AfdPoller {
    fn drop(&mut self) {
        // SAFETY: cancels every request of the handle, which is this poller's alone.
        unsafe { CancelIoEx(self.afd.raw(), null()) };
        for request in self.requests.iter_mut().flatten() {
            if request.state == State::Asked {
                request.state = State::Orphan;
            }
        }
        while self.asked > 0 {
            // I3. A port that fails would never tell; then the memory stays the kernel's for ever.
            if self.take(INFINITE, PACKETS_MAX, |_| {}).is_err() {
                return;
            }
        }
        for index in 0..self.requests.len() {
            self.free(index);
        }
    }
}

impl Poller for AfdPoller {
    type Net = Windows;
    type Waker = AfdWaker;
    type Identity = Weak<Descriptor>;

    const PERSISTENT: bool = false;

    fn net(&self) -> &Windows {
        &Windows
    }

    fn key(socket: &Socket) -> usize {
        // Handles are small multiples of four, and the base handle is one.
        socket.base() >> 2
    }

    fn identity(socket: &Socket) -> Weak<Descriptor> {
        socket.downgrade()
    }

    fn is(socket: &Socket, identity: &Weak<Descriptor>) -> bool {
        socket.is(identity)
    }

    fn start_connect(&self, address: &SocketAddr) -> Result<Connecting<Socket>> {
        start_connect(address)
    }

    fn finish_connect(&self, socket: &Socket) -> Result<()> {
        finish_connect(socket)
    }

    fn is_ready(&self, socket: &Socket, interest: Interest) -> bool {
        let mut look = WSAPOLLFD {
            fd: socket.raw(),
            events: match interest {
                Interest::Read => POLLRDNORM,
                Interest::Write => POLLWRNORM,
            },
            revents: 0,
        };
        // Where the look fails, the caller's own call will tell.
        // SAFETY: one entry, filled in and read by the call.
        unsafe { WSAPoll(&raw mut look, 1, 0) != 0 }
    }

    fn watch(&mut self, socket: &Socket, interest: Interest) -> Result<()> {
        let (direction, events) = match interest {
            Interest::Read => (0, READ_EVENTS),
            Interest::Write => (1, WRITE_EVENTS),
        };
        let index = self.request(Self::key(socket), direction)?;
        let Some(request) = self.requests[index].as_mut() else {
            return Err(Error::new(Operation::Submit, Kind::OutOfMemory));
        };
        if request.state == State::Idle {
            // SAFETY: I1: the request is idle, so the memory is ours to lend; it is freed only after the port has reported.
            unsafe {
                afd::poll(
                    &self.afd,
                    request.memory.as_ptr(),
                    index + 1,
                    socket.base(),
                    events,
                )?;
            }
            request.state = State::Asked;
            self.asked += 1;
        }
        Ok(())
    }

    fn forget(&mut self, key: usize) {
        let Some(entry) = self.table.get_mut(key) else {
            return;
        };
        for index in core::mem::replace(entry, [NONE; 2]) {
            let index = index as usize;
            match self.requests.get_mut(index).and_then(Option::as_mut) {
                Some(request) if request.state == State::Asked => request.state = State::Orphan,
                Some(_) => self.free(index),
                None => {}
            }
        }
    }

    fn poll(&mut self, timeout_ns: Option<u64>, events: &mut Vec<Event>) -> Result<bool> {
        let timeout_ms = match timeout_ns {
            None => INFINITE,
            // Rounded up, so that no wait ends early.
            Some(ns) => u32::try_from(ns.div_ceil(1_000_000))
                .unwrap_or(u32::MAX)
                .min(INFINITE - 1),
        };
        let room = events.capacity() - events.len();
        self.take(timeout_ms, room, |event| events.push(event))
    }

    fn waker(&self) -> AfdWaker {
        AfdWaker(Arc::clone(&self.port))
    }
}
