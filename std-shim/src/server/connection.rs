//! A connection: its socket, what came in and is not whole, what goes out and is not sent; and the table of all.
#![forbid(unsafe_code)]

use super::client::{Client, Wait};
use super::resp::{Limits, Parser};
use underpin_core::platform::{Buffer, OpId};

/// What the ring reads into for a connection that is in use: several usual requests. The system backs only the pages that were
/// read into, and an idle connection holds no such buffer.
pub(crate) const RECEIVE_BYTES: usize = 16 * 1024;
/// Capacity that a drained buffer may keep until the next second's tidying.
const BUFFER_KEPT_BYTES: usize = 16 * 1024;

/// What comes after a request that is held by a pause until no more is read.
const HELD_BYTES_MAX: usize = 64 * 1024;

/// A connection. See the [module](self).
#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) socket: S,
    pub(crate) client: Client,
    /// It asks for metrics and is no client.
    pub(crate) http: bool,
    pub(crate) parser: Parser,
    /// The beginning of a request that is not whole, or requests that wait for the output to drain.
    pub(crate) input: Vec<u8>,
    /// How much of the input there was when requests were last run: with a request that a pause holds, that one.
    pub(crate) held_from: usize,
    pub(crate) output: Vec<u8>,
    /// How much of the output the system has taken.
    pub(crate) sent: usize,
    /// Whole requests may lie in the input, or more in the socket.
    pub(crate) has_more: bool,
    /// The socket may hold more than was read last.
    pub(crate) readable: bool,
    /// The peer sends no more.
    pub(crate) ended: bool,
    /// It is on the list for a turn.
    pub(crate) queued: bool,
    /// What the ring read for it and waits for its turn; afterwards the same memory for the next read.
    pub(crate) received: Option<Buffer>,
    /// Pending: a read into a buffer that the ring holds, or a wait for readiness.
    pub(crate) reading: Option<OpId>,
    pub(crate) reading_with_buffer: bool,
    pub(crate) writing: Option<OpId>,
    /// Its share of the sum over all clients.
    pub(crate) memory: usize,
}

impl<S> Connection<S> {
    pub(crate) fn new(socket: S, client: Client, limits: Limits) -> Self {
        Self {
            socket,
            client,
            http: false,
            parser: Parser::new(limits),
            input: Vec::new(),
            held_from: 0,
            output: Vec::new(),
            sent: 0,
            has_more: false,
            readable: false,
            ended: false,
            queued: false,
            received: None,
            reading: None,
            reading_with_buffer: false,
            writing: None,
            memory: 0,
        }
    }

    /// Keeps what came while a pause holds it with the request that waits.
    pub(crate) fn hold_received(&mut self) {
        if let Some(buffer) = &mut self.received {
            self.input.extend_from_slice(buffer.as_slice());
            buffer.clear();
        }
    }

    /// Whether it is held by a pause and little enough has come meanwhile to look for more.
    pub(crate) fn may_be_held_more(&self) -> bool {
        let is_held = self.client.waits == Some(Wait::Pause) && !self.ended;
        is_held && self.input.len() < self.held_from + HELD_BYTES_MAX
    }

    /// Bytes that wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len().saturating_sub(self.sent)
    }

    /// Notes that the system took `bytes` more of the output at `now_ms`.
    pub(crate) fn advance(&mut self, bytes: usize, now_ms: u64) {
        self.client.active_ms = now_ms;
        self.sent += bytes;
        if self.sent >= self.output.len() {
            self.sent = 0;
            self.output.clear();
            self.output.shrink_to(BUFFER_KEPT_BYTES);
        } else if self.sent >= self.output.len() / 2 {
            // So a peer that never takes all of it holds no more than twice what it has not taken.
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The socket is broken: nothing more comes, and nothing can be sent.
    pub(crate) fn fail(&mut self) {
        self.ended = true;
        self.has_more = false;
        self.input = Vec::new();
        self.output.clear();
        self.sent = 0;
    }

    /// It is closed at the tick's end, whether or not its peer takes what it was told.
    pub(crate) fn cut_off(&mut self) {
        self.client.closing = true;
        self.fail();
    }

    /// Memory that it makes the server hold now.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.input.capacity()
            + self.output.capacity()
            + self.parser.memory_bytes()
            + self.received.as_ref().map_or(0, Buffer::capacity)
            + if self.reading_with_buffer {
                RECEIVE_BYTES
            } else {
                0
            }
            + self.client.state_bytes()
    }

    /// Gives back buffers that hold nothing.
    pub(crate) fn tidy(&mut self) {
        if self.input.is_empty() {
            self.input = Vec::new();
            self.parser.shrink();
        }
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.reading.is_some() {
            self.received = None;
        }
    }
}

/// A place in the table; its generation tells its tenants apart.
#[derive(Debug)]
struct Slot<S> {
    generation: u32,
    connection: Option<Box<Connection<S>>>,
}

/// All connections, by index.
#[derive(Debug)]
pub(crate) struct Connections<S> {
    slots: Vec<Slot<S>>,
    free: Vec<usize>,
    count: usize,
}

impl<S> Connections<S> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            count: 0,
        }
    }

    /// How many there are, without those that are taken out.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds one and returns its index.
    pub(crate) fn insert(&mut self, connection: Box<Connection<S>>) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                connection: None,
            });
            self.slots.len() - 1
        });
        self.put_back(index, connection);
        index
    }

    /// Takes one out for its turn; [`put_back`](Self::put_back) or [`release`](Self::release) must follow.
    pub(crate) fn take(&mut self, index: usize) -> Option<Box<Connection<S>>> {
        let connection = self.slots.get_mut(index)?.connection.take()?;
        self.count -= 1;
        Some(connection)
    }

    pub(crate) fn put_back(&mut self, index: usize, connection: Box<Connection<S>>) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.connection = Some(connection);
            self.count += 1;
        }
    }

    /// Makes the place of one that was taken out free for another.
    pub(crate) fn release(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(index);
        }
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Connection<S>> {
        self.slots.get_mut(index)?.connection.as_deref_mut()
    }

    /// What connection `index` makes the server hold, as of its last turn.
    pub(crate) fn memory(&self, index: usize) -> usize {
        let slot = self.slots.get(index);
        slot.and_then(|slot| slot.connection.as_ref())
            .map_or(0, |connection| connection.memory)
    }

    /// The generation of place `index`.
    pub(crate) fn generation(&self, index: usize) -> Option<u32> {
        self.slots.get(index).map(|slot| slot.generation)
    }

    /// The indices in use.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| slot.connection.is_some().then_some(index))
    }

    /// The client that a pause holds and that has said all, which it may have because it left.
    pub(crate) fn held_and_ended(&self) -> Option<usize> {
        self.slots.iter().position(|slot| {
            let connection = slot.connection.as_ref();
            connection.is_some_and(|connection| {
                connection.ended && connection.client.waits == Some(Wait::Pause)
            })
        })
    }

    /// The indices of those that may be closed when memory runs short.
    pub(crate) fn evictable(&self) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| {
            let connection = slot.connection.as_ref()?;
            (!connection.client.no_evict).then_some(index)
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection<S>> {
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.connection.as_deref_mut())
    }

    /// The clients; who asks for metrics is none.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        let connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref());
        connections
            .filter(|connection| !connection.http)
            .map(|connection| &connection.client)
    }
}
