//! The simulator: a whole machine from one seed, the same on every host, on every run.
//!
//! A [`Sim`] is a handle to one simulated machine that has every capability of the seam. Code that is generic over a
//! platform runs on it unchanged, and what would take luck and a power switch to see on a real machine is a number here:
//!
//! ```
//! use underpin_core::platform::sim::{Sim, SimOptions};
//! use underpin_core::platform::{Create, Durability, Files, OpenOptions};
//! # fn main() -> Result<(), underpin_core::Error> {
//! let sim = Sim::new(SimOptions::new(42));
//! let new = OpenOptions::read_write().with_create(Create::New);
//! let file = sim.open(b"/log", &new)?;
//! sim.write_all_at(&file, b"acknowledged", 0)?;
//! sim.sync(&file, Durability::Full)?;
//! sim.sync_directory(b"/")?;
//! sim.write_all_at(&file, b"lost, perhaps", 12)?;
//! sim.power_loss();
//! assert!(sim.sync(&file, Durability::Full).is_err(), "the machine is off");
//!
//! let sim = sim.reboot();
//! let mut bytes = [0; 12];
//! sim.read_exact_at(&sim.open(b"/log", &OpenOptions::read())?, &mut bytes, 0)?;
//! assert_eq!(&bytes, b"acknowledged");
//! # Ok(())
//! # }
//! ```
//!
//! # Picture
//!
//! ```text
//!   program --> call of the seam --> step: count, cost, trace, power?, baton? --> fault? --> what the call does
//!                                             |                      |
//!                                        virtual clock           scheduler --> host (stacks only)
//! ```
//!
//! # How to use it
//!
//! * **Crash points.** Run the workload once and read [`Sim::disk_calls`]; then run it again with
//!   [`SimOptions::power_loss_at_disk_call`] at 1, 2, 3 and so on, [`reboot`](Sim::reboot), recover, check. A
//!   [`DiskSnapshot`] gives many outcomes of one crash point without running it again.
//! * **Faults.** [`SimFaults`] says how often, [`Sim::fail_nth`] exactly when, [`Sim::flip_bit`] exactly where.
//! * **Threads** need stacks, which a `no_std` simulator cannot make: [`Sim::with_host`] takes them from another platform.
//! * **Seeds.** [`check_seeds`] runs a check for many seeds and says which failed, with [`Sim::report`]. A seed, the options and the
//!   program make the run; [`Sim::trace_hash`] tells whether two runs were the same.
//!
//! # What makes it deterministic
//!
//! 1. All dice come from the seed, one stream per subsystem ([`rng`](Rng)).
//! 2. One thread runs at a time, and which one is drawn (`scheduler.rs`).
//! 3. Time moves by drawn costs and by jumps to deadlines; the host's clock is never read.
//! 4. Nothing depends on an address, on the order of a hash table, or on a host thread's number.
//!
//! The program has to do its part:
//!
//! * no time, randomness or threads but the platform's. A machine is used by its own threads alone (whichever holds the baton is
//!   the caller, on whatever thread of the host); it may move to another thread between calls;
//! * no waiting but the platform's: a thread that spins on an atomic without a call of the seam, or blocks in a lock of the host,
//!   keeps the baton, and everything stands still. [`yield_now`](crate::platform::Threads::yield_now) gives it away;
//! * a panic that unwinds out of a thread's entry ends the process, as the seam says.
//!
//! # What a power loss does
//!
//! See the contract in [`Files`](crate::platform::Files); `disk/crash.rs` says how fates of unsynced writes are drawn,
//! `disk/journal.rs` which names survive, `scheduler.rs` what becomes of threads.
//!
//! # Not here
//!
//! Several machines on one network, processes and signals, memory protection, symbolic links.

mod clock;
mod disk;
mod fault;
mod file;
mod host;
mod machine;
mod map;
mod memory;
mod net;
mod network;
mod options;
mod park;
mod reactor;
mod rng;
mod scheduler;
mod seeds;
mod slot;
mod snapshot;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod thread;
mod trace;

pub use disk::SECTOR_BYTES;
pub use fault::SimFaults;
pub use file::SimFile;
pub use host::{Body, Host};
pub use map::SimMapping;
pub use memory::POISON;
pub use net::SimSocket;
pub use network::SOCKETS_MAX;
pub use options::SimOptions;
pub use reactor::{SimRing, SimWaker};
pub use rng::Rng;
pub use scheduler::{LINGER_CALLS_MAX, MAIN_LINGER_CALLS_MAX};
pub use seeds::{SeedFailure, check_seeds};
pub use slot::SLOTS_MAX;
pub use snapshot::DiskSnapshot;
pub use thread::SimThread;
pub use trace::{Event, What};

use super::{Caps, Platform};
use crate::error::{Error, Kind, Operation, Result};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write};
use machine::{Machine, Power};

/// A handle to one simulated machine. Clones are the same machine. See the [module](self).
#[derive(Clone)]
pub struct Sim(Arc<Machine>);

/// What a program has not given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leaks {
    /// Reservations of memory.
    pub reservations: usize,
    /// Bytes in them.
    pub reserved_bytes: usize,
    /// Open files and mappings.
    pub handles: u64,
    /// Sockets, connections that wait to be accepted included.
    pub sockets: usize,
    /// Rings.
    pub rings: usize,
    /// Threads that have not ended, besides the first.
    pub threads: usize,
}

impl Leaks {
    /// Whether everything was given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Sim {
    /// Boots a machine without threads to spawn; a seed is enough to describe one. Whoever calls becomes its first thread.
    #[must_use]
    pub fn new(options: impl Into<SimOptions>) -> Self {
        Self(Arc::new(Machine::new(options.into(), None, 0)))
    }

