//! SIGTERM and SIGINT.
#![allow(unsafe_code, reason = "a signal handler may call few functions")]

use super::console::Failure;
use underpin::server::EventLoop;
use underpin::sys::{Files, Reactor};

/// Lets SIGTERM and SIGINT end the server in order; a second one ends it at once.
///
/// Generic, because the waker of a system without a reactor has no value and what follows it would be no code.
pub(super) fn stop_on_signals<P: Files + Reactor>(server: &EventLoop<P>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;
    use underpin::sys::RingWaker as _;
    let second = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        let cannot = |error| Failure::new(format_args!("cannot handle signal {signal}: {error}"));
        register_conditional_shutdown(signal, 2, std::sync::Arc::clone(&second)).map_err(cannot)?;
        signal_hook::flag::register(signal, std::sync::Arc::clone(&second)).map_err(cannot)?;
        let (stop, waker) = (server.stop_flag(), server.waker());
        let handler = move || {
            stop.set();
            waker.wake();
        };
        // SAFETY: the handler stores to an atomic and wakes the ring, and `RingWaker::wake` is async-signal-safe.
        unsafe { signal_hook::low_level::register(signal, handler) }.map_err(cannot)?;
    }
    Ok(())
}
