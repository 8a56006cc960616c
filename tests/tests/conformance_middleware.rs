//! The suite through each middleware, over the system that the tests run on and over the simulator.
//!
//! A layer that does nothing must change nothing, and one that makes every transfer as short as the contracts allow must
//! not either.

#[path = "conformance/directory.rs"]
mod directory;
#[path = "conformance/ledger.rs"]
mod ledger;

use core::sync::atomic::{AtomicUsize, Ordering};
use directory::Directory;
use ledger::Ledger;
use underpin::sys::native;
use underpin_conformance::{self as conformance, Effort};
use underpin_core::Operation;
use underpin_core::platform::middleware::{
    Counters, Counting, Fault, FaultPlan, Faulty, Phase, TraceEvent, Traced, Tracer, When,
};
use underpin_core::platform::sim::{Sim, SimOptions};
use underpin_core::platform::{Map, Reactor, ThreadSlots, Threads};

fn ledger(title: &str) -> Ledger {
    Ledger::new(title).with_effort(Effort::default().with_rounds(100))
}

/// Everything, over the native system behind a layer.
fn run_native<P: Threads + ThreadSlots + Map + Reactor>(title: &str, platform: &P) {
    let directory = Directory::new("middleware");
    let mut ledger = ledger(title);
    conformance::run_all(platform, directory.as_bytes(), &mut ledger);
    ledger.settle();
}

/// What the simulator has, behind a layer.
fn run_simulated<P: Threads + ThreadSlots + Map>(title: &str, wrap: impl Fn(Sim) -> P) {
    for seed in 0..4 {
        let machine = Sim::with_host(SimOptions::new(seed), native());
        let mut ledger = ledger(&format!("{title}, seed {seed}"));
        let platform = wrap(machine);
        conformance::run_base(&platform, &mut ledger);
        conformance::run_threads(&platform, &mut ledger);
        conformance::run_slots(&platform, &mut ledger);
        conformance::run_files(&platform, b"", &mut ledger);
        conformance::run_files_with_threads(&platform, b"", &mut ledger);
        conformance::run_map(&platform, b"", &mut ledger);
        ledger.settle();
    }
}

static BEFORE: AtomicUsize = AtomicUsize::new(0);
static AFTER: AtomicUsize = AtomicUsize::new(0);

fn count_event(event: &TraceEvent) {
    match event.phase {
        Phase::Before => BEFORE.fetch_add(1, Ordering::Relaxed),
        Phase::After(_) => AFTER.fetch_add(1, Ordering::Relaxed),
    };
}

#[test]
fn traced_platforms_keep_the_contracts() {
    run_native(
        "traced native",
        &Traced::new(native(), Tracer::new(count_event)),
    );
    run_simulated("traced simulator", |sim| {
        Traced::new(sim, Tracer::new(count_event))
    });
    let (before, after) = (
        BEFORE.load(Ordering::Relaxed),
        AFTER.load(Ordering::Relaxed),
    );
    assert!(before > 10_000, "{before} calls traced");
    assert_eq!(before, after, "each call is told before and after");
}

#[test]
fn counted_platforms_keep_the_contracts() {
    let counters: &'static Counters = Box::leak(Box::default());
    run_native("counted native", &Counting::new(native(), counters));
    run_simulated("counted simulator", |sim| Counting::new(sim, counters));
    for operation in [
        Operation::Reserve,
        Operation::Open,
        Operation::ReadAt,
        Operation::Spawn,
    ] {
        let count = counters.get(operation);
        assert!(count.calls > 0, "{}: {count:?}", operation.name());
    }
}

/// A plan that lasts as long as the test.
fn plan(rules: &[(Operation, Fault)]) -> &'static FaultPlan {
    let plan = rules
        .iter()
        .fold(FaultPlan::new(1), |plan, (operation, fault)| {
            plan.with(*operation, When::Always, *fault)
        });
    Box::leak(Box::new(plan))
}

#[test]
fn faulty_platforms_without_faults_keep_the_contracts() {
    run_native("faulty native", &Faulty::new(native(), plan(&[])));
    run_simulated("faulty simulator", |sim| Faulty::new(sim, plan(&[])));
}

#[test]
fn short_transfers_keep_the_contracts() {
    let rules = [
        (Operation::ReadAt, Fault::Short(7)),
        (Operation::WriteAt, Fault::Short(5)),
        (Operation::Receive, Fault::Short(3)),
        (Operation::Send, Fault::Short(11)),
    ];
    let plan = plan(&rules);
    run_native("short native", &Faulty::new(native(), plan));
    run_simulated("short simulator", |sim| Faulty::new(sim, plan));
    assert!(plan.injected() > 1_000, "{} transfers cut", plan.injected());
}
