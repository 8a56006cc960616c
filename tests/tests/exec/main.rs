//! The executor over real sockets and over the simulator's: the same tests for both, and for both kinds of ring.

extern crate alloc;

mod calls;
mod cancel;
mod contract;
mod echo;
mod interop;
mod load;
mod seeds;
#[cfg(target_os = "linux")]
mod short;

use core::cell::Cell;
use core::net::{Ipv4Addr, SocketAddr};
use underpin::rt::ThreadHost;
use underpin::sys::{Caps, ListenOptions, Native, Platform, native, ring_support};
use underpin_core::exec::net::{TcpListener, TcpStream};
use underpin_core::exec::{Executor, Handle};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{Reactor, RingBackend};

type Listener<P> = TcpListener<P, ThreadHost>;
type Stream<P> = TcpStream<P, ThreadHost>;
type TestHandle<P> = Handle<P, ThreadHost>;
type TestExecutor<P> = Executor<P, ThreadHost>;

/// This system, if it has sockets.
fn system() -> Option<Native> {
    let found = native().caps().contains(Caps::NET | Caps::REACTOR);
    found.then(native)
}

/// A simulated machine; odd seeds have short reads and writes and spurious wakes.
fn machine(seed: u64) -> Sim {
    let options = SimOptions::new(seed);
    Sim::new(if seed % 2 == 1 {
        options.with_faults(SimFaults::legal_storm())
    } else {
        options
    })
}

/// Defines one test of `body` on this system, one over the other kind of ring if it has one, and one on simulated machines.
macro_rules! on_both {
    ($($name:ident,)*) => {$(
        mod $name {
            #[test]
            fn system() {
                if let Some(platform) = crate::system() {
                    super::$name(platform);
                }
            }

            #[test]
            fn completions() {
                crate::with_completions(super::$name);
            }

            #[test]
            fn simulated() {
                for seed in 0..20 {
                    super::$name(crate::machine(seed));
                }
            }
        }
    )*};
}
pub(crate) use on_both;

std::thread_local! {
    /// The kind of ring that this test's executors have.
    static BACKEND: Cell<RingBackend> = const { Cell::new(RingBackend::Usual) };
}

/// Runs a test over rings of completions, or says why it does not.
#[expect(clippy::print_stderr, reason = "what is not run is said")]
fn with_completions(test: fn(Native)) {
    match ring_support(RingBackend::Completion) {
        Ok(()) => {
            BACKEND.set(RingBackend::Completion);
            test(native());
        }
        Err(error) => eprintln!("NOT RUN: rings of completions: {error}"),
    }
}

fn executor<P: Reactor>(platform: P) -> TestExecutor<P> {
    Executor::with_ring(platform, BACKEND.get()).expect("a ring")
}

/// A listener on the loopback interface, and where it is.
fn listen<P: Reactor>(handle: &TestHandle<P>) -> (Listener<P>, SocketAddr) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(handle, &any, &ListenOptions::default()).expect("a port");
    let address = listener.local_address().expect("an address");
    (listener, address)
}

/// Both ends of a connection.
async fn pair<P: Reactor>(handle: &TestHandle<P>) -> (Stream<P>, Stream<P>) {
    let (mut listener, address) = listen(handle);
    let connecting = handle.spawn({
        let handle = handle.clone();
        async move { TcpStream::connect(&handle, address).await }
    });
    let (accepted, _) = listener.accept().await.expect("accepted");
    let connected = connecting.await.expect("no panic").expect("connected");
    (accepted, connected)
}

/// Bytes that tell where they are.
fn pattern(start: usize, count: usize) -> Vec<u8> {
    (start..start + count)
        .map(|i| (i * 31 + i / 251) as u8)
        .collect()
}
