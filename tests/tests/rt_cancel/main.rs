//! Every operation of `underpin::rt`, over each kind of ring, dropped at every await point: what it waited for is not lost, and
//! nothing of it stays open.
//!
//! Not here: [`read_exact`](underpin::rt::net::TcpStream::read_exact) and the other loops, which say that they may have moved a part; the
//! process's own standard streams.

mod drops;
mod files;
mod streams;
#[cfg(target_os = "linux")]
mod system;
mod waits;

use core::time::Duration;
use underpin::rt::{self, Runtime};
use underpin::sys::{RingBackend, ring_support};

/// All in one, so that no other test opens files meanwhile.
#[test]
fn nothing_is_lost_and_nothing_stays_open() {
    for backend in [RingBackend::Readiness, RingBackend::Completion] {
        if let Err(error) = ring_support(backend) {
            eprintln!("NOT RUN: {backend:?}: {error}");
            continue;
        }
        let runtime = Runtime::with_ring(backend).expect("a runtime");
        runtime.block_on(async {
            // What is made once for the process is made before anything is counted.
            #[cfg(target_os = "linux")]
            system::all().await;
            // What was dropped there and is not answered yet keeps descriptors that are not to be counted.
            idle().await;
            let before = open_files();
            streams::all().await;
            files::all(backend).await;
            waits::all().await;
            #[cfg(target_os = "linux")]
            system::all().await;
            settled(before).await;
        });
        assert_eq!(runtime.handle().metrics().operations, 0, "{backend:?}");
    }
}

/// How often to look, a millisecond apart: what was dropped goes with the system's answer, which a loaded machine may take long to give.
const LOOKS: usize = 20_000;

/// Waits until no operation is under way.
async fn idle() {
    for _ in 0..LOOKS {
        if rt::handle().metrics().operations == 0 {
            return;
        }
        rt::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} operations", rt::handle().metrics().operations);
}

/// Waits until no operation is under way and as many files are open as before.
async fn settled(before: Option<usize>) {
    for _ in 0..LOOKS {
        if rt::handle().metrics().operations == 0 && open_files() == before {
            return;
        }
        rt::sleep(Duration::from_millis(1)).await;
    }
    let operations = rt::handle().metrics().operations;
    panic!(
        "{operations} operations, {:?} open files, {before:?} before",
        open_files()
    );
}

/// How many descriptors this process has, where the system tells.
fn open_files() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}
