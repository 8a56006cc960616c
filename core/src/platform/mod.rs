//! The seam: everything the core wants from the outside, as small capability traits.
//!
//! # The family
//!
//! | trait | what it gives | a bare microcontroller has it |
//! |---|---|---|
//! | [`Clock`] | monotonic, boot, wall and thread-CPU time | yes |
//! | [`Entropy`] | random bytes | yes, or `Unsupported` |
//! | [`Memory`] | reserve, commit, decommit, release, protect | yes, over a fixed region ([`absent::FixedMemory`]) |
//! | [`Park`] | wait on a 32-bit word and wake its waiters | yes ([`absent::SpinPark`]) |
//! | [`Platform`] | the four above in one value, and how to stop | yes |
//! | [`Threads`] | spawn, join, name, affinity | no |
//! | [`ThreadSlots`] | a pointer per thread, with a hook at thread exit | no |
//! | [`ThreadWords`] | the allocator's words per thread | no |
//! | [`Files`] | files, directories, durability, locks | no |
//! | [`Map`] | files in memory | no |
//! | [`Net`] | stream sockets, never blocking | no |
//! | [`Datagrams`], [`LocalSockets`] | datagrams over IP, stream sockets within the machine | no |
//! | [`Reactor`] | completions for socket operations | no |
//!
//! A system asks for the smallest set it needs as a bound: `fn open<P: Files>(platform: P)`. What a
//! platform lacks altogether comes from [`absent`]; what this kernel, container or file system
//! lacks is a bit that is not in [`Platform::caps`], and the call returns
//! [`Kind::Unsupported`](crate::Kind::Unsupported).
//!
//! [`middleware`] wraps a platform to watch, count or spoil its calls.
//!
//! # Rules for implementors
//!
//! 1. **A platform is a value.** Methods take `&self`. An operating system is a zero-sized `Copy` type; the
//!    simulator is a handle, so many simulated machines live in one process.
//! 2. Clones are the same platform: what one clone made, another may use.
//! 3. Every method may be called from any thread at any time unless its contract says otherwise.
//! 4. Nothing panics on what comes from outside. A wrong argument is `InvalidInput`, a missing ability
//!    is `Unsupported`, and a call that did nothing never says that it did.
//! 5. `Interrupted` does not leave the seam: a call that a signal interrupted is repeated.
//! 6. Paths are bytes: raw on Unix, WTF-8 on Windows, `/` separates on all. A path that is empty, holds a
//!    NUL or is longer than [`limits::PATH_BYTES_MAX`](crate::limits::PATH_BYTES_MAX) is `InvalidInput`.
//! 7. A platform is finished when it passes the conformance suite; `PORTING.md` walks you there.

pub mod absent;
mod buffer;
mod clock;
mod datagram;
mod entropy;
mod file;
mod file_op;
mod local;
mod lock;
mod map;
mod memory;
pub mod middleware;
mod net;
mod park;
mod reactor;
#[cfg(feature = "alloc")]
pub mod readiness;
#[cfg(feature = "alloc")]
pub mod sim;
mod thread;
mod thread_slot;
mod thread_words;

pub use buffer::Buffer;
pub use clock::{Clock, ClockId, Instant};
pub use datagram::{Datagram, Datagrams};
pub use entropy::Entropy;
pub use file::{
    Access, Create, DirectoryEntry, Durability, FileKind, Files, LockKind, Metadata, OpenOptions,
};
pub use file_op::FileOp;
pub use local::LocalSockets;
pub use lock::{Condvar, Mutex, MutexGuard};
pub use map::{Map, MapAccess, MappedBytes};
pub use memory::{Memory, MemoryInfo, Protection};
pub use net::{ListenOptions, Net, ShutdownHow};
pub use park::{Park, Woken};
pub use reactor::{
    Cancel, Completion, Interest, Op, OpId, Outcome, Reactor, Rejected, Ring, RingBackend,
    RingOptions, RingWaker,
};
pub use thread::{CpuSet, ThreadEntry, ThreadOptions, Threads};
pub use thread_slot::{SlotHook, SlotKey, ThreadSlots};
pub use thread_words::{THREAD_WORDS, ThreadWords};

bitflags::bitflags! {
    /// What this system, as found at run time, can do. A cleared bit means that the call returns
    /// `Unsupported`; a set bit means that it is tried, not that it always succeeds (a single
    /// file system may still refuse).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Caps: u32 {
        /// [`Memory::protect`] works.
        const PROTECT = 1 << 0;
        /// [`Memory::advise_huge`] is heard.
        const HUGE_PAGES = 1 << 1;
        /// Decommitted memory faults when touched (else what it holds is unspecified until the next commit).
        const DECOMMIT_FAULTS = 1 << 2;
        /// [`Entropy::fill`] works.
        const ENTROPY = 1 << 3;
        /// [`ClockId::ThreadCpu`] works.
        const THREAD_CPU_CLOCK = 1 << 4;
        /// [`ClockId::Boot`] differs from monotonic: it counts suspended time.
        const BOOT_CLOCK = 1 << 5;
        /// [`ClockId::Real`] knows the time of day.
        const REAL_CLOCK = 1 << 6;
        /// [`Threads::spawn`] works.
        const THREADS = 1 << 7;
        /// [`Threads::set_name`] works.
        const THREAD_NAMES = 1 << 8;
        /// [`Threads::set_affinity`] works.
        const AFFINITY = 1 << 9;
        /// [`ThreadSlots`] works.
        const THREAD_SLOTS = 1 << 10;
        /// [`Files`] works.
        const FILES = 1 << 11;
        /// [`Files::preallocate`] works.
        const PREALLOCATE = 1 << 12;
        /// [`Files::punch`] works.
        const PUNCH = 1 << 13;
        /// [`Files::sync_directory`] makes directory entries durable.
        const SYNC_DIRECTORY = 1 << 14;
        /// [`Durability::Barrier`] is cheaper than full and real.
        const SYNC_BARRIER = 1 << 15;
        /// [`Durability::Full`] reaches the medium.
        const SYNC_FULL = 1 << 16;
        /// [`Files::hard_link`] works.
        const HARD_LINKS = 1 << 17;
        /// [`Files::lock`] works.
        const LOCKS = 1 << 18;
        /// [`Map::map`] works.
        const MAP = 1 << 19;
        /// [`Net`] works.
        const NET = 1 << 20;
        /// [`Reactor`] works.
        const REACTOR = 1 << 21;
        /// [`Datagrams`] works.
        const DATAGRAMS = 1 << 22;
        /// [`LocalSockets`] works.
        const LOCAL_SOCKETS = 1 << 23;
    }
}

/// The base that every platform has: time, randomness, memory, waiting, and a way to stop.
pub trait Platform: Clock + Entropy + Memory + Park + Clone + Send + Sync + 'static {
    /// The platform's name in messages and reports, such as `linux`.
    const NAME: &'static str;

    /// What this system can do, probed once by harmless calls (never by version number).
    fn caps(&self) -> Caps;

    /// Says `message` where a person may see it and stops the program, the board or the simulated
    /// machine. For broken invariants only; must not allocate.
    fn fatal(&self, message: &str) -> !;
}
