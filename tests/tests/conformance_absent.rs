//! The suite over the core's ready-made parts for what a system lacks, as a board would put them together.
#![allow(unsafe_code, reason = "a clock's implementor is a platform")]

#[path = "conformance/ledger.rs"]
mod ledger;

use core::mem::MaybeUninit;
use ledger::Ledger;
use std::sync::OnceLock;
use underpin::sys::native;
use underpin_conformance::{self as conformance, Effort};
use underpin_core::platform::absent::{
    Bundle, FixedMemory, NoEntropy, NoFiles, NoNet, NoThreads, SpinPark,
};
use underpin_core::platform::sim::Sim;
use underpin_core::platform::{Caps, Clock, ClockId, Files, Instant};

/// A clock from the standard library.
#[derive(Clone, Copy)]
struct StdClock;

impl Clock for StdClock {
    fn now(&self, id: ClockId) -> Instant {
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        match id {
            ClockId::Monotonic | ClockId::Boot => {
                let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
                Instant::ZERO.saturating_add(elapsed)
            }
            _ => Instant::ZERO,
        }
    }

    fn resolution_ns(&self, id: ClockId) -> u64 {
        u64::from(matches!(id, ClockId::Monotonic | ClockId::Boot))
    }
}

type Board = Bundle<StdClock, NoEntropy, &'static FixedMemory, SpinPark<StdClock>>;

fn board() -> Board {
    let region = Box::leak(vec![MaybeUninit::<u8>::uninit(); 4 << 20].into_boxed_slice());
    let memory: &'static FixedMemory = Box::leak(Box::new(FixedMemory::new(region, 4096)));
    Bundle::new(
        StdClock,
        NoEntropy,
        memory,
        SpinPark::new(StdClock),
        Caps::empty(),
        |message| panic!("{message}"),
    )
}

#[test]
fn ready_made_parts_keep_the_contracts() {
    let board = board();
    let mut ledger = Ledger::new("absent");
    conformance::run_base(&board, &mut ledger);
    conformance::run_threads(&NoThreads(board), &mut ledger);
    conformance::run_files(&NoFiles(board), b"", &mut ledger);
    conformance::run_map(&NoFiles(board), b"", &mut ledger);
    conformance::run_net(&NoNet(board), &mut ledger);
    conformance::run_datagrams(&NoNet(board), &mut ledger);
    conformance::run_local_sockets(&NoNet(board), b"", &mut ledger);
    ledger.settle();
    assert!(ledger.passed() > 30, "{} cases passed", ledger.passed());
}

#[test]
fn absent_parts_stack_and_keep_what_is_there() {
    let bare = NoNet(NoFiles(NoThreads(board())));
    let mut ledger = Ledger::new("absent, stacked").with_effort(Effort::default().with_rounds(100));
    conformance::run_base(&bare, &mut ledger);
    conformance::run_threads(&bare, &mut ledger);
    conformance::run_slots(&bare, &mut ledger);
    conformance::run_map(&bare, b"", &mut ledger);
    conformance::run_net(&bare, &mut ledger);
    let without_files = NoThreads(NoFiles(Sim::new(1)));
    conformance::run_net(&without_files, &mut ledger);
    let without_sockets = NoThreads(NoNet(Sim::new(1)));
    without_sockets
        .create_directory(b"/here")
        .expect("the simulator's files are still there");
    conformance::run_files(&without_sockets, b"/here", &mut ledger);
    conformance::run_map(&without_sockets, b"/here", &mut ledger);
    let threads_alone = NoNet(NoFiles(native()));
    conformance::run_threads(&threads_alone, &mut ledger);
    conformance::run_slots(&threads_alone, &mut ledger);
    ledger.settle();
    assert!(ledger.passed() > 150, "{} cases passed", ledger.passed());
}
