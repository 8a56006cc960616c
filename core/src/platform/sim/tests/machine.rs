//! Determinism, clocks, memory and waiting on one thread.

use super::*;
use crate::platform::{Clock, ClockId, Entropy, Instant, Memory, Park, Threads, Woken};
use crate::sync::atomic::AtomicU32;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::catch_unwind;

/// A bit of everything; what it saw.
fn workload(sim: &Sim) -> Vec<u64> {
    let mut saw = vec![sim.random_u64().unwrap()];
    for n in 0..20 {
        let file = create(sim, &[b'a' + n % 5]);
        sim.write_all_at(
            &file,
            &sim.random_u64().unwrap().to_le_bytes(),
            u64::from(n),
        )
        .unwrap();
        let _synced = sim.sync(&file, crate::platform::Durability::Full);
        saw.push(sim.now(ClockId::Monotonic).as_ns());
    }
    let word = AtomicU32::new(0);
    let until = sim
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_secs(1));
    while sim.wait(&word, 0, Some(until)) != Woken::TimedOut {}
    saw.push(sim.now(ClockId::Real).as_ns());
    saw
}

#[test]
fn one_seed_is_one_run_and_two_seeds_are_two() {
    let mut hashes = alloc::collections::BTreeSet::new();
    for seed in 0..20 {
        let (a, b) = (Sim::new(seed), Sim::new(seed));
        assert_eq!(workload(&a), workload(&b));
        assert_eq!(a.trace_hash(), b.trace_hash());
        assert_eq!(a.report(), b.report());
        hashes.insert(a.trace_hash());
    }
    assert_eq!(hashes.len(), 20);
}

#[test]
fn the_trace_is_the_same_on_every_host_and_build() {
    let sim = Sim::new(7);
    workload(&sim);
    assert_eq!(sim.trace_hash(), GOLDEN, "{:016x}", sim.trace_hash());
}

/// The trace of the workload for seed 7. Changes with the simulator, never with the host.
const GOLDEN: u64 = 0xd878_df60_b1dd_0e95;

#[test]
fn time_moves_with_calls_and_jumps_over_waits() {
    let sim = calm(1);
    let (a, b) = (sim.now(ClockId::Monotonic), sim.now(ClockId::Monotonic));
    assert!(b > a && b.saturating_duration_since(a) < Duration::from_micros(1));
    let day = b.saturating_add(Duration::from_secs(86_400));
    let word = AtomicU32::new(0);
    assert_eq!(sim.wait(&word, 1, Some(day)), Woken::Changed);
    assert_eq!(sim.wait(&word, 0, Some(day)), Woken::TimedOut);
    assert!(sim.now(ClockId::Monotonic) >= day);
    assert_eq!(sim.wait(&word, 0, Some(Instant::ZERO)), Woken::TimedOut);
    let real = sim.now(ClockId::Real).as_ns() - sim.now(ClockId::Monotonic).as_ns();
    assert!(real <= SimOptions::default().real_base_ns);
}

#[test]
fn waiting_for_nobody_is_reported_as_a_deadlock() {
    let sim = calm(4);
    let panic = catch_unwind(AssertUnwindSafe(|| sim.wait(&AtomicU32::new(0), 0, None)));
    let panic = panic.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("deadlock"), "{message}");
    assert!(message.contains("UNDERPIN_SEED=4"), "{message}");
    assert!(
        message.contains("thread 1 (\"main\"): waits on a word"),
        "{message}"
    );
}

#[test]
fn a_program_that_ignores_power_loss_is_stopped() {
    let sim = calm(4);
    sim.power_loss();
    let end = sim
        .now(ClockId::Monotonic)
        .saturating_add(Duration::from_secs(1));
    while sim.now(ClockId::Monotonic) < end {}
    let word = AtomicU32::new(0);
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        loop {
            assert_eq!(sim.wait(&word, 0, None), Woken::Woken);
        }
    }));
    assert!(stopped.is_err());
}

#[test]
fn fatal_names_the_seed() {
    let sim = calm(99);
    let panic = catch_unwind(AssertUnwindSafe(|| sim.fatal("broken"))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("broken") && message.contains("UNDERPIN_SEED=99"));
}

#[test]
#[allow(unsafe_code, reason = "memory is raw")]
fn memory_is_zeroed_bounded_checked_and_tracked() {
    let mut options = SimOptions::new(1);
    options.memory_bytes = 16 * 4096;
    options.poison_decommitted = true;
    let sim = Sim::new(options);
    let kind = |result: Result<core::ptr::NonNull<u8>>| result.unwrap_err().kind();
    assert_eq!(kind(sim.reserve(0, 1)), Kind::InvalidInput);
    assert_eq!(
        kind(sim.reserve(4096, 1)),
        Kind::InvalidInput,
        "not a granule"
    );
    assert_eq!(kind(sim.reserve(65_536, 3)), Kind::InvalidInput);
    assert_eq!(
        kind(sim.reserve(isize::MAX as usize & !0xffff, 1)),
        Kind::OutOfMemory
    );
    let at = sim.reserve(2 * 65_536, 1 << 20).unwrap();
    assert_eq!(at.addr().get() % (1 << 20), 0);
    // SAFETY: calls that break the contract are refused before they touch memory; the others keep to it.
    unsafe {
        let page = |n: usize| at.add(n * 4096);
        sim.commit(page(1), 8192).unwrap();
        assert_eq!(page(2).read(), 0);
        page(2).write(7);
        sim.commit(at, 16_384).unwrap();
        assert_eq!(page(2).read(), 7, "committing again changes nothing");
        sim.decommit(page(2), 4096).unwrap();
        assert_eq!(page(2).read(), POISON);
        sim.commit(page(2), 4096).unwrap();
        assert_eq!(page(2).read(), 0);
        for (wrong, bytes) in [(at.add(1), 4096), (at, 0), (at, 100), (page(31), 8192)] {
            assert_eq!(
                sim.commit(wrong, bytes).unwrap_err().kind(),
                Kind::InvalidInput
            );
        }
        assert_eq!(
            sim.commit(at, 65_536 + 4096).unwrap_err().kind(),
            Kind::OutOfMemory
        );
        assert_eq!(
            sim.release(at, 65_536).unwrap_err().kind(),
            Kind::InvalidInput
        );
        assert_eq!(sim.leaks().reserved_bytes, 2 * 65_536);
        sim.power_loss();
        sim.release(at, 2 * 65_536).unwrap();
    }
    assert!(sim.leaks().is_empty());
}

#[test]
#[allow(unsafe_code, reason = "spawning is unsafe")]
fn without_a_host_there_are_no_threads() {
    unsafe extern "C" fn nothing(_: *mut u8) {}
    let sim = calm(1);
    assert!(!sim.caps().contains(Caps::THREADS));
    // SAFETY: the entry does nothing.
    let spawned = unsafe { sim.spawn(&Default::default(), nothing, core::ptr::null_mut()) };
    assert_eq!(spawned.unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(sim.thread_id(), 1);
    sim.yield_now();
}

#[test]
fn check_seeds_stops_at_the_first_failure() {
    let failure = check_seeds(
        0..100,
        |sim| if sim.seed() == 13 { Err("bad") } else { Ok(()) },
    );
    let failure = failure.unwrap_err();
    assert_eq!(failure.seed, 13);
    assert!(alloc::format!("{failure}").starts_with("UNDERPIN_SEED=13: bad"));
}
