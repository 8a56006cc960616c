//! The simulated network: stream sockets on the loopback of one machine, with delay, backlog, windows and resets.
//!
//! ```text
//!   send --> peer's pipe: [segment @t1][segment @t2]..[end @t3] --> receive, as far as time has come
//! ```
//!
//! What is sent arrives in order, after a drawn delay, and may be received in other portions than it was sent in. A sender has
//! as much room as its peer's window leaves, which is drawn anew for every connection.
//!
//! # Invariants
//! I1: arrival times within a pipe never fall.
//! I2: a pipe holds at most its window in bytes.
//! I3: `other` of a stream names a live stream whose `other` is the first, or nothing.
//!
//! # Bounds
//! [`SOCKETS_MAX`] sockets; a listener's backlog; windows.
//!
//! # Not here
//! Loss and reordering of packets (a stream hides them), addresses that are not loopback.
#![forbid(unsafe_code)]

use super::rng::Rng;
use crate::error::Kind;
use crate::platform::{ListenOptions, ShutdownHow};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Sockets that a machine can have at once.
pub const SOCKETS_MAX: usize = 65_536;

/// The largest window.
const WINDOW_BYTES_MAX: u64 = 256 << 10;

/// The shortest way through the network; longer than a call takes.
const DELAY_NS_MIN: u64 = 5_000;

/// The longest way through the network.
const DELAY_NS_MAX: u64 = 500_000;

/// First port that is given to those who ask for any.
const PORT_FIRST: u16 = 49_152;

/// Numbers a socket.
pub(super) type SocketId = u64;

/// Fails with what went wrong; the caller knows the operation.
type NetResult<T> = Result<T, Kind>;

/// Bytes on their way to a stream.
#[derive(Debug)]
struct Pipe {
    segments: VecDeque<(u64, VecDeque<u8>)>,
    queued_bytes: usize,
    window_bytes: usize,
    last_ns: u64,
    /// When the sender's end arrives.
    end_ns: Option<u64>,
    /// When a reset arrives; everything before it is lost then.
    reset_ns: Option<u64>,
}

impl Pipe {
    fn new(window_bytes: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            queued_bytes: 0,
            window_bytes,
            last_ns: 0,
            end_ns: None,
            reset_ns: None,
        }
    }

    /// When something that leaves now arrives (I1).
    fn arrival(&mut self, now: u64, rng: &mut Rng) -> u64 {
        self.last_ns = self
            .last_ns
            .max(now + rng.between(DELAY_NS_MIN, DELAY_NS_MAX));
        self.last_ns
    }

    fn was_reset(&self, now: u64) -> bool {
        self.reset_ns.is_some_and(|at| at <= now)
    }

    fn has_arrived(&self, now: u64) -> bool {
        let first = self.segments.front().map(|(at, _)| *at);
        [first, self.end_ns, self.reset_ns]
            .into_iter()
            .flatten()
            .any(|at| at <= now)
    }

    fn free_bytes(&self) -> usize {
        self.window_bytes - self.queued_bytes
    }
}

/// A connection's one side.
#[derive(Debug)]
struct Stream {
    local: SocketAddr,
    peer: SocketAddr,
    other: Option<SocketId>,
    incoming: Pipe,
    no_more_reads: bool,
    no_more_writes: bool,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    backlog: usize,
    reuse_port: bool,
    /// Connections with the time from which they can be accepted.
    queue: VecDeque<(u64, SocketId)>,
}

#[derive(Debug)]
enum Socket {
    Listener(Listener),
    Stream(Stream),
}

/// All sockets of a machine.
#[derive(Debug)]
pub(super) struct Network {
    sockets: BTreeMap<SocketId, Socket>,
    next_id: SocketId,
    next_port: u16,
    pub(super) rng: Rng,
}

