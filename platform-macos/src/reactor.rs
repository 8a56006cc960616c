//! The readiness ring's poller over `kqueue`: edges, one registration of each direction a socket and ring.
//!
//! A socket is registered for both directions with `EV_CLEAR`; `kqueue` looks at it then and reports what is ready already. A closed
//! descriptor leaves the queue by itself. The waker is an event of the user's own (`EVFILT_USER`).
//!
//! # Quirks
//! - `kevent` fails a whole list at its first bad change unless the changes ask for receipts, so the filters are added by
//!   a call each.
//! - Timeouts above some 10^8 seconds are `EINVAL`; longer ones are cut, and the ring waits again.
//!
//! # Where it ran
//! Nowhere: it is checked, linted and linked for both processors, and its numbers are compared with Apple's headers.
#![allow(unsafe_code, reason = "calls libSystem")]

use crate::Macos;
use crate::descriptor::OwnedDescriptor;
use crate::error::{check, retry};
use crate::net::{Descriptor, Socket, finish_connect, start_connect};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ptr::{null, null_mut};
use libc::{c_int, kevent, timespec};
use underpin_core::error::{Domain, Error, Kind, Operation, Result};
use underpin_core::platform::readiness::{Connecting, Event, Poller, ReadinessRing};
use underpin_core::platform::{Interest, Reactor, RingOptions, RingWaker};

/// Events that one system call brings at most.
const EVENTS_MAX: usize = 64;

/// The waker's event: no socket has its filter.
const WAKER_IDENT: usize = 0;

/// The longest that one call waits.
const WAIT_S_MAX: u64 = 1_000_000;

/// A ring over one `kqueue`.
pub type KqueueRing = ReadinessRing<KqueuePoller>;

/// A `kqueue`.
#[derive(Debug)]
pub struct KqueuePoller {
    queue: Arc<OwnedDescriptor>,
}

/// Ends a wait of its ring.
#[derive(Clone, Debug)]
pub struct KqueueWaker(Arc<OwnedDescriptor>);

/// An event or change without data.
fn change(ident: usize, filter: i16, flags: u16, fflags: u32) -> kevent {
    kevent {
        ident,
        filter,
        flags,
        fflags,
        data: 0,
        udata: null_mut(),
    }
}

/// Makes one change.
fn apply(queue: &OwnedDescriptor, operation: Operation, change: &kevent) -> Result<()> {
    // SAFETY: the call reads one change and writes no event.
    retry(operation, || unsafe {
        kevent(queue.raw(), change, 1, null_mut(), 0, null())
    })
    .map(drop)
}

impl RingWaker for KqueueWaker {
    fn wake(&self) {
        let trigger = change(WAKER_IDENT, libc::EVFILT_USER, 0, libc::NOTE_TRIGGER);
        // One system call, so it is async-signal-safe. The event is there as long as the queue, so it cannot fail.
        let _ = apply(&self.0, Operation::RingWait, &trigger);
    }
}

impl Reactor for Macos {
    type Ring = KqueueRing;

    fn ring(&self, options: &RingOptions) -> Result<KqueueRing> {
        ReadinessRing::new(KqueuePoller::new()?, options)
    }
}

impl KqueuePoller {
    fn new() -> Result<Self> {
        const OP: Operation = Operation::Ring;
        // SAFETY: makes a descriptor that is ours.
        let queue = unsafe { OwnedDescriptor::from_raw(OP, libc::kqueue()) }?;
        queue.close_on_exec(OP)?;
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        apply(
            &queue,
            OP,
            &change(WAKER_IDENT, libc::EVFILT_USER, flags, 0),
        )?;
        Ok(Self {
            queue: Arc::new(queue),
        })
    }
}

/// A descriptor number, which is never negative, as the number that it is.
#[expect(clippy::cast_sign_loss, reason = "descriptor numbers are not negative")]
fn number_of(socket: &Socket) -> usize {
    socket.raw_fd() as usize
}

impl Poller for KqueuePoller {
    type Net = Macos;
    type Waker = KqueueWaker;
    type Identity = Weak<Descriptor>;

    const PERSISTENT: bool = true;

    fn net(&self) -> &Macos {
        &Macos
    }

    fn key(socket: &Socket) -> usize {
        number_of(socket)
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
        let mut look = libc::pollfd {
            fd: socket.raw_fd(),
            events: match interest {
                Interest::Read => libc::POLLIN,
                Interest::Write => libc::POLLOUT,
            },
            revents: 0,
        };
        // Where the look fails, the caller's own call will tell.
        // SAFETY: one entry, filled in and read by the call.
        !matches!(
            retry(Operation::Ready, || unsafe {
                libc::poll(&raw mut look, 1, 0)
            }),
            Ok(0)
        )
    }

    fn watch(&mut self, socket: &Socket, _interest: Interest) -> Result<()> {
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        for filter in [libc::EVFILT_READ, libc::EVFILT_WRITE] {
            let add = change(number_of(socket), filter, flags, 0);
            apply(&self.queue, Operation::Submit, &add)?;
        }
        // Tells of urgent bytes, at whose mark a receive stops. Not every descriptor, nor every release, knows it.
        let add = change(
            number_of(socket),
            libc::EVFILT_EXCEPT,
            flags,
            libc::NOTE_OOB,
        );
        let _ = apply(&self.queue, Operation::Submit, &add);
        Ok(())
    }

    fn poll(&mut self, timeout_ns: Option<u64>, out: &mut Vec<Event>) -> Result<bool> {
        const OP: Operation = Operation::RingWait;
        const NS_PER_S: u64 = 1_000_000_000;
        let timeout = timeout_ns.map(|ns| timespec {
            tv_sec: (ns / NS_PER_S).min(WAIT_S_MAX).cast_signed(),
            tv_nsec: (ns % NS_PER_S).cast_signed(),
        });
        let mut events = [change(0, 0, 0, 0); EVENTS_MAX];
        let room = events.len().min(out.capacity() - out.len());
        // SAFETY: the call reads no change and writes at most `room` events.
        let count = unsafe {
            kevent(
                self.queue.raw(),
                null(),
                0,
                events.as_mut_ptr(),
                c_int::try_from(room).unwrap_or(1),
                timeout.as_ref().map_or(null(), core::ptr::from_ref),
            )
        };
        let count = match check(OP, count) {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(error) if error.kind() == Kind::Interrupted => return Ok(false),
            Err(error) => return Err(Error::from_raw(OP, Kind::Io, Domain::Errno, error.raw())),
        };
        let mut waked = false;
        for event in events.iter().take(count) {
            // By value: the structure is packed.
            let (ident, filter, flags) = (event.ident, event.filter, event.flags);
            if filter == libc::EVFILT_USER {
                waked = true;
                continue;
            }
            let urgent = filter == libc::EVFILT_EXCEPT;
            let read = urgent || filter == libc::EVFILT_READ;
            out.push(Event {
                key: ident,
                readable: read,
                writable: !read,
                ended: read && flags & (libc::EV_EOF | libc::EV_ERROR) != 0,
                urgent,
            });
        }
        Ok(waked)
    }

    fn waker(&self) -> KqueueWaker {
        KqueueWaker(Arc::clone(&self.queue))
    }
}
