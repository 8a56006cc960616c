//! The platform that this program runs on: [`Native`], the seam's traits, and the way to `std`'s types.
//!
//! This is the only place in the project that asks which system it is on.
//!
//! ```
//! use underpin::sys::{Clock, ClockId, Files, ResultExt, native, path_bytes};
//!
//! # fn main() -> std::io::Result<()> {
//! let start = native().now(ClockId::Monotonic);
//! let path = std::env::current_exe()?;
//! let bytes = native().metadata(path_bytes(&path)).into_io()?.bytes;
//! assert!(bytes > 0);
//! assert!(native().now(ClockId::Monotonic) >= start);
//! # Ok(())
//! # }
//! ```

pub(crate) mod events;
mod file_facts;
mod handle_limit;
mod io_error;
#[cfg(feature = "grep")]
pub(crate) mod listing;
pub(crate) mod open_file;
mod path;
pub(crate) mod process;
mod ring;
#[cfg(all(target_os = "linux", target_feature = "crt-static"))]
mod static_libc;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod thread_words;

#[cfg(feature = "grep")]
pub(crate) use file_facts::read;
pub use file_facts::{file_identity, read_at, stdin_is_readable, stdout_identity};
pub use handle_limit::{handle_limit, raise_handle_limit};
pub use io_error::{ResultExt, io_error};
pub use path::{path_bytes, path_from_bytes};
pub use process::exec_preloaded;
pub use ring::{ring_backend, ring_support};
pub use underpin_core::platform::*;
pub use underpin_core::{Domain, Error, Kind, Operation, Result};

/// The platform of this program.
#[cfg(target_os = "linux")]
pub type Native = underpin_linux::Linux;
/// The platform of this program.
#[cfg(target_vendor = "apple")]
pub type Native = underpin_macos::Macos;
/// The platform of this program.
#[cfg(windows)]
pub type Native = underpin_windows::Windows;

/// The platform of this program, as the value that the core's types want.
#[must_use]
pub const fn native() -> Native {
    #[cfg(target_os = "linux")]
    return underpin_linux::Linux;
    #[cfg(target_vendor = "apple")]
    return underpin_macos::Macos;
    #[cfg(windows)]
    return underpin_windows::Windows;
}
