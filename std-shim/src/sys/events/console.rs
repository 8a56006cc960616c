//! Events of the Windows console (feature `signals`): Ctrl-C, Ctrl-Break, and the ends of console, session and system.
//!
//! While somebody listens for an event it does not do what it does by default, which is to end the process.
#![forbid(unsafe_code)]

use crate::sys::io_error;
use core::future::poll_fn;
use core::panic::AssertUnwindSafe;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// What the console tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ConsoleEvent {
    /// Ctrl-C.
    CtrlC = 0,
    /// Ctrl-Break.
    CtrlBreak = 1,
    /// The console is closed. The system ends the process some seconds later.
    Close = 2,
    /// The user logs off; services hear it. The system ends the process some seconds later.
    Logoff = 5,
    /// The system shuts down; services hear it. The system ends the process some seconds later.
    Shutdown = 6,
}

#[derive(Debug)]
struct Listener {
    number: u64,
    event: u32,
    heard: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Listeners {
    all: Vec<Listener>,
    next: u64,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    all: Vec::new(),
    next: 0,
});

fn lock() -> MutexGuard<'static, Listeners> {
    // No foreign code runs under this lock.
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells all who listen for the event; false if nobody does.
fn tell(event: u32) -> bool {
    let mut wakers = Vec::new();
    let mut told = false;
    for listener in &mut lock().all {
        if listener.event == event {
            told = true;
            listener.heard = true;
            wakers.extend(listener.waker.take());
        }
    }
    for waker in wakers {
        // It must not cost the others theirs, nor go up into the system. A payload's drop could panic again.
        core::mem::forget(catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
    told
}

/// For the system, on a thread of its own.
fn hear(event: u32) -> bool {
    let told = tell(event);
    // The process would end as this returns, before whoever was told has done anything about it.
    if told && event >= ConsoleEvent::Close as u32 {
        loop {
            thread::sleep(Duration::from_secs(60));
        }
    }
    told
}

/// Hears one event. Any number of them may hear the same.
#[derive(Debug)]
pub struct Console {
    number: u64,
}

/// Listens for the event from now on.
///
/// # Errors
/// The system's.
pub fn console(event: ConsoleEvent) -> io::Result<Console> {
    underpin_windows::hear_console(hear).map_err(io_error)?;
    let mut listeners = lock();
    let number = listeners.next;
    listeners.next += 1;
    listeners.all.push(Listener {
        number,
        event: event as u32,
        heard: false,
        waker: None,
    });
    Ok(Console { number })
}

/// Waits for Ctrl-C.
///
/// # Errors
/// As [`console`].
pub async fn ctrl_c() -> io::Result<()> {
    console(ConsoleEvent::CtrlC)?.recv().await;
    Ok(())
}

impl Console {
    /// Waits for the event; several that come before a call are one. Cancel-safe.
    pub async fn recv(&mut self) {
        poll_fn(|cx| self.poll_recv(cx)).await;
    }

    /// As [`recv`](Self::recv), for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Cloned before, and the old one dropped after the lock: wakers are foreign code.
        let waker = cx.waker().clone();
        let mut listeners = lock();
        let mine = |listener: &&mut Listener| listener.number == self.number;
        let Some(listener) = listeners.all.iter_mut().find(mine) else {
            return Poll::Pending;
        };
        if core::mem::take(&mut listener.heard) {
            return Poll::Ready(());
        }
        let old = listener.waker.replace(waker);
        drop(listeners);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let mut listeners = lock();
        let mine = |listener: &Listener| listener.number == self.number;
        let gone = listeners.all.iter().position(mine);
        let gone = gone.map(|index| listeners.all.swap_remove(index));
        drop(listeners);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;

    #[test]
    fn an_event_wakes_all_who_listen_and_many_are_one() {
        rt::block_on(async {
            let listen = || console(ConsoleEvent::CtrlBreak).expect("heard");
            let (mut one, mut other) = (listen(), listen());
            let mut different = console(ConsoleEvent::Shutdown).expect("heard");
            let waiting = rt::spawn(async move { other.recv().await });
            rt::yield_now().await;
            let told = thread::spawn(|| (0..3).all(|_| hear(1)));
            assert!(told.join().expect("no panic"));
            one.recv().await;
            waiting.await.expect("no panic");
            let soon = Duration::from_millis(1);
            rt::timeout(soon, one.recv()).await.expect_err("one event");
            rt::timeout(soon, different.recv())
                .await
                .expect_err("another event");
            drop(one);
            assert!(!hear(1), "nobody listens: the default");
        })
        .expect("a runtime");
    }
}
