//! Signals as streams of events (Linux; feature `signals`).
//!
//! A signal that the program listens for no longer does what it did by default, and goes on not doing it when the [`Signal`] is dropped.
#![forbid(unsafe_code)]

use super::watched::Watched;
use core::future::poll_fn;
use core::task::{Context, Poll};
use signal_hook::SigId;
use signal_hook::consts::{FORBIDDEN, SIGINT};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// Hears one signal. Any number of them may hear the same.
#[derive(Debug)]
pub struct Signal {
    events: Watched,
    registered: SigId,
}

/// Listens for the signal with this number from now on.
///
/// # Errors
/// `InvalidInput` for a signal that cannot be caught or must not be (`SIGKILL`, `SIGSTOP`, `SIGSEGV`, ..); no handle left.
///
/// # Panics
/// As [`handle`](crate::rt::handle).
pub fn signal(number: i32) -> io::Result<Signal> {
    if FORBIDDEN.contains(&number) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this signal cannot be listened for",
        ));
    }
    let (events, handler) = UnixStream::pair()?;
    events.set_nonblocking(true)?;
    // First: it panics where there is no runtime, and then the signal must do what it did before.
    let events = Watched::new(OwnedFd::from(events));
    let registered = signal_hook::low_level::pipe::register(number, handler)?;
    Ok(Signal { events, registered })
}

/// Waits for `SIGINT`, which the console's Ctrl-C sends.
///
/// # Errors
/// As [`signal`].
///
/// # Panics
/// As [`signal`].
pub async fn ctrl_c() -> io::Result<()> {
    signal(SIGINT)?.recv().await
}

impl Signal {
    /// Waits for the signal; several that come before a call are one. Cancel-safe.
    ///
    /// # Errors
    /// The system's.
    pub async fn recv(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for hand-written futures.
    ///
    /// # Errors
    /// As `recv`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A byte an event. The handler never fills more than the pipe, and what is longer than this is read in the next call, as one more
        // event: better twice than never.
        self.events.poll_read(cx, &mut [0; 256]).map_ok(drop)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.registered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;
    use signal_hook::consts::{SIGKILL, SIGUSR1};
    use signal_hook::low_level::raise;

    #[test]
    fn a_signal_wakes_all_who_listen_and_many_are_one() {
        rt::block_on(async {
            let (mut one, mut other) =
                (signal(SIGUSR1).expect("one"), signal(SIGUSR1).expect("two"));
            let waiting = rt::spawn(async move { other.recv().await });
            rt::yield_now().await;
            for _ in 0..3 {
                raise(SIGUSR1).expect("raised");
            }
            one.recv().await.expect("heard");
            waiting.await.expect("no panic").expect("heard");
            let soon = core::time::Duration::from_millis(1);
            rt::timeout(soon, one.recv()).await.expect_err("one event");
            assert!(signal(SIGKILL).is_err());
            assert!(signal(-1).is_err());
        })
        .expect("a runtime");
    }
}
