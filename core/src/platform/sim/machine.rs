//! The state of one machine and the prologue of every call: count, take time, maybe lose power, maybe hand the baton on.
#![forbid(unsafe_code)]

use super::clock::VirtualClock;
use super::disk::Disk;
use super::fault::Faults;
use super::host::Host;
use super::map::Images;
use super::memory::Regions;
use super::network::Network;
use super::options::SimOptions;
use super::rng::{Rng, Stream};
use super::scheduler::Scheduler;
use super::slot::Slots;
use super::trace::{Event, Trace, What};
use super::{Leaks, Sim};
use crate::error::{Error, Kind, Operation, Result};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;

/// Exclusive use of a machine's state. Held for the length of one call and never across a hand-over.
pub(super) type Guard<'a> = spin::MutexGuard<'a, State>;

/// A machine, shared by all its handles.
pub(super) struct Machine {
    pub(super) options: SimOptions,
    /// Where the stacks of its threads come from.
    pub(super) host: Option<Arc<dyn Host>>,
    /// How often the machine has been booted before.
    pub(super) boot: u64,
    /// Contended only for moments, by a host thread that just gave the baton away.
    pub(super) state: spin::Mutex<State>,
}

/// Whether the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// The power went.
    Lost,
    /// The program was killed, or found to be deadlocked; the disk is as programs saw it.
    Killed,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) power: Power,
    /// Whether the program has forbidden itself the fence of all threads.
    pub(super) fences_forbidden: bool,
    pub(super) calls: u64,
    pub(super) disk_calls: u64,
    pub(super) clock: VirtualClock,
    pub(super) entropy: Rng,
    pub(super) scheduler: Scheduler,
    pub(super) memory: Regions,
    pub(super) disk: Disk,
    pub(super) disk_rng: Rng,
    pub(super) crash_rng: Rng,
    pub(super) images: Images,
    pub(super) network: Network,
    /// Live rings, and whether a waker called.
    pub(super) rings: BTreeMap<u64, bool>,
    pub(super) slots: Slots,
    pub(super) faults: Faults,
    pub(super) trace: Trace,
    pub(super) next_handle: u64,
    /// What a deadlock looked like, for the main thread to say.
    pub(super) deadlock: Option<String>,
    power_loss_at_call: u64,
    power_loss_at_disk_call: u64,
    power_loss_at_ns: u64,
}

impl Machine {
    pub(super) fn new(mut options: SimOptions, host: Option<Arc<dyn Host>>, boot: u64) -> Self {
        options.granularity_bytes = options
            .granularity_bytes
            .next_power_of_two()
            .max(super::memory::PAGE_BYTES);
        let seed = options.seed;
        let stream = |stream| Rng::stream(seed, stream, boot);
        let mut disk = match options.disk.take() {
            Some(snapshot) => snapshot.0,
            None => Disk::new(options.disk_bytes),
        };
        disk.set_capacity(options.disk_bytes);
        disk.close_all();
        let mut tuning = stream(Stream::Tuning);
        let drawn = [500_000, 125_000, 15_625][tuning.index(3)];
        let state = State {
            power: Power::On,
            fences_forbidden: false,
            calls: 0,
            disk_calls: 0,
            clock: VirtualClock::new(options.real_base_ns, stream(Stream::Clock)),
            entropy: stream(Stream::Entropy),
            scheduler: Scheduler::new(
                options.switch_ppm.unwrap_or(drawn),
                stream(Stream::Schedule),
            ),
            memory: Regions::new(&options),
            disk,
            disk_rng: stream(Stream::Disk),
            crash_rng: stream(Stream::Crash),
            images: Images::new(),
            network: Network::new(stream(Stream::Network)),
            rings: BTreeMap::new(),
            slots: Slots::default(),
            faults: Faults::new(options.faults.clone(), stream(Stream::Fault)),
            trace: Trace::new(super::rng::mix(seed ^ boot), options.events_kept),
            next_handle: 1,
            deadlock: None,
            power_loss_at_call: options.power_loss_at_call.unwrap_or(u64::MAX),
            power_loss_at_disk_call: options.power_loss_at_disk_call.unwrap_or(u64::MAX),
            power_loss_at_ns: options.power_loss_at.map_or(u64::MAX, |at| at.as_ns()),
        };
        Self {
            options,
            host,
            boot,
            state: spin::Mutex::new(state),
        }
    }
}

/// Whether a call can change what a power loss at a later moment leaves.
const fn touches_disk(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Open
            | Operation::WriteAt
            | Operation::Append
            | Operation::SetLength
            | Operation::Preallocate
            | Operation::Punch
            | Operation::Sync
            | Operation::SyncDirectory
            | Operation::Rename
            | Operation::HardLink
            | Operation::RemoveFile
            | Operation::CreateDirectory
            | Operation::RemoveDirectory
            | Operation::FlushMap
    )
}

