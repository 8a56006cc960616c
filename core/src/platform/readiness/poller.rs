//! What a system must offer for a [`ReadinessRing`](super::ReadinessRing).
#![forbid(unsafe_code)]

use crate::error::{Error, Result};
use crate::platform::{Interest, Net, RingWaker};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::net::SocketAddr;

/// A socket can be used, or has failed, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The socket's [`key`](Poller::key).
    pub key: usize,
    /// Reading or accepting may no longer block.
    pub readable: bool,
    /// Writing may no longer block, or a connect is over.
    pub writable: bool,
    /// The peer has ended its stream, or the socket has failed: reading will never block again.
    pub ended: bool,
    /// A receive may stop short of what is there, as it does at TCP's urgent mark.
    pub urgent: bool,
}

/// A connect that was begun.
#[derive(Debug)]
pub enum Connecting<S> {
    /// It is over once the socket is writable.
    Started(S),
    /// It has failed already.
    Failed(Error),
}

/// A queue of the system's that reports sockets which can be used.
///
/// Two manners of reporting will do, and [`PERSISTENT`](Self::PERSISTENT) says which it is:
///
/// - by edges: [`watch`](Self::watch) is called once a socket, and from then on each change is reported, from the state that
///   `watch` found on (epoll with `EPOLLET`, kqueue with `EV_CLEAR`);
/// - once: each `watch` brings one report, at once if the socket can be used already (AFD).
///
/// Reports are hints. One too many costs a call; one too few leaves an operation hanging.
pub trait Poller: Send + Debug {
    /// Whose sockets these are.
    type Net: Net;
    /// Ends [`poll`](Self::poll) from elsewhere.
    type Waker: RingWaker;
    /// Tells a socket from a later one with the same key, and keeps nothing open.
    type Identity: Send + Debug;

    /// Whether one [`watch`](Self::watch) lasts for the socket's life.
    const PERSISTENT: bool;

    /// The platform itself.
    fn net(&self) -> &Self::Net;

    /// A small number that no other open socket of the process has; the ring's table is as long as the largest.
    fn key(socket: &<Self::Net as Net>::Socket) -> usize;

    /// The socket's identity.
    fn identity(socket: &<Self::Net as Net>::Socket) -> Self::Identity;

    /// Whether `socket` is the one that `identity` was made of.
    fn is(socket: &<Self::Net as Net>::Socket, identity: &Self::Identity) -> bool;

    /// Whether the socket's bytes have no boundaries, so that a receive which leaves room in its buffer took all there was.
    fn is_stream(socket: &<Self::Net as Net>::Socket) -> bool {
        let _ = socket;
        true
    }

    /// Makes a socket and begins to connect it.
    ///
    /// # Errors
    /// No socket could be made.
    fn start_connect(&self, address: &SocketAddr)
    -> Result<Connecting<<Self::Net as Net>::Socket>>;

    /// How a connect stands.
    ///
    /// # Errors
    /// `WouldBlock` while it goes on, else why it failed.
    fn finish_connect(&self, socket: &<Self::Net as Net>::Socket) -> Result<()>;

    /// Looks, without waiting, whether the socket can be used now. By edges, a look that says no must leave the system bound to
    /// report the change.
    fn is_ready(&self, socket: &<Self::Net as Net>::Socket, interest: Interest) -> bool;

    /// Has the socket reported under its key. An operation of the direction `interest` has just met `WouldBlock`, or did not try.
    ///
    /// # Errors
    /// `Limit`, `OutOfMemory`; the operation is refused then.
    fn watch(&mut self, socket: &<Self::Net as Net>::Socket, interest: Interest) -> Result<()>;

    /// The socket that had `key` is closed; what is still reported of it must not carry the key.
    fn forget(&mut self, key: usize) {
        let _ = key;
    }

    /// Waits for reports, at most `timeout_ns` (`None`: for ever), pushes them and tells whether a waker called. Never pushes more than
    /// fit into the vector's capacity. May return early with nothing.
    ///
    /// # Errors
    /// `Io`; nothing is lost then.
    fn poll(&mut self, timeout_ns: Option<u64>, events: &mut Vec<Event>) -> Result<bool>;

    /// A waker for this queue.
    fn waker(&self) -> Self::Waker;
}
