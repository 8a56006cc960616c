//! Each fault does what it says, and no more.
#![forbid(unsafe_code)]

use super::*;
use crate::platform::{Durability, Entropy};
use core::mem::MaybeUninit;

/// A machine with one fault at even odds.
fn faulty(seed: u64, set: impl FnOnce(&mut SimFaults)) -> Sim {
    let mut faults = SimFaults::none();
    set(&mut faults);
    Sim::new(SimOptions::new(seed).with_faults(faults))
}

#[test]
fn short_transfers_make_progress() {
    let sim = Sim::new(SimOptions::new(1).with_faults(SimFaults::legal_storm()));
    let file = create(&sim, b"/a");
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let short = (0..50)
        .filter(|_| sim.write_at(&file, &bytes, 0).unwrap() < 5000)
        .count();
    assert!(short > 10 && short < 40, "{short}");
    sim.write_all_at(&file, &bytes, 0).unwrap();
    assert_eq!(read_all(&sim, &file), bytes);
}

#[test]
fn errors_come_by_odds_and_by_order() {
    let sim = faulty(2, |faults| {
        faults.read_error_ppm = 500_000;
        faults.open_error_ppm = 500_000;
    });
    let options = OpenOptions::read_write().with_create(Create::IfMissing);
    let opened: Vec<_> = (0..20).map(|_| sim.open(b"/a", &options)).collect();
    assert!(
        opened
            .iter()
            .any(|o| matches!(o, Err(e) if e.kind() == Kind::TooManyHandles))
    );
    let file = opened.into_iter().find_map(Result::ok).unwrap();
    let read = |sim: &Sim| sim.read_at(&file, &mut [MaybeUninit::uninit(); 4], 0);
    let errors: Vec<_> = (0..20).filter_map(|_| read(&sim).err()).collect();
    assert!(!errors.is_empty() && errors.len() < 20);
    assert_eq!(errors[0].kind(), Kind::Io);
    assert_eq!(errors[0].domain(), crate::Domain::Injected);

    sim.set_faults(SimFaults::none());
    sim.fail_nth(Operation::Entropy, 2, Kind::Unsupported);
    assert!(sim.random_u64().is_ok());
    assert_eq!(sim.random_u64().unwrap_err().kind(), Kind::Unsupported);
    assert!(sim.random_u64().is_ok());
}

#[test]
fn a_failed_write_leaves_a_prefix_at_most() {
    let mut lengths = alloc::collections::BTreeSet::new();
    for seed in 0..50 {
        let sim = calm(seed);
        let file = create(&sim, b"/a");
        sim.fail_nth(Operation::WriteAt, 1, Kind::NoSpace);
        let error = sim.write_at(&file, &[5; 4], 0).unwrap_err();
        assert_eq!(error.kind(), Kind::NoSpace);
        let bytes = contents(&sim, b"/a");
        assert!(bytes.iter().all(|b| *b == 5));
        lengths.insert(bytes.len());
    }
    assert_eq!(
        lengths.len(),
        5,
        "every length from none to all: {lengths:?}"
    );
}

#[test]
fn rot_flips_one_bit_for_good() {
    let sim = calm(1);
    let file = create(&sim, b"/a");
    sim.write_all_at(&file, &[0; 100], 0).unwrap();
    sim.sync(&file, Durability::Full).unwrap();
    sim.sync_directory(b"/").unwrap();
    sim.flip_bit(b"/a", 42, 3).unwrap();
    assert_eq!(
        sim.flip_bit(b"/a", 100, 0).unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!(
        sim.flip_bit(b"/b", 0, 0).unwrap_err().kind(),
        Kind::NotFound
    );
    assert_eq!(read_all(&sim, &file)[42], 8);
    sim.power_loss();
    let bytes = contents(&sim.reboot(), b"/a");
    assert_eq!(bytes.iter().map(|b| b.count_ones()).sum::<u32>(), 1);

    let sim = faulty(3, |faults| faults.bit_rot_ppm = 1_000_000);
    let file = create(&sim, b"/a");
    sim.write_all_at(&file, &[0; 100], 0).unwrap();
    assert_eq!(
        read_all(&sim, &file)
            .iter()
            .map(|b| b.count_ones())
            .sum::<u32>(),
        1
    );
}

#[test]
fn a_misdirected_write_shows_after_the_cache_is_gone() {
    let sim = calm(5);
    let file = create(&sim, b"/a");
    sim.write_all_at(&file, &[1; 8192], 0).unwrap();
    sim.sync(&file, Durability::Full).unwrap();
    sim.sync_directory(b"/").unwrap();
    let mut faults = SimFaults::none();
    faults.misdirected_write_ppm = 1_000_000;
    sim.set_faults(faults);
    sim.write_all_at(&file, &[2; 512], 4096).unwrap();
    assert_eq!(read_all(&sim, &file)[4096], 2, "the cache has it right");
    sim.sync(&file, Durability::Full).unwrap();
    sim.power_loss();
    let bytes = contents(&sim.reboot(), b"/a");
    let at = bytes.iter().position(|b| *b == 2).unwrap();
    assert!(at != 4096 && at % 512 == 0, "{at}");
    assert_eq!(bytes.iter().filter(|b| **b == 2).count(), 512);
}