    /// Boots a machine whose threads get their stacks from `host`, which can be any platform with threads.
    #[must_use]
    pub fn with_host(options: impl Into<SimOptions>, host: impl Host) -> Self {
        Self(Arc::new(Machine::new(
            options.into(),
            Some(Arc::new(host)),
            0,
        )))
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.options.seed
    }

    /// Calls of the seam so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Calls so far that can change what a later power loss leaves: writes, changes of names, syncs, opens.
    #[must_use]
    pub fn disk_calls(&self) -> u64 {
        self.state().disk_calls
    }

    /// A hash over everything that happened so far, contents of writes included. Equal for equal runs.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.state().trace.hash()
    }

    /// The latest events, oldest first.
    #[must_use]
    pub fn events(&self) -> alloc::vec::Vec<Event> {
        self.state().trace.tail().copied().collect()
    }

    /// What a person needs to understand a failure and to see it again: seed, time, threads, latest events.
    #[must_use]
    pub fn report(&self) -> String {
        let state = self.state();
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "UNDERPIN_SEED={}\nboot {}, {:?}, {} ns, {} calls, {} disk calls, trace {:016x}",
            self.seed(),
            self.0.boot,
            state.power,
            state.clock.now_ns(),
            state.calls,
            state.disk_calls,
            state.trace.hash(),
        );
        let _ = state.scheduler.describe(&mut out);
        for event in state.trace.tail() {
            let _ = writeln!(out, "  {event}");
        }
        out
    }

    /// What the program holds now: to be compared with nothing at the end of a test.
    #[must_use]
    pub fn leaks(&self) -> Leaks {
        self.state().leaks()
    }

    /// Takes the power away. Every later call on this machine fails with `PowerLost`.
    pub fn power_loss(&self) {
        self.state().lose_power();
    }

    /// Ends the program, as `kill -9` does: its handles and locks go, what it wrote stays, synced or not. Every later call on
    /// this machine fails with `PowerLost`.
    pub fn kill(&self) {
        self.state().kill(What::Kill);
    }

    /// Whether the machine runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state().power == Power::On
    }

    /// Boots the machine again with what is left on its disk; if it still runs, it is [killed](Self::kill) first. Threads of
    /// the old machine end or freeze before. The planned power losses of the options do not come again; faults by
    /// probability do.
    #[must_use]
    pub fn reboot(&self) -> Self {
        self.kill();
        self.wind_up();
        let state = self.state();
        let mut options = self.0.options.clone();
        options.power_loss_at_call = None;
        options.power_loss_at_disk_call = None;
        options.power_loss_at = None;
        options.faults = state.faults.odds.clone();
        // A reboot takes a minute.
        options.real_base_ns = state.clock.real_ns().saturating_add(60_000_000_000);
        options.disk = Some(DiskSnapshot(state.disk.clone()));
        drop(state);
        let host = self.0.host.clone();
        Self(Arc::new(Machine::new(options, host, self.0.boot + 1)))
    }

    /// The disk as it is now, unsynced changes included.
    #[must_use]
    pub fn disk_snapshot(&self) -> DiskSnapshot {
        DiskSnapshot(self.state().disk.clone())
    }

    /// Makes the `nth` call of `operation` from now (1 is the next) fail with `kind`.
    pub fn fail_nth(&self, operation: Operation, nth: u64, kind: Kind) {
        self.state().faults.plan(operation, nth, kind);
    }

    /// The program forbids itself the fence of all threads, as a filter of system calls would: from now on
    /// [`fence_others`](crate::platform::Threads::fence_others) says no.
    pub fn forbid_fences(&self) {
        self.state().fences_forbidden = true;
    }

    /// Changes the odds from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.state().faults.odds = faults;
    }

    /// Rots one bit of the file at `path`, in the cache and on the medium.
    ///
    /// # Errors
    /// `NotFound` and what else can be wrong with a path; `InvalidInput` if the file has no byte at `offset`.
    pub fn flip_bit(&self, path: &[u8], offset: u64, bit: u8) -> Result<()> {
        let mut state = self.state();
        let inode = file::on(Operation::ReadAt, state.disk.find(path))?;
        if file::on(Operation::ReadAt, state.disk.flip(inode, offset, bit))? {
            state.refresh_maps(inode);
            return Ok(());
        }
        Err(Error::new(Operation::ReadAt, Kind::InvalidInput))
    }

    /// Stops the test with the seed and the report.
    fn fail(&self, message: fmt::Arguments<'_>) -> ! {
        let report = self.report();
        panic!("simulated machine: {message}\n{report}")
    }
}

impl Platform for Sim {
    const NAME: &'static str = "sim";

    fn caps(&self) -> Caps {
        let mut caps = Caps::ENTROPY
            | Caps::THREAD_CPU_CLOCK
            | Caps::REAL_CLOCK
            | Caps::THREAD_NAMES
            | Caps::AFFINITY
            | Caps::THREAD_SLOTS
            | Caps::FILES
            | Caps::PREALLOCATE
            | Caps::PUNCH
            | Caps::SYNC_DIRECTORY
            | Caps::SYNC_FULL
            | Caps::HARD_LINKS
            | Caps::LOCKS
            | Caps::MAP
            | Caps::NET
            | Caps::REACTOR;
        if self.0.options.poison_decommitted {
            caps |= Caps::DECOMMIT_FAULTS;
        }
        if self.0.host.is_some() {
            caps |= Caps::THREADS;
        }
        caps
    }

    /// Panics with the message and the report, since a test can catch that.
    fn fatal(&self, message: &str) -> ! {
        self.fail(format_args!("{message}"))
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed())
            .field("boot", &self.0.boot)
            .finish_non_exhaustive()
    }
}
