//! The suite against platforms that break one contract each: the case for it must fail.
#![allow(unsafe_code, reason = "implements the traits of a platform, wrongly")]

#[path = "conformance/directory.rs"]
mod directory;
#[path = "conformance/ledger.rs"]
mod ledger;

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use directory::Directory;
use ledger::Ledger;
use underpin::sys::{Native, native};
use underpin_conformance::{self as conformance, Effort};
use underpin_core::platform::middleware::{Fault, FaultPlan, Faulty, When};
use underpin_core::platform::{
    Caps, Clock, ClockId, Entropy, Instant, Memory, MemoryInfo, Park, Platform, Woken,
};
use underpin_core::{Kind, Operation, Result};

/// What is wrong with the platform.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    Nothing,
    ClockStepsBack,
    ClockStandsStill,
    FillsHalf,
    SameRandomNumber,
    MemoryNotZeroedAgain,
    SecondCommitClears,
    IgnoresAlignment,
    TakesAnySize,
    DeadlineEarly,
    WakesNobodyAndCountsOne,
    ReportsNoChange,
    ForgetsCaps,
}

/// The native platform with a flaw.
#[derive(Clone, Copy)]
struct Broken(Flaw);

impl Broken {
    fn is(self, flaw: Flaw) -> bool {
        self.0 == flaw
    }
}

impl Clock for Broken {
    fn now(&self, id: ClockId) -> Instant {
        static READS: AtomicU64 = AtomicU64::new(0);
        let now = native().now(id);
        let every_hundredth = READS.fetch_add(1, Ordering::Relaxed).is_multiple_of(100);
        if self.is(Flaw::ClockStepsBack) && every_hundredth && id == ClockId::Monotonic {
            return Instant::from_ns(now.as_ns().saturating_sub(1_000_000));
        }
        if self.is(Flaw::ClockStandsStill) && id == ClockId::Boot {
            return Instant::from_ns(1);
        }
        now
    }
    fn resolution_ns(&self, id: ClockId) -> u64 {
        native().resolution_ns(id)
    }
}

// SAFETY: what it says it filled was initialised before by the native platform.
unsafe impl Entropy for Broken {
    fn fill(&self, bytes: &mut [MaybeUninit<u8>]) -> Result<()> {
        native().fill(bytes)?;
        let kept = match self.0 {
            Flaw::FillsHalf => bytes.len() / 2,
            Flaw::SameRandomNumber => 0,
            _ => bytes.len(),
        };
        bytes[kept..].fill(MaybeUninit::new(7));
        Ok(())
    }
}

// SAFETY: memory is the native platform's; the flaws break what callers may expect of its bytes, not its safety.
unsafe impl Memory for Broken {
    fn memory_info(&self) -> MemoryInfo {
        native().memory_info()
    }
    fn reserve(&self, bytes: usize, align: usize) -> Result<NonNull<u8>> {
        let granularity = native().memory_info().granularity_bytes;
        match self.0 {
            Flaw::IgnoresAlignment if align.is_power_of_two() => native().reserve(bytes, 1),
            Flaw::TakesAnySize if bytes < 1 << 40 => {
                native().reserve(bytes.max(1).next_multiple_of(granularity), align)
            }
            _ => native().reserve(bytes, align),
        }
    }
    unsafe fn commit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { native().commit(at, bytes)? };
        if self.is(Flaw::SecondCommitClears) {
            // SAFETY: the range was just committed.
            unsafe { at.write_bytes(0, bytes) };
        }
        Ok(())
    }
    unsafe fn decommit(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        if self.is(Flaw::MemoryNotZeroedAgain) {
            return Ok(());
        }
        // SAFETY: the caller's promise.
        unsafe { native().decommit(at, bytes) }
    }
    unsafe fn release(&self, at: NonNull<u8>, bytes: usize) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { native().release(at, bytes) }
    }
}

impl Park for Broken {
    fn wait(&self, word: &AtomicU32, expected: u32, until: Option<Instant>) -> Woken {
        match (self.0, until) {
            (Flaw::DeadlineEarly, Some(until)) if until.as_ns() > 1_000_000 => {
                let early = Instant::from_ns(until.as_ns() - 500_000);
                native().wait(word, expected, Some(early))
            }
            (Flaw::ReportsNoChange, _) if word.load(Ordering::Acquire) != expected => Woken::Woken,
            _ => native().wait(word, expected, until),
        }
    }
    fn wake(&self, word: *const AtomicU32, count: u32) -> u32 {
        let woken = native().wake(word, count);
        if self.is(Flaw::WakesNobodyAndCountsOne) {
            1
        } else {
            woken
        }
    }
}

