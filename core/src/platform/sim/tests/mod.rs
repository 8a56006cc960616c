//! The simulator keeps its own promises.

mod crash;
mod faults;
mod files;
mod machine;
mod net;
mod threads;

use super::*;
use crate::platform::{Create, Files, OpenOptions};
use alloc::vec;
use alloc::vec::Vec;

/// Seeds for a random test: all of `count`, or the one in `UNDERPIN_SEED`.
fn for_seeds(count: u64, check: impl Fn(u64)) {
    let seeds = match std::env::var("UNDERPIN_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("UNDERPIN_SEED is a number");
            seed..=seed
        }
        Err(_) => 0..=count - 1,
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| check(seed)));
        if let Err(panic) = run {
            std::eprintln!("UNDERPIN_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A machine where nothing is short or spurious.
fn calm(seed: u64) -> Sim {
    Sim::new(SimOptions::new(seed).with_faults(SimFaults::none()))
}

fn create(sim: &Sim, path: &[u8]) -> SimFile {
    let options = OpenOptions::read_write().with_create(Create::IfMissing);
    sim.open(path, &options).unwrap()
}

fn contents(sim: &Sim, path: &[u8]) -> Vec<u8> {
    sim.disk_snapshot().file(path).unwrap()
}

fn exists(sim: &Sim, path: &[u8]) -> bool {
    sim.metadata(path).is_ok()
}

fn names(sim: &Sim, path: &[u8]) -> Vec<Vec<u8>> {
    sim.disk_snapshot().list(path).unwrap()
}

fn read_all(sim: &Sim, file: &SimFile) -> Vec<u8> {
    let mut bytes = vec![0; sim.file_metadata(file).unwrap().bytes as usize];
    sim.read_exact_at(file, &mut bytes, 0).unwrap();
    bytes
}
