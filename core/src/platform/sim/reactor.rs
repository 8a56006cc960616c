//! Rings over the virtual clock: operations complete at drawn times, in an order that differs between sockets and never within
//! one direction of one.
//!
//! ```text
//!   submit: due := now + draw           wait: due, head of its lane, and it would not block?
//!   [pending] --------------------------------------------------------------> performed, delivered
//!       \ cancel: due := now + draw, then by a coin the result, if there is one, or `Cancelled` /
//! ```
//!
//! A lane is one direction of one socket; only its oldest operation is tried, and only cancelled ones may overtake it. Effects happen when an operation completes,
//! so one that is cancelled had none.
//!
//! # Invariants
//! I1: no socket is dropped while the machine's state is locked: its drop locks it.
#![forbid(unsafe_code)]

use super::Sim;
use super::file::on;
use super::machine::{Power, State};
use super::net::SimSocket;
use super::network::SocketId;
use super::scheduler::On;
use crate::error::{Error, Kind, Operation, Result};
use crate::limits::RING_COMPLETIONS_MAX;
use crate::platform::{
    Cancel, Completion, Instant, Interest, Op, OpId, Outcome, Reactor, Rejected, Ring, RingOptions,
    RingWaker,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The longest time between an operation's being possible and its completion.
const LATENCY_NS_MAX: u64 = 50_000;

/// An accepted operation.
#[derive(Debug)]
struct Pending {
    token: u64,
    op: Op<SimSocket>,
    /// Not before this time.
    due_ns: u64,
    cancelled: bool,
}

/// What came of trying an operation.
enum Tried {
    NotYet,
    Done(Result<Brought>),
}

/// An [`Outcome`] whose new socket is a number yet.
enum Brought {
    Ready,
    Accepted(SocketId, core::net::SocketAddr),
    Connected(SocketId),
    Transferred(usize),
}

/// A queue of operations on a simulated machine.
#[derive(Debug)]
pub struct SimRing {
    sim: Sim,
    id: u64,
    pending: BTreeMap<u64, Pending>,
    next_op: u64,
    pending_max: usize,
}

/// Ends a wait of a [`SimRing`]. It is a call of the seam, and so no signal handler's business here.
#[derive(Clone, Debug)]
pub struct SimWaker {
    sim: Sim,
    ring: u64,
}

impl RingWaker for SimWaker {
    fn wake(&self) {
        let mut state = self.sim.step(Operation::ParkWake);
        if let Some(woken) = state.rings.get_mut(&self.ring) {
            *woken = true;
            state.scheduler.wake(On::Ring(self.ring), u32::MAX);
        }
        drop(self.sim.preempt(state));
    }
}

/// The socket and direction that orders an operation, and the operation's name.
fn lane(op: &Op<SimSocket>) -> (Option<(SocketId, Interest)>, Operation) {
    match op {
        Op::Ready { socket, interest } | Op::NextReady { socket, interest } => {
            (Some((socket.id(), *interest)), Operation::Ready)
        }
        Op::Accept { listener } => (Some((listener.id(), Interest::Read)), Operation::Accept),
        Op::Receive { socket, .. } => (Some((socket.id(), Interest::Read)), Operation::Receive),
        Op::Send { socket, .. } => (Some((socket.id(), Interest::Write)), Operation::Send),
        Op::Connect { .. } => (None, Operation::Connect),
        Op::File(_) => (None, Operation::Submit),
    }
}

impl Pending {
    /// Does the operation if it can be done now.
    fn attempt(&mut self, state: &mut State) -> Tried {
        let now = state.clock.now_ns();
        let (_, operation) = lane(&self.op);
        let result = match &mut self.op {
            Op::Ready { socket, interest } | Op::NextReady { socket, interest } => {
                let ready = match interest {
                    Interest::Read => state.network.is_readable(socket.id(), now),
                    Interest::Write => state.network.is_writable(socket.id(), now),
                };
                if !ready {
                    return Tried::NotYet;
                }
                Ok(Brought::Ready)
            }
            Op::Accept { listener } => {
                if !state.network.is_readable(listener.id(), now) {
                    return Tried::NotYet;
                }
                state.strike(operation).and_then(|()| {
                    let (id, peer) = on(operation, state.network.accept(listener.id(), now))?;
                    Ok(Brought::Accepted(id, peer))
                })
            }
            Op::Connect { address } => state.strike(operation).and_then(|()| {
                let id = on(operation, state.network.connect(address, now))?;
                Ok(Brought::Connected(id))
            }),
            Op::Receive { socket, buffer } => {
                let room = buffer.spare_mut().len();
                state
                    .receive(socket.id(), room)
                    .map(|bytes| Brought::Transferred(buffer.push_slice(&bytes)))
            }
            Op::Send {
                socket,
                buffer,
                start,
            } => {
                let bytes = buffer.as_slice().get(*start..).unwrap_or_default();
                state.send(socket.id(), bytes).map(Brought::Transferred)
            }
            Op::File(_) => Err(Error::unsupported(operation)),
        };
        match result {
            Err(error) if error.kind() == Kind::WouldBlock => Tried::NotYet,
            result => Tried::Done(result),
        }
    }

    /// The completion, once the state is unlocked (I1).
    fn complete(self, sim: &Sim, result: Result<Brought>) -> Completion<SimSocket> {
        let buffer = self.op.into_buffer();
        Completion {
            token: self.token,
            result: result.map(|brought| match brought {
                Brought::Ready => Outcome::Ready,
                Brought::Accepted(id, peer) => Outcome::Accepted {
                    socket: SimSocket::new(sim, id),
                    peer,
                },
                Brought::Connected(id) => Outcome::Connected {
                    socket: SimSocket::new(sim, id),
                },
                Brought::Transferred(bytes) => Outcome::Transferred { bytes },
            }),
            buffer,
        }
    }
}

impl SimRing {
    /// Pending operations, lane by lane in a drawn order, each lane in the order of submission.
    fn order(&self, state: &mut State) -> Vec<u64> {
        let mut ranks = BTreeMap::new();
        let mut order: Vec<(u64, u64)> = Vec::with_capacity(self.pending.len());
        for (id, pending) in &self.pending {
            let rank = match lane(&pending.op).0 {
                Some((socket, interest)) => *ranks
                    .entry((socket, interest == Interest::Read))
                    .or_insert_with(|| state.network.rng.next_u64()),
                None => state.network.rng.next_u64(),
            };
            order.push((rank, *id));
        }
        order.sort_unstable();
        order.into_iter().map(|(_, id)| id).collect()
    }

    /// Does what can be done now.
    fn poll(&mut self, state: &mut State) -> Vec<(Pending, Result<Brought>)> {
        let now = state.clock.now_ns();
        let mut done = Vec::new();
        let mut blocked = BTreeSet::new();
        for id in self.order(state) {
            if done.len() == RING_COMPLETIONS_MAX {
                break;
            }
            let Some(pending) = self.pending.get_mut(&id) else {
                continue;
            };
            let (lane, operation) = lane(&pending.op);
            let lane = lane.map(|(socket, interest)| (socket, interest == Interest::Read));
            let waits = lane.is_some_and(|lane| blocked.contains(&lane));
            let tried = if state.power != Power::On {
                Tried::Done(Err(Error::new(operation, Kind::PowerLost)))
            } else if pending.due_ns > now || (waits && !pending.cancelled) {
                Tried::NotYet
            } else if pending.cancelled && (waits || state.network.rng.coin()) {
                Tried::Done(Err(Error::new(operation, Kind::Cancelled)))
            } else {
                match pending.attempt(state) {
                    Tried::NotYet if pending.cancelled => {
                        Tried::Done(Err(Error::new(operation, Kind::Cancelled)))
                    }
                    tried => tried,
                }
            };
            match tried {
                Tried::NotYet => blocked.extend(lane),
                Tried::Done(result) => {
                    if let Some(pending) = self.pending.remove(&id) {
                        done.push((pending, result));
                    }
                }
            }
        }
        if !done.is_empty() {
            // What was done here may be what another ring waits for.
            state.scheduler.wake_rings();
        }
        done
    }

    /// When it is worth looking again.
    fn next_moment(&self, state: &State, until: Option<Instant>) -> Option<Instant> {
        let now = state.clock.now_ns();
        let due = self.pending.values().map(|pending| pending.due_ns);
        due.filter(|due| *due > now)
            .chain(state.network.next_arrival(now))
            .chain(until.map(Instant::as_ns))
            .min()
            .map(Instant::from_ns)
    }
}

impl Drop for SimRing {
    fn drop(&mut self) {
        // Pending operations had no effect yet; their sockets go with them, after this.
        self.sim.state().rings.remove(&self.id);
    }
}

impl Ring for SimRing {
    type Socket = SimSocket;
    type Waker = SimWaker;

    fn submit(
        &mut self,
        op: Op<SimSocket>,
        token: u64,
    ) -> core::result::Result<OpId, Rejected<SimSocket>> {
        let mut state = self.sim.step(Operation::Submit);
        let foreign = match &op {
            Op::Ready { socket, .. }
            | Op::NextReady { socket, .. }
            | Op::Receive { socket, .. } => !socket.is_of(&self.sim),
            Op::Send {
                socket,
                buffer,
                start,
            } => !socket.is_of(&self.sim) || *start > buffer.as_slice().len(),
            Op::Accept { listener } => {
                !listener.is_of(&self.sim) || !state.network.is_listener(listener.id())
            }
            Op::Connect { .. } | Op::File(_) => false,
        };
        let refused = match state.alive(Operation::Submit) {
            Err(error) => Some(error),
            Ok(()) if foreign => Some(Error::new(Operation::Submit, Kind::InvalidInput)),
            // Its machines' files are there at once, by `Files`.
            Ok(()) if matches!(op, Op::File(_)) => Some(Error::unsupported(Operation::Submit)),
            Ok(()) if self.pending.len() >= self.pending_max => {
                Some(Error::new(Operation::Submit, Kind::Limit))
            }
            Ok(()) => state.strike(Operation::Submit).err(),
        };
        if let Some(error) = refused {
            return Err(Rejected { error, op });
        }
        let id = self.next_op;
        self.next_op += 1;
        state.trace.detail([id, token]);
        let due_ns = state.clock.now_ns() + state.network.rng.below(LATENCY_NS_MAX);
        self.pending.insert(
            id,
            Pending {
                token,
                op,
                due_ns,
                cancelled: false,
            },
        );
        Ok(OpId::from_raw(id))
    }

    fn cancel(&mut self, id: OpId) -> Cancel {
        let mut state = self.sim.step(Operation::Submit);
        match self.pending.get_mut(&id.as_raw()) {
            None => Cancel::NotPending,
            Some(pending) => {
                pending.cancelled = true;
                pending.due_ns = state.clock.now_ns() + state.network.rng.below(LATENCY_NS_MAX);
                Cancel::Requested
            }
        }
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn wait<E: Extend<Completion<SimSocket>>>(
        &mut self,
        until: Option<Instant>,
        out: &mut E,
    ) -> Result<usize> {
        let sim = self.sim.clone();
        let mut state = sim.step(Operation::RingWait);
        if self.pending.is_empty() {
            state.alive(Operation::RingWait)?;
        }
        let done = loop {
            let done = self.poll(&mut state);
            let woken = state.rings.insert(self.id, false) == Some(true);
            let late = until.is_some_and(|until| until.as_ns() <= state.clock.now_ns());
            if !done.is_empty() || woken || late || state.power != Power::On {
                break done;
            }
            let next = self.next_moment(&state, until);
            state = sim.block(state, On::Ring(self.id), next).0;
        };
        state.trace.detail([done.len() as u64, 0]);
        drop(state);
        let count = done.len();
        out.extend(
            done.into_iter()
                .map(|(pending, result)| pending.complete(&sim, result)),
        );
        Ok(count)
    }

    fn waker(&self) -> SimWaker {
        SimWaker {
            sim: self.sim.clone(),
            ring: self.id,
        }
    }
}

impl Reactor for Sim {
    type Ring = SimRing;

    fn ring(&self, options: &RingOptions) -> Result<SimRing> {
        let mut state = self.enter(Operation::Ring)?;
        let id = state.handle();
        state.rings.insert(id, false);
        drop(state);
        Ok(SimRing {
            sim: self.clone(),
            id,
            pending: BTreeMap::new(),
            next_op: 1,
            pending_max: options.pending_max,
        })
    }
}
