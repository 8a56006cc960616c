//! The contracts of the platform traits as an executable suite, for any platform.
//!
//! A contract is a sentence in the documentation of a trait in [`underpin_core::platform`]; a case is a function
//! here that can tell a platform which keeps it from one which does not. `CONTRACTS.md`, beside this crate's
//! manifest, says which case checks which sentence, and a unit test compares it with the traits' sources.
//!
//! # How it runs
//!
//! ```text
//! runner (std harness, semihosting, serial line, simulator)
//!    |  run_base, run_threads, run_slots, run_files, run_map, run_net
//!    v
//! group (memory, clock, park, file::open, reactor, ...)  --- begin, pass, fail, skip --->  Report
//! ```
//!
//! Every `run_*` asks for the smallest bound it needs, so a port runs what it has. Where a whole capability is
//! not in [`Platform::caps`], its calls are checked to say `Unsupported` and its other cases are
//! reported as one skip; where one ability is missing, the case that needs it is skipped with the reason.
//! Nothing is skipped in silence.
//!
//! # Bounds
//!
//! No case waits for ever on a platform that keeps the contract of [`Park`](underpin_core::platform::Park): waits
//! carry a deadline of [`Effort::patience`]. Without the feature `alloc` nothing allocates, and stack use
//! stays under 16 KiB, so the suite runs on a board.
//!
//! # Not here
//!
//! What only a loss of power can show (which unsynced writes survive): the simulator's own tests cut the power.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;

#[macro_use]
mod case;
mod clock;
mod crew;
mod entropy;
mod file;
mod map;
mod memory;
#[cfg(feature = "alloc")]
mod net;
mod park;
mod platform;
#[cfg(feature = "alloc")]
mod reactor;
mod socket_absent;
mod tally;
mod thread;
mod thread_slot;

#[cfg(all(test, feature = "alloc"))]
mod contracts;

pub use tally::Tally;

use case::Context;
use core::fmt;
use core::time::Duration;
use underpin_core::platform::{
    Caps, Files, Map, Platform, Reactor, RingBackend, ThreadSlots, Threads,
};
#[cfg(feature = "alloc")]
use underpin_core::platform::{Datagrams, LocalSockets};

/// How long and how hard to try.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Effort {
    /// Rounds of each stress case. Default 2,000.
    pub rounds: u32,
    /// Seed of the random cases. Default 1.
    pub seed: u64,
    /// When to call something that does not come lost. Default 20 seconds.
    pub patience: Duration,
    /// Which kind of ring the reactor's cases ask for. Default: the platform's usual one.
    pub ring: RingBackend,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            rounds: 2_000,
            seed: 1,
            patience: Duration::from_secs(20),
            ring: RingBackend::Usual,
        }
    }
}

impl Effort {
    /// Sets the rounds of each stress case.
    #[must_use]
    pub const fn with_rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }

    /// Sets the kind of ring.
    #[must_use]
    pub const fn with_ring(mut self, ring: RingBackend) -> Self {
        self.ring = ring;
        self
    }

    /// Sets the seed of the random cases.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Who hears what came of each case.
///
/// `begin` comes first, then exactly one of the others.
pub trait Report {
    /// Case `name` starts. A runner that hangs after this knows where.
    fn begin(&mut self, name: &'static str);
    /// The platform kept the contract.
    fn pass(&mut self, name: &'static str);
    /// The platform broke the contract; `why` says where and how.
    fn fail(&mut self, name: &'static str, why: fmt::Arguments<'_>);
    /// The case does not apply here, for `reason`.
    fn skip(&mut self, name: &'static str, reason: &'static str);
    /// How hard to try. Asked once by each `run_*`.
    fn effort(&self) -> Effort {
        Effort::default()
    }
}

/// Checks what every platform has: clocks, randomness, memory and waiting, on the calling thread alone.
pub fn run_base<P: Platform>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    platform::run(&cx, report);
    clock::run(&cx, report);
    entropy::run(&cx, report);
    memory::run(&cx, report);
    park::run(&cx, report);
}

/// Checks threads, and the base with several threads at work.
pub fn run_threads<P: Threads>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    if cx.group_is_there(Caps::THREADS, "thread", report) {
        thread::run(&cx, report);
        thread::concurrent::run(&cx, report);
    } else {
        thread::absent::run(&cx, report);
    }
}

/// Checks per-thread slots and their exit hooks.
pub fn run_slots<P: Threads + ThreadSlots>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    if !cx.group_is_there(Caps::THREAD_SLOTS, "thread_slot", report) {
        thread_slot::absent::run(&cx, report);
    } else if cx.group_is_there(Caps::THREADS, "thread_slot", report) {
        thread_slot::run(&cx, report);
    }
}

