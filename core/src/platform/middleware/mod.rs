//! Platforms around a platform: the same traits, and something that sees, counts or spoils each call.
//!
//! | type | what it does to a call |
//! |---|---|
//! | [`Traced`] | tells a function of yours before and after |
//! | [`Counting`] | counts calls, errors and bytes per operation, in [`Counters`] |
//! | [`Faulty`] | lets chosen calls fail or transfer less, by a [`FaultPlan`] |
//!
//! All three are one type, [`Layered`], with different layers; write a [`Layer`] of your own for more. Layers nest: a
//! `Counting<Faulty<P>>` counts the faults. Errors that a layer makes have the domain
//! [`Domain::Injected`](crate::Domain::Injected).
//!
//! ```text
//!   caller -> Layered { layer.before(call) -> verdict; inner call; layer.after(call, result) } -> inner platform
//! ```

mod counting;
mod faulty;
mod layered;
mod layered_base;
mod layered_files;
mod layered_net;
mod layered_threads;
mod traced;

pub use counting::{Counters, Counting, OperationCount};
pub use faulty::{FAULT_RULES_MAX, Fault, FaultPlan, Faulty, When};
pub use layered::{Call, Layer, Layered, Verdict};
pub use layered_net::LayeredRing;
pub use traced::{Phase, TraceEvent, Traced, Tracer};