/// Whether a listener at `bound` gets what is sent to `address`.
fn reaches(bound: &SocketAddr, address: &SocketAddr) -> bool {
    bound.port() == address.port()
        && bound.is_ipv4() == address.is_ipv4()
        && (bound.ip().is_unspecified() || bound.ip() == address.ip())
}

impl Network {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            sockets: BTreeMap::new(),
            next_id: 1,
            next_port: PORT_FIRST,
            rng,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.sockets.len()
    }

    fn add(&mut self, socket: Socket) -> SocketId {
        let id = self.next_id;
        self.next_id += 1;
        self.sockets.insert(id, socket);
        id
    }

    fn stream(&mut self, id: SocketId) -> NetResult<&mut Stream> {
        match self.sockets.get_mut(&id) {
            Some(Socket::Stream(stream)) => Ok(stream),
            _ => Err(Kind::NotConnected),
        }
    }

    fn listener(&mut self, id: SocketId) -> NetResult<&mut Listener> {
        match self.sockets.get_mut(&id) {
            Some(Socket::Listener(listener)) => Ok(listener),
            _ => Err(Kind::InvalidInput),
        }
    }

    fn is_listened_on(&self, port: u16) -> bool {
        self.sockets
            .values()
            .any(|socket| matches!(socket, Socket::Listener(other) if other.address.port() == port))
    }

    /// A port that no listener has.
    fn free_port(&mut self) -> NetResult<u16> {
        for _ in PORT_FIRST..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(PORT_FIRST);
            if !self.is_listened_on(port) {
                return Ok(port);
            }
        }
        Err(Kind::AddressInUse)
    }

    pub(super) fn listen(
        &mut self,
        address: &SocketAddr,
        options: &ListenOptions,
    ) -> NetResult<SocketId> {
        let mut address = *address;
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            return Err(Kind::AddressNotAvailable);
        }
        if self.sockets.len() >= SOCKETS_MAX {
            return Err(Kind::TooManyHandles);
        }
        if address.port() == 0 {
            address.set_port(self.free_port()?);
        }
        let clashes = self.sockets.values().any(|socket| match socket {
            Socket::Listener(other) => {
                (reaches(&other.address, &address) || reaches(&address, &other.address))
                    && !(other.reuse_port && options.reuse_port)
            }
            Socket::Stream(_) => false,
        });
        if clashes {
            return Err(Kind::AddressInUse);
        }
        Ok(self.add(Socket::Listener(Listener {
            address,
            backlog: (options.backlog as usize).max(1),
            reuse_port: options.reuse_port,
            queue: VecDeque::new(),
        })))
    }

    /// Connects; `WouldBlock` while the backlog is full.
    pub(super) fn connect(&mut self, address: &SocketAddr, now: u64) -> NetResult<SocketId> {
        let mut address = *address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => core::net::Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => core::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        if !address.ip().is_loopback() {
            return Err(Kind::Unreachable);
        }
        if self.sockets.len() + 2 > SOCKETS_MAX {
            return Err(Kind::TooManyHandles);
        }
        let listeners: Vec<SocketId> = self
            .sockets
            .iter()
            .filter_map(|(id, socket)| match socket {
                Socket::Listener(listener) if reaches(&listener.address, &address) => Some(*id),
                _ => None,
            })
            .collect();
        let at = self.rng.index(listeners.len());
        let listener = *listeners.get(at).ok_or(Kind::ConnectionRefused)?;
        let full = |listener: &mut Listener| listener.queue.len() >= listener.backlog;
        if full(self.listener(listener)?) {
            return Err(Kind::WouldBlock);
        }
        let local = SocketAddr::new(address.ip(), self.free_port()?);
        let mut side = |local, peer| Stream {
            local,
            peer,
            other: None,
            incoming: Pipe::new(self.rng.between(1 << 10, WINDOW_BYTES_MAX) as usize),
            no_more_reads: false,
            no_more_writes: false,
        };
        let (near, far) = (side(local, address), side(address, local));
        let near = self.add(Socket::Stream(near));
        let far = self.add(Socket::Stream(far));
        self.stream(near)?.other = Some(far);
        self.stream(far)?.other = Some(near);
        let ready = now + self.rng.between(DELAY_NS_MIN, DELAY_NS_MAX);
        let queue = &mut self.listener(listener)?.queue;
        let last = queue.back().map_or(0, |(at, _)| *at);
        queue.push_back((ready.max(last), far));
        Ok(near)
    }

    pub(super) fn accept(&mut self, id: SocketId, now: u64) -> NetResult<(SocketId, SocketAddr)> {
        let queue = &mut self.listener(id)?.queue;
        match queue.front() {
            Some((ready, _)) if *ready <= now => {}
            _ => return Err(Kind::WouldBlock),
        }
        let (_, stream) = queue.pop_front().ok_or(Kind::WouldBlock)?;
        let peer = self.stream(stream)?.peer;
        Ok((stream, peer))
    }

    /// At most `count` bytes that have arrived; none is the end.
    pub(super) fn receive(&mut self, id: SocketId, count: usize, now: u64) -> NetResult<Vec<u8>> {
        let stream = self.stream(id)?;
        let pipe = &mut stream.incoming;
        if pipe.was_reset(now) {
            return Err(Kind::ConnectionReset);
        }
        if stream.no_more_reads || count == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        while let Some((at, segment)) = pipe.segments.front_mut()
            && *at <= now
            && bytes.len() < count
        {
            let part = segment.len().min(count - bytes.len());
            bytes.extend(segment.drain(..part));
            if segment.is_empty() {
                pipe.segments.pop_front();
            }
        }
        pipe.queued_bytes -= bytes.len();
        if bytes.is_empty() && pipe.end_ns.is_none_or(|at| at > now) {
            return Err(Kind::WouldBlock);
        }
        Ok(bytes)
    }

    /// Takes as many of `bytes` as there is room for.
    pub(super) fn send(&mut self, id: SocketId, bytes: &[u8], now: u64) -> NetResult<usize> {
        let stream = self.stream(id)?;
        if stream.incoming.was_reset(now) {
            return Err(Kind::ConnectionReset);
        }
        if stream.no_more_writes {
            return Err(Kind::BrokenPipe);
        }
        let Some(other) = stream.other else {
            // The peer is gone, which this side learns by a reset, a way there and back later.
            let at = now + self.rng.between(DELAY_NS_MIN, DELAY_NS_MAX);
            let pipe = &mut self.stream(id)?.incoming;
            pipe.reset_ns = Some(pipe.reset_ns.map_or(at, |old| old.min(at)));
            return Ok(bytes.len());
        };
        let Some(Socket::Stream(peer)) = self.sockets.get_mut(&other) else {
            return Err(Kind::ConnectionReset);
        };
        if peer.no_more_reads || bytes.is_empty() {
            return Ok(bytes.len());
        }
        let count = bytes.len().min(peer.incoming.free_bytes());
        if count == 0 {
            return Err(Kind::WouldBlock);
        }
        let at = peer.incoming.arrival(now, &mut self.rng);
        let segment = bytes[..count].iter().copied().collect();
        peer.incoming.segments.push_back((at, segment));
        peer.incoming.queued_bytes += count;
        Ok(count)
    }

    /// Sends the end of this side's stream.
    fn end(&mut self, id: SocketId, now: u64) -> NetResult<()> {
        if let Some(other) = self.stream(id)?.other
            && let Some(Socket::Stream(peer)) = self.sockets.get_mut(&other)
            && peer.incoming.end_ns.is_none()
        {
            peer.incoming.end_ns = Some(peer.incoming.arrival(now, &mut self.rng));
        }
        Ok(())
    }

    /// Breaks a connection: this side sees it now, the other when the reset arrives.
    pub(super) fn reset(&mut self, id: SocketId, now: u64) {
        let at = now + self.rng.between(DELAY_NS_MIN, DELAY_NS_MAX);
        if let Ok(stream) = self.stream(id) {
            stream.incoming.reset_ns = Some(now);
            if let Some(other) = stream.other
                && let Ok(peer) = self.stream(other)
            {
                let pipe = &mut peer.incoming;
                pipe.reset_ns = Some(pipe.reset_ns.map_or(at, |old| old.min(at)));
            }
        }
    }

    pub(super) fn shutdown(&mut self, id: SocketId, how: ShutdownHow, now: u64) -> NetResult<()> {
        let stream = self.stream(id)?;
        if stream.incoming.was_reset(now) {
            return Err(Kind::NotConnected);
        }
        if how != ShutdownHow::Write {
            stream.no_more_reads = true;
            stream.incoming.segments.clear();
            stream.incoming.queued_bytes = 0;
        }
        if how != ShutdownHow::Read && !stream.no_more_writes {
            stream.no_more_writes = true;
            self.end(id, now)?;
        }
        Ok(())
    }

    /// The last handle is gone. Unread bytes make it a reset, as in TCP.
    pub(super) fn close(&mut self, id: SocketId, now: u64) {
        match self.sockets.get(&id) {
            Some(Socket::Stream(stream)) => {
                if stream.incoming.queued_bytes != 0 {
                    self.reset(id, now);
                } else if self.end(id, now).is_err() {
                    return;
                }
                if let Ok(stream) = self.stream(id)
                    && let Some(other) = stream.other
                    && let Ok(peer) = self.stream(other)
                {
                    peer.other = None;
                }
            }
            Some(Socket::Listener(listener)) => {
                let waiting: Vec<SocketId> = listener.queue.iter().map(|(_, id)| *id).collect();
                for stream in waiting {
                    self.reset(stream, now);
                    self.close(stream, now);
                }
            }
            None => {}
        }
        self.sockets.remove(&id);
    }

    pub(super) fn is_readable(&self, id: SocketId, now: u64) -> bool {
        match self.sockets.get(&id) {
            Some(Socket::Listener(l)) => l.queue.front().is_some_and(|(ready, _)| *ready <= now),
            Some(Socket::Stream(s)) => s.no_more_reads || s.incoming.has_arrived(now),
            None => true,
        }
    }

    pub(super) fn is_writable(&self, id: SocketId, now: u64) -> bool {
        let Some(Socket::Stream(stream)) = self.sockets.get(&id) else {
            return true;
        };
        let room = match stream.other.and_then(|other| self.sockets.get(&other)) {
            Some(Socket::Stream(peer)) => peer.no_more_reads || peer.incoming.free_bytes() != 0,
            _ => true,
        };
        room || stream.no_more_writes || stream.incoming.was_reset(now)
    }

    /// When something next arrives somewhere.
    pub(super) fn next_arrival(&self, now: u64) -> Option<u64> {
        let times = |socket: &Socket| -> [Option<u64>; 3] {
            match socket {
                Socket::Listener(l) => [l.queue.front().map(|(at, _)| *at), None, None],
                Socket::Stream(s) => [
                    s.incoming.segments.front().map(|(at, _)| *at),
                    s.incoming.end_ns,
                    s.incoming.reset_ns,
                ],
            }
        };
        self.sockets
            .values()
            .flat_map(times)
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    pub(super) fn local_address(&self, id: SocketId) -> NetResult<SocketAddr> {
        match self.sockets.get(&id) {
            Some(Socket::Listener(listener)) => Ok(listener.address),
            Some(Socket::Stream(stream)) => Ok(stream.local),
            None => Err(Kind::NotConnected),
        }
    }

    pub(super) fn peer_address(&mut self, id: SocketId) -> NetResult<SocketAddr> {
        Ok(self.stream(id)?.peer)
    }

    pub(super) fn is_listener(&self, id: SocketId) -> bool {
        matches!(self.sockets.get(&id), Some(Socket::Listener(_)))
    }
}
