//! Every fixed bound of the core in one place, each with its reason.
#![forbid(unsafe_code)]

/// Longest path, in bytes, that the seam accepts. Linux's `PATH_MAX` is the smallest of the
/// three systems' real limits that programs run into.
pub const PATH_BYTES_MAX: usize = 4096;

/// Longest thread name, in bytes, that every system keeps whole. Linux keeps 15 and a NUL; longer
/// names are cut at a character boundary, never refused.
pub const THREAD_NAME_BYTES_MAX: usize = 15;

/// Processors that a [`CpuSet`](crate::platform::CpuSet) can name.
pub const CPUS_MAX: usize = 1024;

/// Completions that one [`Ring::wait`](crate::platform::Ring::wait) returns at most, so that a busy
/// reactor cannot starve its caller.
pub const RING_COMPLETIONS_MAX: usize = 256;
