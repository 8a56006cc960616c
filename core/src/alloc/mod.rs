//! The allocator: thread heaps over slabs of one size class each, one range of address space, blocks freed by other threads
//! returned in batches, memory given back.
//!
//! | you look for | it is in |
//! |---|---|
//! | the paths that most calls take | `malloc.rs` |
//! | which block serves which request | `size_class.rs` |
//! | what is known about a slice of 64 KiB | `slab.rs` |
//! | address space, free runs, coalescing | `space.rs` |
//! | refilling, full and empty slabs, thread exit, fork | `heap.rs`, `home.rs`, `thread_homes.rs`, `exit_slot.rs` |
//! | blocks that other threads free | `remote_free.rs`, `outgoing.rs` |
//! | blocks above 32 KiB | `huge.rs`, `run_slots.rs` |
//! | heaps as values: [`Heap`] | `value.rs` |
//! | giving memory back: free runs, pages within slabs | `purge.rs`, `holes.rs` |
//! | a heap over given memory, without a system: [`region`] | `region/` |
//! | which calls the live blocks come from | `profile.rs`, `careful.rs` |
//! | guard pages, random places, checks of every free | `secure.rs` |
//! | options, statistics, messages | `options.rs`, `stats.rs`, `misuse.rs` |
//!
//! [`Allocator`] is generic over the platform's memory and over where a thread's words are; the process-wide instances, with a
//! hook at thread exit and around fork, are the embedder's (the `underpin` crate, the preloadable library).
//!
//! Nothing here allocates from anything but [`Memory`](crate::platform::Memory), or panics on what a program does.

#[cfg(not(loom))]
mod careful;
#[cfg(not(loom))]
mod exit_slot;
#[cfg(not(loom))]
mod heap;
#[cfg(not(loom))]
mod holes;
#[cfg(not(loom))]
mod home;
#[cfg(not(loom))]
mod huge;
#[cfg(all(test, loom))]
mod loom;
#[cfg(not(loom))]
mod malloc;
#[cfg_attr(
    loom,
    allow(dead_code, reason = "its users are not compiled for the model checker")
)]
mod misuse;
#[cfg_attr(
    loom,
    allow(dead_code, reason = "its users are not compiled for the model checker")
)]
mod options;
#[cfg(not(loom))]
mod outgoing;
#[cfg(not(loom))]
mod profile;
#[cfg(not(loom))]
mod purge;
pub mod region;
#[cfg_attr(
    loom,
    allow(dead_code, reason = "its users are not compiled for the model checker")
)]
mod remote_free;
#[cfg(not(loom))]
mod run_slots;
#[cfg(not(loom))]
mod secure;
pub mod size_class;
#[cfg(not(loom))]
mod slab;
#[cfg(not(loom))]
mod space;
#[cfg(not(loom))]
mod stats;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
mod thread_homes;
#[cfg(not(loom))]
mod value;

#[cfg(not(loom))]
pub use exit_slot::ExitSlot;
#[cfg(not(loom))]
pub use malloc::{Allocator, Hooks};
pub use misuse::{Line, Misuse};
pub use options::{OPTIONS, OptionRow, Options};
#[cfg(not(loom))]
pub use profile::{FRAMES_MAX, Sample};
#[cfg(not(loom))]
pub use slab::{SLICE_BYTES, layout};
#[cfg(not(loom))]
pub use stats::{ClassStats, Stats};
#[cfg(not(loom))]
pub use value::Heap;
