//! What ends a wait from elsewhere: an `eventfd` that the ring reads.
//!
//! `rung` says that a wake is on its way, so that many wakes are one write, and the counter never more than 1. The ring
//! takes it back after the read's completion and before its wait returns. A wake that found it set comes before that in the order
//! of the flag's changes, which all are read-modify-writes, so the wait that returns has seen what came before the wake.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use underpin_core::platform::RingWaker;

#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

/// Ends a wait of its ring.
#[derive(Clone, Debug)]
pub struct UringWaker(Arc<Bell>);

impl UringWaker {
    pub(super) fn new() -> Result<Self, Errno> {
        // Blocking: the kernel answers reads of a non-blocking one at once, with nothing. No write blocks, since the counter is small.
        let fd = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self(Arc::new(Bell {
            fd,
            rung: AtomicBool::new(false),
        })))
    }

    pub(super) fn raw_fd(&self) -> i32 {
        self.0.fd.as_raw_fd()
    }

    /// The ring has read the counter.
    pub(super) fn settle(&self) {
        self.0.rung.swap(false, Ordering::AcqRel);
    }
}

impl RingWaker for UringWaker {
    #[expect(
        clippy::host_endian_bytes,
        reason = "the kernel reads the count as the host does"
    )]
    fn wake(&self) {
        // Async-signal-safe: one system call at most, and no lock.
        if !self.0.rung.swap(true, Ordering::AcqRel) {
            let _ = retry_on_intr(|| rustix::io::write(&self.0.fd, &1_u64.to_ne_bytes()));
        }
    }
}
