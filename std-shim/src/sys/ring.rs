//! Which kind of ring this process uses.
#![forbid(unsafe_code)]

use super::{Kind, Result, RingBackend};

/// Whether rings of this kind can be made on this system.
///
/// # Errors
/// `Unsupported` if not, with the system's reason if it gave one: for io_uring an old kernel, `kernel.io_uring_disabled`, or a filter.
pub fn ring_support(backend: RingBackend) -> Result<()> {
    match backend {
        #[cfg(target_os = "linux")]
        RingBackend::Completion => underpin_linux::io_uring_support(),
        RingBackend::Usual | RingBackend::Readiness => Ok(()),
        _ => Err(super::Error::new(super::Operation::Ring, Kind::Unsupported)),
    }
}

/// The kind of ring that the environment asks for: `UNDERPIN_RING=io_uring` or `epoll`; anything else is the usual one. Where it is not to
/// be had the ring is a usual one too.
#[must_use]
pub fn ring_backend() -> RingBackend {
    let wish = std::env::var_os("UNDERPIN_RING");
    match wish.as_ref().map(|wish| wish.as_encoded_bytes()) {
        Some(b"io_uring") => RingBackend::Completion,
        Some(b"epoll") => RingBackend::Readiness,
        _ => RingBackend::Usual,
    }
}
