//! A bare x86-64 image that runs the portable part of the conformance suite and says what came of it.
//!
//! Booted by the PVH protocol ([`boot`]); output goes to the first serial port, and a debug device of the emulator
//! ends it with the exit code ([`port`]). [`machine`] is the platform.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod boot;
mod machine;
mod port;

use core::fmt::Write;
use core::panic::PanicInfo;
use port::{Serial, finish};
use underpin_conformance::{self as conformance, Effort, Tally};
use underpin_core::platform::absent::{NoFiles, NoNet, NoThreads};

/// What the boot code calls, once, with a stack and nothing else.
pub(crate) fn main() -> ! {
    let Some(machine) = machine::start() else {
        let _ = Serial.write_str("the machine was started before\n");
        finish(false);
    };
    let mut tally = Tally::new(Serial, Effort::default().with_rounds(200));
    conformance::run_base(&machine, &mut tally);
    conformance::run_threads(&NoThreads(machine), &mut tally);
    conformance::run_slots(&NoThreads(machine), &mut tally);
    conformance::run_files(&NoFiles(machine), b"", &mut tally);
    conformance::run_map(&NoFiles(machine), b"", &mut tally);
    conformance::run_net(&NoNet(machine), &mut tally);
    finish(tally.close());
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Serial, "{info}");
    finish(false)
}
