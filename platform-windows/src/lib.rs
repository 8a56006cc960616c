//! underpin's platform capabilities on Windows, over the Win32 calls of `windows-sys`.
//!
//! [`Windows`] is a zero-sized value with the traits of [`underpin_core::platform`]: memory over
//! `VirtualAlloc`, waiting over `WaitOnAddress`, threads, per-thread slots, clocks, entropy, files
//! with POSIX-like names and durability, mapped files, and stream sockets with rings over AFD and
//! completion ports. But for the sockets and rings nothing here allocates from the global
//! allocator, so an allocator can be built on it.
//!
//! # Where it ran
//! The tests run under wine, not on Windows. Each module says which of its paths wine does not have
//! and were therefore not executed. Windows 10 and newer is meant; calls that came later than 1507
//! are looked up or have a fallback.
//!
//! On other systems the crate is empty, but for the pure tables (errors, paths) in its own tests.
#![no_std]
#![cfg_attr(not(any(windows, test)), forbid(unsafe_code))]

#[cfg(windows)]
extern crate alloc;

#[cfg(any(windows, test))]
mod error;
#[cfg(any(windows, test))]
#[cfg_attr(
    not(windows),
    expect(dead_code, reason = "used where the system calls are")
)]
mod path;

#[cfg(windows)]
mod afd;
#[cfg(windows)]
mod clock;
#[cfg(windows)]
mod console;
#[cfg(windows)]
mod entropy;
#[cfg(windows)]
mod file;
#[cfg(windows)]
mod handle;
#[cfg(windows)]
mod map;
#[cfg(windows)]
mod memory;
#[cfg(windows)]
mod net;
#[cfg(windows)]
mod park;
#[cfg(windows)]
mod platform;
#[cfg(windows)]
mod reactor;
#[cfg(windows)]
mod thread;
#[cfg(windows)]
mod thread_slot;
#[cfg(windows)]
mod winsock;

#[cfg(windows)]
pub use {
    console::hear_console,
    file::File,
    map::Mapping,
    net::{Descriptor, Socket},
    reactor::{AfdPoller, AfdRing, AfdWaker},
    thread::Thread,
};

/// The Windows that this process runs on.
#[cfg(windows)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows;
