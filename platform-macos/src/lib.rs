//! underpin's platform capabilities on macOS, over libSystem: its functions are the system's stable interface, its
//! system calls are not.
//!
//! [`Macos`] is the whole of it: a value of no size that implements the traits of [`underpin_core::platform`]. Each
//! file is one capability; the oddities of the system that shaped it stand under "Quirks" at its head, with
//! their source. What newer systems add is looked up by name at run time (`symbol`), so one binary serves all.
//!
//! | capability | by |
//! |---|---|
//! | `Clock` | `clock_gettime_nsec_np` |
//! | `Entropy` | `getentropy` |
//! | `Memory` | `mmap`, `mprotect` |
//! | `Park` | `os_sync_wait_on_address` (macOS 14.4), else `wait_table` over pthreads |
//! | `Threads`, `ThreadSlots` | pthreads; no affinity |
//! | `Files`, `Map` | descriptors, `F_FULLFSYNC`, `F_BARRIERFSYNC`, `F_PREALLOCATE`, `F_PUNCHHOLE`, `flock` |
//! | `Net`, `Reactor` | non-blocking sockets, `kqueue` |
//!
//! On other systems the crate is empty, except for the tests of what does not need the system.
#![no_std]

#[cfg(any(target_os = "macos", test))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(any(target_os = "macos", test))]
mod abi;
#[cfg(any(target_os = "macos", test))]
mod durability;
#[cfg(any(target_os = "macos", test))]
mod error;
#[cfg(any(target_os = "macos", test))]
mod extent;
#[cfg(any(target_os = "macos", test))]
mod path;
#[cfg(any(target_os = "macos", test))]
mod wait_table;

#[cfg(target_os = "macos")]
mod clock;
#[cfg(target_os = "macos")]
mod descriptor;
#[cfg(target_os = "macos")]
mod entropy;
#[cfg(target_os = "macos")]
mod file;
#[cfg(target_os = "macos")]
mod map;
#[cfg(target_os = "macos")]
mod memory;
#[cfg(target_os = "macos")]
mod net;
#[cfg(target_os = "macos")]
mod park;
#[cfg(target_os = "macos")]
mod reactor;
#[cfg(target_os = "macos")]
mod socket_address;
#[cfg(target_os = "macos")]
mod symbol;
#[cfg(target_os = "macos")]
mod thread;
#[cfg(target_os = "macos")]
mod thread_slot;

#[cfg(target_os = "macos")]
mod platform;

#[cfg(target_os = "macos")]
pub use file::File;
#[cfg(target_os = "macos")]
pub use map::Mapping;
#[cfg(target_os = "macos")]
pub use net::{Descriptor, Socket};
#[cfg(target_os = "macos")]
pub use platform::Macos;
#[cfg(target_os = "macos")]
pub use reactor::{KqueuePoller, KqueueRing, KqueueWaker};
#[cfg(target_os = "macos")]
pub use thread::Thread;
