//! A Cortex-M4F image that runs the portable part of the conformance suite, the heap over given memory and the executor, and says what came of it.
//!
//! Output and exit code go through semihosting: 0 if every contract is kept, else 1. [`board`] is the platform,
//! the worked example of `PORTING.md`.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod board;
mod executor;
mod heap;

use core::fmt;
use core::panic::PanicInfo;
use cortex_m_semihosting::{debug, hprint, hprintln};
use underpin_conformance::{self as conformance, Effort, Tally};
use underpin_core::platform::absent::{NoFiles, NoNet, NoThreads};

/// The debugger's console.
struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        hprint!("{}", text);
        Ok(())
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(board) = board::start() else {
        hprintln!("the board was started before");
        finish(false);
    };
    match heap::check() {
        Ok(stats) => hprintln!(
            "heap: at most {} of {} bytes in use, all of them free again",
            stats.used_bytes_max,
            stats.total_bytes
        ),
        Err(what) => {
            hprintln!("heap: {}", what);
            finish(false);
        }
    }
    match executor::check() {
        Ok(rings) => hprintln!(
            "executor: tasks slept, ticked, joined and ended; interrupts rang {} times",
            rings
        ),
        Err(what) => {
            hprintln!("executor: {}", what);
            finish(false);
        }
    }
    let mut tally = Tally::new(Console, Effort::default().with_rounds(200));
    conformance::run_base(&board, &mut tally);
    conformance::run_threads(&NoThreads(board), &mut tally);
    conformance::run_slots(&NoThreads(board), &mut tally);
    conformance::run_files(&NoFiles(board), b"", &mut tally);
    conformance::run_map(&NoFiles(board), b"", &mut tally);
    conformance::run_net(&NoNet(board), &mut tally);
    finish(tally.close());
}

/// Ends the emulator with the exit code of a program.
fn finish(success: bool) -> ! {
    loop {
        debug::exit(if success {
            debug::EXIT_SUCCESS
        } else {
            debug::EXIT_FAILURE
        });
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    finish(false)
}
