//! The legs, in the order in which they run: cheap and telling ones first.

mod bare;
mod checkers;
mod host;

use super::leg::{How, Leg};
use super::need::Need;
use super::rig::DEBIAN_RUST;

/// Every leg.
pub(super) const LEGS: &[Leg] = &[
    Leg {
        name: "fmt",
        proves: "one formatting",
        how: How::Native,
        quick: true,
        needs: &[],
        limit_s: 60,
        run: host::fmt,
    },
    Leg {
        name: "clippy",
        proves: "no lint of the workspace's list, in any package or target",
        how: How::CompiledOnly,
        quick: true,
        needs: &[],
        limit_s: 600,
        run: host::clippy,
    },
    Leg {
        name: "tidy",
        proves: "the architecture's rules hold",
        how: How::Native,
        quick: true,
        needs: &[],
        limit_s: 60,
        run: host::tidy,
    },
    Leg {
        name: "unit",
        proves: "unit, model and documentation tests of every package",
        how: How::Native,
        quick: true,
        needs: &[],
        limit_s: 900,
        run: host::unit,
    },
    Leg {
        name: "loom",
        proves: "the core's locks and queues under every order of memory operations",
        how: How::Simulated,
        quick: false,
        needs: &[],
        limit_s: 600,
        run: checkers::loom,
    },
    Leg {
        name: "core-thumbv7em",
        proves: "the core builds for a Cortex-M4F, with and without an allocator",
        how: How::CompiledOnly,
        quick: false,
        needs: &[DEBIAN_RUST],
        limit_s: 300,
        run: bare::core_thumbv7em,
    },
    Leg {
        name: "core-x86_64-none",
        proves: "the core builds for x86-64 without a system, with and without an allocator",
        how: How::CompiledOnly,
        quick: false,
        needs: &[DEBIAN_RUST],
        limit_s: 300,
        run: bare::core_x86_64,
    },
    Leg {
        name: "asan",
        proves: "no memory error that the address sanitizer sees in core's and Linux's tests",
        how: How::Native,
        quick: false,
        needs: &[Need::Nightly],
        limit_s: 600,
        run: checkers::asan,
    },
    Leg {
        name: "deny",
        proves: "licences, sources and duplicate versions of every dependency",
        how: How::Native,
        quick: false,
        needs: &[Need::CargoTool("cargo-deny")],
        limit_s: 120,
        run: checkers::deny,
    },
];