/// What a call takes, in nanoseconds: the orders of magnitude of a current machine.
const fn cost_ns(operation: Operation) -> (u64, u64) {
    match operation {
        Operation::Clock => (15, 60),
        Operation::Entropy | Operation::Slot => (50, 500),
        Operation::ReadAt => (1_000, 100_000),
        Operation::WriteAt | Operation::Append => (1_000, 20_000),
        Operation::Sync | Operation::SyncDirectory | Operation::FlushMap => (20_000, 2_000_000),
        Operation::Spawn => (5_000, 50_000),
        _ => (200, 3_000),
    }
}

impl State {
    pub(super) fn event(&mut self, what: What, detail: [u64; 2]) {
        self.trace.push(Event {
            at_ns: self.clock.now_ns(),
            thread: self.scheduler.current(),
            what,
            detail: [0, 0],
        });
        if detail != [0, 0] {
            self.trace.detail(detail);
        }
    }

    /// Says that the machine is off, if it is.
    pub(super) fn alive(&self, operation: Operation) -> Result<()> {
        match self.power {
            Power::On => Ok(()),
            Power::Lost | Power::Killed => Err(Error::new(operation, Kind::PowerLost)),
        }
    }

    /// Whether this call of `operation` fails by injection.
    pub(super) fn strike(&mut self, operation: Operation) -> Result<()> {
        match self.faults.strike(operation) {
            Some(error) => {
                self.event(What::Fault(operation, error.kind()), [0, 0]);
                Err(error)
            }
            None => Ok(()),
        }
    }

    pub(super) fn handle(&mut self) -> u64 {
        let handle = self.next_handle;
        self.next_handle += 1;
        handle
    }

    /// Virtual time passes for the running thread, and with it deadlines of others.
    fn advance(&mut self, ns: u64) {
        self.clock
            .advance_to(self.clock.now_ns().saturating_add(ns));
        self.scheduler.charge(ns);
        self.scheduler.expire(self.clock.now_ns());
    }

    /// Nobody can run: the clock jumps to the next thing that happens by itself. False if there is none.
    pub(super) fn idle(&mut self) -> bool {
        let Some(next) = self
            .scheduler
            .next_deadline()
            .into_iter()
            .chain((self.power_loss_at_ns != u64::MAX).then_some(self.power_loss_at_ns))
            .min()
        else {
            return false;
        };
        self.clock.advance_to(next);
        self.event(What::Idle, [0, 0]);
        self.scheduler.expire(self.clock.now_ns());
        if self.clock.now_ns() >= self.power_loss_at_ns {
            self.lose_power();
        }
        true
    }

    pub(super) fn lose_power(&mut self) {
        if self.power == Power::On {
            self.write_back_maps();
            self.event(What::PowerLoss, [self.calls, self.disk_calls]);
            self.power = Power::Lost;
            self.disk.lose_power(&mut self.crash_rng);
            self.scheduler.wake_all();
        }
    }

    pub(super) fn kill(&mut self, what: What) {
        if self.power == Power::On {
            self.write_back_maps();
            self.event(what, [self.calls, 0]);
            self.power = Power::Killed;
            self.disk.close_all();
            self.scheduler.wake_all();
        }
    }

    pub(super) fn leaks(&self) -> Leaks {
        let (reservations, reserved_bytes) = self.memory.live();
        Leaks {
            reservations,
            reserved_bytes,
            handles: self.disk.open_handles(),
            sockets: self.network.count(),
            rings: self.rings.len(),
            threads: self.scheduler.others(),
        }
    }
}

impl Sim {
    pub(super) fn state(&self) -> Guard<'_> {
        self.0.state.lock()
    }

    /// The prologue of a call that cannot say that the power is lost, or says it itself.
    pub(super) fn step(&self, operation: Operation) -> Guard<'_> {
        let mut state = self.state();
        if state.power == Power::On {
            state.calls += 1;
            state.disk_calls += u64::from(touches_disk(operation));
            let (low, high) = cost_ns(operation);
            let cost = state.clock.rng.between(low, high);
            state.advance(cost);
            state.event(What::Call(operation), [0, 0]);
            if state.calls >= state.power_loss_at_call
                || state.disk_calls >= state.power_loss_at_disk_call
                || state.clock.now_ns() >= state.power_loss_at_ns
            {
                state.lose_power();
            }
        }
        let state = self.preempt(state);
        if state.power == Power::On {
            state
        } else {
            self.linger(state)
        }
    }

    /// The prologue of a call that may fail.
    pub(super) fn enter(&self, operation: Operation) -> Result<Guard<'_>> {
        let mut state = self.step(operation);
        state.alive(operation)?;
        state.strike(operation)?;
        Ok(state)
    }
}
