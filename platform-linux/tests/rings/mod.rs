//! The rings that tests run over.

use underpin_core::platform::{Reactor, Ring, RingBackend, RingOptions};
use underpin_linux::{Linux, LinuxRing, io_uring_support};

/// A ring of this kind and no other.
pub(crate) fn ring_with(backend: RingBackend, mut options: RingOptions) -> LinuxRing {
    options.backend = backend;
    let ring = Linux.ring(&options).unwrap();
    assert_eq!(ring.backend(), backend);
    ring
}

/// The kinds that this system has. Says so on standard error where io_uring is not among them.
#[expect(clippy::print_stderr, reason = "what is not run is said")]
pub(crate) fn backends() -> Vec<RingBackend> {
    let mut backends = vec![RingBackend::Readiness];
    match io_uring_support() {
        Ok(()) => backends.push(RingBackend::Completion),
        Err(error) => eprintln!("NOT RUN over io_uring: {error}"),
    }
    backends
}
