//! underpin's platform capabilities on Linux: [`Linux`], a zero-sized value over system calls.
//!
//! `no_std`, and no C library: rustix makes the system calls itself. Where the process has one all the same (every Rust program
//! with `std`), threads are its threads, found through weak symbols; see `thread.rs`.
//!
//! | file | trait | over |
//! |---|---|---|
//! | `memory.rs` | `Memory` | `mmap`, `mprotect`, `madvise` |
//! | `park.rs` | `Park` | `futex` |
//! | `clock.rs`, `entropy.rs` | `Clock`, `Entropy` | the vDSO, `getrandom` |
//! | `thread.rs`, `thread_slot.rs` | `Threads`, `ThreadSlots` | `pthread.rs`, or `raw_thread.rs` and `slot_table.rs` without a C library |
//! | `file.rs`, `directory.rs`, `map.rs` | `Files`, `Map` | `pread`, `fdatasync`, `flock`, `getdents64`, `mmap`, .. |
//! | `thread_words.rs` | `ThreadWords` | static thread-local storage |
//! | `datagram.rs`, `local.rs` | `Datagrams`, `LocalSockets` | UDP and Unix sockets |
//! | `net.rs`, `ring.rs` | `Net`, `Reactor` | sockets, `reactor.rs` (`epoll`) or `uring/` (`io_uring`), `eventfd` |
#![no_std]
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod clock;
mod datagram;
mod directory;
mod entropy;
mod error;
mod fence_others;
mod file;
mod local;
mod map;
mod memory;
mod net;
mod park;
mod path;
mod platform;
mod pthread;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    path = "raw_thread_absent.rs"
)]
mod raw_thread;
mod reactor;
mod ring;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod service;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "its hooks run at the end of raw threads")
)]
mod slot_table;
mod syscall;
mod thread;
mod thread_slot;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod thread_words;
mod uring;

pub use file::File;
pub use map::Mapping;
pub use net::{Descriptor, Socket};
pub use platform::write_stderr;
pub use reactor::{EpollPoller, EpollRing, EpollWaker};
pub use ring::{LinuxRing, LinuxWaker};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use service::spawn_service;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use syscall::monotonic_by_call;
pub use thread::Thread;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use thread_words::LinuxThreadWords;
pub use uring::{UringRing, UringWaker, io_uring_support};

/// The Linux that this process runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linux;