impl Platform for Broken {
    const NAME: &'static str = "broken";
    fn caps(&self) -> Caps {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        // Protection and hints are not passed on.
        let caps = native().caps().difference(Caps::PROTECT | Caps::HUGE_PAGES);
        if self.is(Flaw::ForgetsCaps) && CALLS.fetch_add(1, Ordering::Relaxed) > 0 {
            return Caps::empty();
        }
        caps
    }
    fn fatal(&self, message: &str) -> ! {
        native().fatal(message)
    }
}

/// Runs the base and gives back what failed.
fn base(flaw: Flaw) -> Ledger {
    let effort = Effort::default().with_rounds(50);
    let mut ledger = Ledger::new(format!("{flaw:?}")).with_effort(effort);
    conformance::run_base(&Broken(flaw), &mut ledger);
    ledger
}

fn assert_fails(ledger: &Ledger, case: &str, flaw: &str) {
    let line = format!("  {case}: ");
    assert!(
        ledger
            .failures()
            .iter()
            .any(|failure| failure.starts_with(&line)),
        "{flaw} passes {case}; failures: {:?}",
        ledger.failures()
    );
}

#[test]
fn base_without_a_flaw_passes() {
    base(Flaw::Nothing).settle();
}

#[test]
fn each_flaw_of_the_base_is_seen() {
    let flaws = [
        (Flaw::ClockStepsBack, "clock::monotonic_never_steps_back"),
        (Flaw::ClockStandsStill, "clock::boot_is_monotonic"),
        (Flaw::FillsHalf, "entropy::fills_the_whole_buffer"),
        (Flaw::SameRandomNumber, "entropy::two_fills_differ"),
        (
            Flaw::MemoryNotZeroedAgain,
            "memory::recommitted_memory_reads_zero",
        ),
        (
            Flaw::SecondCommitClears,
            "memory::committing_again_changes_nothing",
        ),
        (Flaw::IgnoresAlignment, "memory::reservation_is_aligned"),
        (
            Flaw::TakesAnySize,
            "memory::reservation_of_odd_size_is_refused",
        ),
        (Flaw::DeadlineEarly, "park::deadline_is_never_early"),
        (
            Flaw::WakesNobodyAndCountsOne,
            "park::wake_of_nobody_counts_nobody",
        ),
        (Flaw::ReportsNoChange, "park::changed_word_returns_at_once"),
        (
            Flaw::ForgetsCaps,
            "platform::caps_are_the_same_at_every_call",
        ),
    ];
    for (flaw, case) in flaws {
        assert_fails(&base(flaw), case, &format!("{flaw:?}"));
    }
}

/// The native platform on which one operation always fails.
fn failing(operation: Operation, kind: Kind) -> Faulty<Native> {
    let plan = FaultPlan::new(1).with(operation, When::Always, Fault::Fail(kind));
    Faulty::new(native(), Box::leak(Box::new(plan)))
}

#[test]
fn each_failing_operation_is_seen() {
    let failures = [
        (Operation::SetLength, "file::length::set_length_cuts"),
        (
            Operation::Sync,
            "file::durable::sync_reaches_the_level_or_a_stronger_one",
        ),
        (Operation::Rename, "file::name::rename_moves_the_name"),
        (
            Operation::List,
            "file::directory::list_sees_every_entry_once",
        ),
        (
            Operation::RemoveFile,
            "file::name::remove_file_removes_the_name",
        ),
        (Operation::Append, "file::append::append_goes_to_the_end"),
        (Operation::Close, "file::open::close_reports_success"),
    ];
    for (operation, case) in failures {
        let directory = Directory::new("broken");
        let mut ledger =
            Ledger::new(operation.name()).with_effort(Effort::default().with_rounds(20));
        conformance::run_files(
            &failing(operation, Kind::Io),
            directory.as_bytes(),
            &mut ledger,
        );
        assert_fails(&ledger, case, operation.name());
    }
}
