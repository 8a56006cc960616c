//! The ring of the platform: over `epoll`, or over io_uring for who asks for it and may.
//!
//! `epoll` is the usual one. io_uring is probed when a ring over it is made, by making it: kernels that are too old, containers that
//! filter the call and administrators who set `kernel.io_uring_disabled` all show in the error, and the ring is one over `epoll` then.
#![forbid(unsafe_code)]

use crate::Linux;
use crate::net::Socket;
use crate::reactor::{EpollPoller, EpollRing, EpollWaker};
use crate::uring::{UringRing, UringWaker};
use alloc::boxed::Box;
use underpin_core::Result;
use underpin_core::platform::readiness::ReadinessRing;
use underpin_core::platform::{
    Cancel, Completion, Instant, Op, OpId, Reactor, Rejected, Ring, RingBackend, RingOptions,
    RingWaker,
};

/// A ring of this system's.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinuxRing {
    /// Over `epoll`.
    Epoll(EpollRing),
    /// Over io_uring.
    Uring(Box<UringRing>),
}

/// Ends a wait of its ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinuxWaker {
    /// Of a ring over `epoll`.
    Epoll(EpollWaker),
    /// Of a ring over io_uring.
    Uring(UringWaker),
}

impl RingWaker for LinuxWaker {
    fn wake(&self) {
        match self {
            Self::Epoll(waker) => waker.wake(),
            Self::Uring(waker) => waker.wake(),
        }
    }
}

impl Reactor for Linux {
    type Ring = LinuxRing;

    fn ring(&self, options: &RingOptions) -> Result<LinuxRing> {
        if options.backend == RingBackend::Completion
            && let Ok(ring) = UringRing::new(options)
        {
            return Ok(LinuxRing::Uring(Box::new(ring)));
        }
        ReadinessRing::new(EpollPoller::new()?, options).map(LinuxRing::Epoll)
    }
}

impl Ring for LinuxRing {
    type Socket = Socket;
    type Waker = LinuxWaker;

    #[inline]
    fn submit(
        &mut self,
        op: Op<Socket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<Socket>> {
        match self {
            Self::Epoll(ring) => ring.submit(op, token),
            Self::Uring(ring) => ring.submit(op, token),
        }
    }

    #[inline]
    fn cancel(&mut self, id: OpId) -> Cancel {
        match self {
            Self::Epoll(ring) => ring.cancel(id),
            Self::Uring(ring) => ring.cancel(id),
        }
    }

    fn let_go(&mut self) {
        match self {
            Self::Epoll(ring) => ring.let_go(),
            Self::Uring(ring) => ring.let_go(),
        }
    }

    #[inline]
    fn pending(&self) -> usize {
        match self {
            Self::Epoll(ring) => ring.pending(),
            Self::Uring(ring) => ring.pending(),
        }
    }

    #[inline]
    fn wait<E: Extend<Completion<Socket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        match self {
            Self::Epoll(ring) => ring.wait(until, out),
            Self::Uring(ring) => ring.wait(until, out),
        }
    }

    fn waker(&self) -> LinuxWaker {
        match self {
            Self::Epoll(ring) => LinuxWaker::Epoll(ring.waker()),
            Self::Uring(ring) => LinuxWaker::Uring(ring.waker()),
        }
    }

    fn backend(&self) -> RingBackend {
        match self {
            Self::Epoll(_) => RingBackend::Readiness,
            Self::Uring(_) => RingBackend::Completion,
        }
    }
}
