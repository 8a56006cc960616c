//! Lets chosen calls fail or transfer less than asked.
//!
//! A plan is a short list of rules, each for one operation. The first rule that matches a call decides. Chance is a function of
//! the seed, the rule and how often the operation was called, so the order in which *other* operations interleave changes
//! nothing.
#![forbid(unsafe_code)]

use super::layered::{Call, Layer, Layered, Verdict};
use crate::error::{Domain, Error, Kind, Operation, Result};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Rules that a plan can hold.
pub const FAULT_RULES_MAX: usize = 16;

/// A platform whose calls fail by a shared [`FaultPlan`]: a static, or an `Arc` where there is an
/// allocator.
pub type Faulty<P, F = &'static FaultPlan> = Layered<P, F>;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not made and fails with this kind.
    Fail(Kind),
    /// It transfers at most this many bytes.
    Short(usize),
}

/// Which calls of an operation a rule is for. Calls are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// This one alone.
    Nth(usize),
    /// This one and all after it.
    From(usize),
    /// Each call with a chance of so many in 65,536.
    Chance(u16),
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    operation: Operation,
    when: When,
    fault: Fault,
}

/// Which calls fail, and how.
#[derive(Debug)]
pub struct FaultPlan {
    seed: u64,
    rules: [Option<Rule>; FAULT_RULES_MAX],
    calls: [AtomicUsize; Operation::ALL.len()],
    injected: AtomicUsize,
}

impl FaultPlan {
    /// A plan without rules; `seed` decides chances.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rules: [None; FAULT_RULES_MAX],
            calls: core::array::from_fn(|_| AtomicUsize::new(0)),
            injected: AtomicUsize::new(0),
        }
    }

    /// Adds a rule.
    ///
    /// # Panics
    /// If there are [`FAULT_RULES_MAX`] already.
    #[must_use]
    pub fn with(mut self, operation: Operation, when: When, fault: Fault) -> Self {
        let free = self.rules.iter_mut().find(|rule| rule.is_none());
        let free = free.expect("a plan holds at most FAULT_RULES_MAX rules");
        *free = Some(Rule {
            operation,
            when,
            fault,
        });
        self
    }

    /// How many faults were injected so far.
    pub fn injected(&self) -> usize {
        self.injected.load(Ordering::Relaxed)
    }

    fn judge(&self, call: &Call) -> Verdict {
        let nth = self.calls[call.operation as usize].fetch_add(1, Ordering::Relaxed) + 1;
        for (index, rule) in self.rules.iter().enumerate() {
            let Some(rule) = rule else { break };
            if rule.operation == call.operation && self.matches(rule, index, nth) {
                self.injected.fetch_add(1, Ordering::Relaxed);
                return match rule.fault {
                    Fault::Fail(kind) => {
                        Verdict::Fail(Error::from_raw(call.operation, kind, Domain::Injected, 0))
                    }
                    Fault::Short(bytes) => Verdict::Short(bytes),
                };
            }
        }
        Verdict::Proceed
    }

    fn matches(&self, rule: &Rule, index: usize, nth: usize) -> bool {
        match rule.when {
            When::Always => true,
            When::Nth(n) => nth == n,
            When::From(n) => nth >= n,
            When::Chance(in_65536) => {
                let salt = ((index as u64) << 48) ^ nth as u64;
                mix(self.seed ^ mix(salt)) & 0xFFFF < u64::from(in_65536)
            }
        }
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Layer for &'static FaultPlan {
    fn before(&self, call: &Call) -> Verdict {
        self.judge(call)
    }
    fn after(&self, _call: &Call, _result: Result<u64>) {}
}

#[cfg(feature = "alloc")]
impl Layer for alloc::sync::Arc<FaultPlan> {
    fn before(&self, call: &Call) -> Verdict {
        self.judge(call)
    }
    fn after(&self, _call: &Call, _result: Result<u64>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn verdicts(plan: &FaultPlan, operation: Operation, count: usize) -> Vec<bool> {
        (0..count)
            .map(|_| plan.judge(&Call::of(operation)) != Verdict::Proceed)
            .collect()
    }

    #[test]
    fn rules_choose_calls_by_number() {
        let plan = FaultPlan::new(1)
            .with(Operation::Sync, When::Nth(2), Fault::Fail(Kind::Io))
            .with(
                Operation::Open,
                When::From(3),
                Fault::Fail(Kind::TooManyHandles),
            )
            .with(Operation::WriteAt, When::Always, Fault::Short(7));
        assert_eq!(verdicts(&plan, Operation::Sync, 3), [false, true, false]);
        assert_eq!(
            verdicts(&plan, Operation::Open, 4),
            [false, false, true, true]
        );
        assert_eq!(plan.judge(&Call::of(Operation::WriteAt)), Verdict::Short(7));
        assert_eq!(verdicts(&plan, Operation::ReadAt, 2), [false, false]);
        assert_eq!(plan.injected(), 4);
        let Verdict::Fail(error) = plan.judge(&Call::of(Operation::Open)) else {
            panic!("the fifth open fails too")
        };
        assert_eq!(
            (error.kind(), error.domain()),
            (Kind::TooManyHandles, Domain::Injected)
        );
    }

    #[test]
    fn chance_follows_the_seed_and_nothing_else() {
        let rule = |seed| {
            FaultPlan::new(seed).with(
                Operation::ReadAt,
                When::Chance(16_384),
                Fault::Fail(Kind::Io),
            )
        };
        let first = verdicts(&rule(7), Operation::ReadAt, 400);
        let with_noise = rule(7);
        let _ = verdicts(&with_noise, Operation::Sync, 50);
        assert_eq!(first, verdicts(&with_noise, Operation::ReadAt, 400));
        assert_ne!(first, verdicts(&rule(8), Operation::ReadAt, 400));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!(
            (60..140).contains(&hits),
            "about a quarter of 400, got {hits}"
        );
    }
}
