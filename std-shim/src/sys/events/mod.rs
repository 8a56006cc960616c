//! What the runtime hears from a system besides sockets: children and signals. Empty where it hears of none yet.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod process;
#[cfg(all(target_os = "linux", feature = "signals"))]
pub mod signal;
#[cfg(all(windows, feature = "signals"))]
#[path = "console.rs"]
pub mod signal;
#[cfg(target_os = "linux")]
mod watched;
