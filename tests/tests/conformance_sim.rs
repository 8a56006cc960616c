//! The suite over the simulator: each capability on machines of several seeds, once with legal nuisances at even odds
//! (short reads and writes, spurious wakes), and with threads whose stacks the host lends.

#[path = "conformance/ledger.rs"]
mod ledger;

use ledger::Ledger;
use underpin::sys::native;
use underpin_conformance as conformance;
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_tests::seeds;

/// Machines for each test unless `UNDERPIN_SEEDS` says another number.
const SEEDS: u64 = 200;

/// Machines of many seeds, the odd ones in a storm.
fn machines(title: &str, run: impl Fn(&Sim, &mut Ledger)) {
    let count = std::env::var("UNDERPIN_SEEDS").map_or(SEEDS, |text| {
        text.parse().expect("UNDERPIN_SEEDS is a number")
    });
    seeds::check(count, |seed| {
        let mut options = SimOptions::new(seed);
        if seed % 2 == 1 {
            options = options.with_faults(SimFaults::legal_storm());
        }
        let sim = Sim::with_host(options, native());
        let effort = conformance::Effort::default()
            .with_rounds(40)
            .with_seed(seed);
        let mut ledger =
            Ledger::new(format!("simulator, {title}, seed {seed}")).with_effort(effort);
        run(&sim, &mut ledger);
        assert_eq!(ledger.failures(), [""; 0], "{}", sim.report());
        assert!(ledger.passed() > 0);
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}

#[test]
fn base_keeps_the_contracts() {
    machines("base", |sim, ledger| conformance::run_base(sim, ledger));
}

#[test]
fn threads_keep_the_contracts() {
    machines("threads", |sim, ledger| {
        conformance::run_threads(sim, ledger)
    });
}

#[test]
fn thread_slots_keep_the_contracts() {
    machines("slots", |sim, ledger| conformance::run_slots(sim, ledger));
}

#[test]
fn files_keep_the_contracts() {
    machines("files", |sim, ledger| {
        conformance::run_files(sim, b"/", ledger)
    });
}

#[test]
fn files_keep_the_contracts_with_threads() {
    machines("files with threads", |sim, ledger| {
        conformance::run_files_with_threads(sim, b"/", ledger);
    });
}

#[test]
fn mappings_keep_the_contracts() {
    machines("map", |sim, ledger| conformance::run_map(sim, b"/", ledger));
}

#[test]
fn sockets_and_reactor_keep_the_contracts() {
    machines("net", |sim, ledger| conformance::run_net(sim, ledger));
}

#[test]
fn reactor_keeps_the_contracts_with_threads() {
    machines("net with threads", |sim, ledger| {
        conformance::run_net_with_threads(sim, ledger);
    });
}
