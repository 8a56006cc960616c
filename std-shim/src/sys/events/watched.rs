//! A descriptor that this thread's runtime watches: pipes, processes, whatever `epoll` takes.
#![forbid(unsafe_code)]

use crate::rt::ThreadHost;
use crate::rt::runtime::with;
use crate::sys::{Error, Interest, Kind, Native, Operation, ResultExt};
use core::task::{Context, Poll};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use underpin_core::exec::net::Watched as Inner;

/// A watched descriptor, which is closed with it.
#[derive(Debug)]
pub(super) struct Watched(Inner<Native, ThreadHost>);

impl Watched {
    /// Watches `fd`, which must not block where it is read or written.
    pub(super) fn new(fd: OwnedFd) -> Self {
        let socket = underpin_linux::Socket::watched(fd);
        with(|handle| Self(Inner::new(handle, socket)))
    }

    /// Calls `attempt` until it says something other than `WouldBlock`; waits for readiness in between.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let fd = self.0.socket().as_fd();
        let polled = self.0.poll(cx, interest, || match attempt(fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Error::new(Operation::Receive, Kind::WouldBlock))
            }
            // An error of the call's own keeps its form.
            result => Ok(result),
        });
        polled.map(|result| result.into_io().and_then(|result| result))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, Interest::Read, |fd| {
            Ok(rustix::io::retry_on_intr(|| {
                rustix::io::read(fd, &mut *buffer)
            })?)
        })
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, Interest::Write, |fd| {
            Ok(rustix::io::retry_on_intr(|| rustix::io::write(fd, bytes))?)
        })
    }
}

/// Makes a descriptor's calls say `WouldBlock` rather than wait, for everybody who has this end.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(
        fd,
        flags | rustix::fs::OFlags::NONBLOCK,
    )?)
}
