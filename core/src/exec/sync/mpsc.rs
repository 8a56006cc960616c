//! Channels from many senders to one receiver: bounded, with back-pressure, and unbounded.
//!
//! Both kinds count room in a semaphore; an unbounded channel's has more permits than memory can hold values.
//!
//! # Invariant
//! C1: nothing of somebody else's (a waker, a value's drop) runs while the values are borrowed: a borrow ends within `push`, `pop` and `len`,
//!     which move values and nothing else.
#![allow(unsafe_code, reason = "a queue that foreign code cannot enter")]

use super::semaphore::{Acquire, Closed, Semaphore};
use crate::exec::waker_cell::KeptWaker;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Permits of an unbounded channel: more than memory can hold values.
const UNBOUNDED: usize = usize::MAX >> 1;

struct Channel<T> {
    values: UnsafeCell<VecDeque<T>>,
    /// Room for values; closed when the receiver is gone or refuses more.
    room: Semaphore,
    /// Places that were given and not used yet.
    reserved: Cell<usize>,
    receiver: KeptWaker,
    senders: Cell<usize>,
}

impl<T> Channel<T> {
    fn new(capacity: usize) -> Rc<Self> {
        Rc::new(Self {
            values: UnsafeCell::new(VecDeque::new()),
            room: Semaphore::new(capacity),
            reserved: Cell::new(0),
            receiver: KeptWaker::new(),
            senders: Cell::new(1),
        })
    }

    /// Sends a value for which there is room.
    #[inline]
    fn push(&self, value: T) {
        // SAFETY: C1, and one thread.
        unsafe { (*self.values.get()).push_back(value) }
        self.receiver.wake();
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        // SAFETY: C1, and one thread.
        let value = unsafe { (*self.values.get()).pop_front() }?;
        self.room.release(1);
        Some(value)
    }

    fn len(&self) -> usize {
        // SAFETY: C1, and one thread.
        unsafe { (*self.values.get()).len() }
    }

    #[inline]
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let polled = self.poll_now();
        // A waker of somebody else's may have run a sender while it was cloned.
        if polled.is_pending() && self.receiver.set(cx.waker()) {
            return self.poll_again();
        }
        polled
    }

    #[inline]
    fn poll_now(&self) -> Poll<Option<T>> {
        match self.pop() {
            Some(value) => Poll::Ready(Some(value)),
            None if self.is_over() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_again(&self) -> Poll<Option<T>> {
        self.poll_now()
    }

    /// Whether nothing will come any more; what has come may still be there.
    #[inline]
    fn is_over(&self) -> bool {
        self.senders.get() == 0 || (self.room.is_closed() && self.reserved.get() == 0)
    }

    fn close(&self) {
        self.room.close();
    }

    fn add_sender(&self) {
        self.senders.set(self.senders.get() + 1);
    }

    fn drop_sender(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.receiver.wake();
        }
    }
}

/// The receiver is gone, or closed the channel; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why a value was not sent at once; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room, or others wait for it.
    Full(T),
    /// The receiver is gone, or closed the channel.
    Closed(T),
}

/// Sends into a bounded channel. Clones send into the same.
pub struct Sender<T>(Rc<Channel<T>>);

/// Receives from a bounded channel.
pub struct Receiver<T>(Rc<Channel<T>>);

/// Sends into an unbounded channel. Clones send into the same.
pub struct UnboundedSender<T>(Rc<Channel<T>>);

/// Receives from an unbounded channel.
pub struct UnboundedReceiver<T>(Rc<Channel<T>>);

/// A place in the channel for one value; dropping it gives the place back.
pub struct Reserved<'a, T>(&'a Channel<T>);

/// A channel in which at most `capacity` values wait (at least 1).
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Channel::new(capacity.max(1));
    (Sender(Rc::clone(&channel)), Receiver(channel))
}

/// A channel without a bound: whoever sends faster than the receiver takes fills memory. Prefer [`channel`].
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let channel = Channel::new(UNBOUNDED);
    (
        UnboundedSender(Rc::clone(&channel)),
        UnboundedReceiver(channel),
    )
}

impl<T> Sender<T> {
    /// Waits for room and sends. Cancel-safe: a dropped future sent nothing, and its value is dropped.
    ///
    /// # Errors
    /// The value, if the receiver is gone or closed the channel.
    pub fn send(&self, value: T) -> Sending<'_, T> {
        Sending {
            channel: &self.0,
            value: Some(value),
            place: None,
        }
    }

    /// Waits for a place. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` if the receiver is gone or closed the channel.
    pub async fn reserve(&self) -> Result<Reserved<'_, T>, Closed> {
        let place = self.0.room.acquire(1).await?;
        // As in `Sending::poll_place`.
        if self.0.room.is_closed() {
            return Err(Closed);
        }
        place.forget();
        Ok(Reserved::new(&self.0))
    }

    /// Sends, if there is room now and nobody waits for it.
    ///
    /// # Errors
    /// The value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.0.room.take(1) {
            self.0.push(value);
            return Ok(());
        }
        Err(if self.0.room.is_closed() {
            TrySendError::Closed(value)
        } else {
            TrySendError::Full(value)
        })
    }

    /// Whether the receiver is gone, or closed the channel.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.room.is_closed()
    }
}

