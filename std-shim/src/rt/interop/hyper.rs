//! hyper 1: `Read` and `Write` on connections, an executor, a timer.
#![allow(unsafe_code, reason = "reads into hyper's uninitialised memory")]

use crate::rt::net::{ReadHalf, TcpStream, WriteHalf};
use crate::rt::{sleep, spawn};
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

macro_rules! reads {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                mut buffer: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: bytes are only ever written into the room, never taken out of the initialised state.
                let room = unsafe { buffer.as_mut() };
                self.get_mut().poll_read_uninit(cx, room).map_ok(|count| {
                    // SAFETY: so many bytes of the room are initialised now (the contract of the call).
                    unsafe { buffer.advance(count) }
                })
            }
        }
    )*};
}

macro_rules! writes {
    ($($type:ty),*) => {$(
        impl Write for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_write(self.get_mut(), cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                <$type>::poll_write_vectored(self.get_mut(), cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.get_mut().end_writing())
            }
        }
    )*};
}

reads!(TcpStream, ReadHalf);
writes!(TcpStream, WriteHalf);
reads!(crate::rt::net::UnixStream);
writes!(crate::rt::net::UnixStream);

/// Spawns hyper's tasks on this thread's runtime; they need not be `Send`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn(future).detach();
    }
}

/// Times hyper's limits on this thread's runtime.
///
/// hyper wants sleeps that may go to another thread, and ours stay on theirs; so each is a small task that sleeps, and what hyper
/// holds hears of it. A sleep that is dropped ends its task.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Sleep>> {
        // The time counts from here, and not from the task's first poll.
        let sleep = sleep(time);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let inner = shared.clone();
        // Also if the runtime goes and drops the task, which may be before its first poll.
        let over = Over(inner.clone());
        spawn(async move {
            let _over = over;
            let mut sleep = pin!(sleep);
            poll_fn(|cx| {
                let mut state = lock(&inner);
                if state.dropped {
                    return Poll::Ready(());
                }
                state.task = Some(cx.waker().clone());
                drop(state);
                sleep.as_mut().poll(cx)
            })
            .await;
        })
        .detach();
        Box::pin(Remote(shared))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

#[derive(Default)]
struct Shared {
    over: bool,
    dropped: bool,
    waiter: Option<Waker>,
    task: Option<Waker>,
}

/// Says that the time is over when it is dropped.
struct Over(Arc<Mutex<Shared>>);

impl Drop for Over {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.over = true;
        let waiter = state.waiter.take();
        drop(state);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// A sleep that any thread may hold.
struct Remote(Arc<Mutex<Shared>>);

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Future for Remote {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.over {
            return Poll::Ready(());
        }
        let old = state.waiter.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Sleep for Remote {}

impl Drop for Remote {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.dropped = true;
        let wakers = (state.task.take(), state.waiter.take());
        drop(state);
        if let Some(task) = wakers.0 {
            task.wake();
        }
    }
}