/// Checks files in `directory`, an empty directory that is there. What the cases leave in it is the runner's to remove.
pub fn run_files<P: Files>(platform: &P, directory: &[u8], report: &mut dyn Report) {
    let cx = Context::new(platform, directory, report.effort());
    if cx.group_is_there(Caps::FILES, "file", report) {
        file::run(&cx, report);
    } else {
        file::absent::run(&cx, report);
    }
}

/// Checks files as several threads use them, in `directory` as for [`run_files`].
pub fn run_files_with_threads<P: Files + Threads>(
    platform: &P,
    directory: &[u8],
    report: &mut dyn Report,
) {
    let cx = Context::new(platform, directory, report.effort());
    if cx.group_is_there(Caps::FILES, "file::concurrent", report)
        && cx.group_is_there(Caps::THREADS, "file::concurrent", report)
    {
        file::concurrent::run(&cx, report);
    }
}

/// Checks mappings of files in `directory`, as for [`run_files`].
pub fn run_map<P: Map>(platform: &P, directory: &[u8], report: &mut dyn Report) {
    let cx = Context::new(platform, directory, report.effort());
    if !cx.group_is_there(Caps::FILES, "map", report) {
        return;
    }
    if cx.group_is_there(Caps::MAP, "map", report) {
        map::run(&cx, report);
    } else {
        map::absent::run(&cx, report);
    }
}

/// Checks sockets and the reactor over the loopback address, on the calling thread alone.
///
/// Needs the feature `alloc` where the platform has sockets; without it those cases are reported as skipped.
pub fn run_net<P: Reactor>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    let net = cx.group_is_there(Caps::NET, "net", report);
    let reactor = cx.group_is_there(Caps::REACTOR, "reactor", report);
    if net && reactor {
        #[cfg(feature = "alloc")]
        {
            net::run(&cx, report);
            reactor::run(&cx, report);
        }
        #[cfg(not(feature = "alloc"))]
        without_alloc("net", report);
    } else {
        socket_absent::run(&cx, report);
    }
}

/// Checks datagrams over the loopback address, or that they are `Unsupported`.
#[cfg(feature = "alloc")]
pub fn run_datagrams<P: Datagrams + Reactor>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    net::datagram::run(&cx, report);
}

/// Checks stream sockets within the machine, with names in `directory` as for [`run_files`], or that they are `Unsupported`.
#[cfg(feature = "alloc")]
pub fn run_local_sockets<P: LocalSockets + Reactor>(
    platform: &P,
    directory: &[u8],
    report: &mut dyn Report,
) {
    let cx = Context::new(platform, directory, report.effort());
    net::local::run(&cx, report);
}

/// Checks operations on files by a ring that does them, with names in `directory` as for [`run_files`]. That the others refuse them is in
/// [`run_net`].
#[cfg(feature = "alloc")]
pub fn run_ring_files<P: Reactor>(platform: &P, directory: &[u8], report: &mut dyn Report) {
    let cx = Context::new(platform, directory, report.effort());
    reactor::files::run(&cx, report);
}

/// Checks the reactor's wakers from other threads.
pub fn run_net_with_threads<P: Reactor + Threads>(platform: &P, report: &mut dyn Report) {
    let cx = Context::new(platform, b"", report.effort());
    if cx.group_is_there(Caps::REACTOR, "reactor::concurrent", report)
        && cx.group_is_there(Caps::THREADS, "reactor::concurrent", report)
    {
        #[cfg(feature = "alloc")]
        reactor::concurrent::run(&cx, report);
        #[cfg(not(feature = "alloc"))]
        without_alloc("reactor::concurrent", report);
    }
}

/// Reports the group of cases that a suite without an allocator leaves out.
#[cfg(not(feature = "alloc"))]
fn without_alloc(group: &'static str, report: &mut dyn Report) {
    report.begin(group);
    report.skip(group, "the suite was built without an allocator");
}

/// Everything, for a platform that has, or says that it lacks, every capability.
pub fn run_all<P: Threads + ThreadSlots + Map + Reactor>(
    platform: &P,
    directory: &[u8],
    report: &mut dyn Report,
) {
    run_base(platform, report);
    run_threads(platform, report);
    run_slots(platform, report);
    run_files(platform, directory, report);
    run_files_with_threads(platform, directory, report);
    run_map(platform, directory, report);
    run_net(platform, report);
    run_net_with_threads(platform, report);
}