/// Sends a value when there is room; see [`Sender::send`].
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, T> {
    channel: &'a Channel<T>,
    value: Option<T>,
    /// While it waits.
    place: Option<Acquire<'a>>,
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: of what is pinned, the place, only a pinned reference is made, and it is overwritten where it is.
        let this = unsafe { self.get_unchecked_mut() };
        if this.place.is_none() && this.channel.room.take(1) {
            this.channel.push(this.take());
            return Poll::Ready(Ok(()));
        }
        this.poll_place(cx)
    }
}

impl<'a, T> Sending<'a, T> {
    #[inline]
    fn take(&mut self) -> T {
        match self.value.take() {
            Some(value) => value,
            None => polled_again(&self.channel.room),
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let room: &'a Semaphore = &self.channel.room;
        let place = self.place.get_or_insert_with(|| room.acquire(1));
        // SAFETY: called by `poll`, whose `self` is pinned, and so is what is in it.
        let acquired = ready!(unsafe { Pin::new_unchecked(place) }.poll(cx));
        self.place = None;
        Poll::Ready(match acquired {
            // The place may have been given before the channel was closed, and the receiver have been told since that nothing comes.
            Ok(permit) if !room.is_closed() => {
                permit.forget();
                self.channel.push(self.take());
                Ok(())
            }
            _ => Err(SendError(self.take())),
        })
    }
}

/// A [`Sending`] was polled after it was ready, and took room for nothing.
#[cold]
#[inline(never)]
fn polled_again(room: &Semaphore) -> ! {
    room.release(1);
    panic!("a value was to be sent a second time");
}

impl<'a, T> Reserved<'a, T> {
    fn new(channel: &'a Channel<T>) -> Self {
        channel.reserved.set(channel.reserved.get() + 1);
        Self(channel)
    }

    /// Sends. (A receiver that went meanwhile leaves the value to be dropped with the channel.)
    pub fn send(self, value: T) {
        let channel = self.0;
        core::mem::forget(self);
        channel.reserved.set(channel.reserved.get() - 1);
        channel.push(value);
    }
}

impl<T> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        self.0.reserved.set(self.0.reserved.get() - 1);
        self.0.room.release(1);
        if self.0.room.is_closed() {
            self.0.receiver.wake();
        }
    }
}

impl<T> UnboundedSender<T> {
    /// Sends.
    ///
    /// # Errors
    /// The value, if the receiver is gone or closed the channel.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        // Room is there until it is closed.
        if !self.0.room.take(1) {
            return Err(SendError(value));
        }
        self.0.push(value);
        Ok(())
    }
}

macro_rules! sender {
    ($name:ident) => {
        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                self.0.add_sender();
                Self(Rc::clone(&self.0))
            }
        }

        impl<T> Drop for $name<T> {
            fn drop(&mut self) {
                self.0.drop_sender();
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

macro_rules! receiver {
    ($name:ident) => {
        impl<T> $name<T> {
            /// Waits for a value; `None` when no sender is left, or the channel was closed, and all values were taken. Cancel-safe.
            pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
                poll_fn(|cx| self.0.poll_recv(cx))
            }

            /// As [`recv`](Self::recv), for hand-written futures.
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.0.poll_recv(cx)
            }

            /// A value, if one is there.
            pub fn try_recv(&mut self) -> Option<T> {
                self.0.pop()
            }

            /// Refuses what would be sent from now on; what was sent can still be received.
            pub fn close(&mut self) {
                self.0.close();
            }

            /// Values that wait.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether no value waits.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        impl<T> Drop for $name<T> {
            fn drop(&mut self) {
                self.0.close();
                self.0.receiver.clear();
                // SAFETY: C1, and one thread: they are dropped when they are out.
                let values = core::mem::take(unsafe { &mut *self.0.values.get() });
                drop(values);
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("waiting", &self.len())
                    .finish_non_exhaustive()
            }
        }
    };
}

sender!(Sender);
sender!(UnboundedSender);
receiver!(Receiver);
receiver!(UnboundedReceiver);

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("waits", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Reserved<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl<T> core::error::Error for SendError<T> {}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the channel is full",
            Self::Closed(_) => "the channel is closed",
        })
    }
}

impl<T> core::error::Error for TrySendError<T> {}
