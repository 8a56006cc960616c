//! What a power loss may and may not do.
#![forbid(unsafe_code)]

use super::*;
use crate::platform::Durability;
use alloc::collections::BTreeSet;

/// A machine whose `/a` holds `synced` durably.
fn with_synced(seed: u64, synced: &[u8]) -> (Sim, SimFile) {
    let sim = calm(seed);
    let file = create(&sim, b"/a");
    sim.write_all_at(&file, synced, 0).unwrap();
    sim.sync(&file, Durability::Data).unwrap();
    sim.sync_directory(b"/").unwrap();
    (sim, file)
}

#[test]
fn synced_bytes_survive_and_unsynced_ones_sometimes_do() {
    let mut outcomes = BTreeSet::new();
    for_seeds(300, |seed| {
        let (sim, file) = with_synced(seed, &[1; 3000]);
        sim.write_all_at(&file, &[2; 100], 3000).unwrap();
        sim.power_loss();
        assert_eq!(contents(&sim.reboot(), b"/a")[..3000], [1; 3000]);
    });
    for seed in 0..300 {
        let (sim, file) = with_synced(seed, &[1; 3000]);
        sim.write_all_at(&file, &[2; 100], 3000).unwrap();
        sim.power_loss();
        outcomes.insert(contents(&sim.reboot(), b"/a")[3000..].to_vec());
    }
    assert!(outcomes.contains(&vec![2; 100]), "sometimes kept");
    assert!(outcomes.contains(&vec![]), "sometimes lost");
    assert!(
        outcomes.contains(&vec![0; 100]),
        "sometimes only the length arrived"
    );
}

#[test]
fn writes_tear_at_sectors_only() {
    let mut torn = 0;
    for seed in 0..300 {
        let (sim, file) = with_synced(seed, &[1; 4096]);
        sim.write_all_at(&file, &[2; 4000], 50).unwrap();
        sim.power_loss();
        let bytes = contents(&sim.reboot(), b"/a");
        assert_eq!(bytes.len(), 4096);
        assert_eq!(
            (bytes[..50].to_vec(), bytes[4050..].to_vec()),
            (vec![1; 50], vec![1; 46])
        );
        let sectors: Vec<&[u8]> = bytes[50..4050].chunk_by(|a, b| a == b).collect();
        let mut at = 50;
        for run in &sectors[..sectors.len() - 1] {
            at += run.len();
            assert_eq!(at % SECTOR_BYTES as usize, 0, "a tear within a sector");
        }
        torn += usize::from(sectors.len() > 1);
    }
    assert!(torn > 50, "tears happen: {torn}");
}

#[test]
fn a_later_write_may_survive_an_earlier_one() {
    let reordered = (0..300).any(|seed| {
        let (sim, file) = with_synced(seed, &[0; 2048]);
        sim.write_all_at(&file, &[1; 512], 0).unwrap();
        sim.write_all_at(&file, &[2; 512], 1024).unwrap();
        sim.power_loss();
        let bytes = contents(&sim.reboot(), b"/a");
        bytes[0] == 0 && bytes[1024] == 2
    });
    assert!(reordered);
}

#[test]
fn every_outcome_of_a_small_workload_is_met_and_no_other() {
    // Two sectors, one write each, then a synced marker elsewhere: four outcomes.
    let (sim, file) = with_synced(1, &[0; 1024]);
    sim.write_all_at(&file, &[1; 512], 0).unwrap();
    sim.write_all_at(&file, &[2; 512], 512).unwrap();
    let moment = sim.disk_snapshot();
    let outcomes: BTreeSet<(u8, u8)> = (0..400)
        .map(|seed| {
            let bytes = moment.after_power_loss(seed).file(b"/a").unwrap();
            (bytes[0], bytes[512])
        })
        .collect();
    assert_eq!(outcomes, BTreeSet::from([(0, 0), (0, 2), (1, 0), (1, 2)]));
}

#[test]
fn truncation_and_length_are_unsynced_until_synced() {
    let mut lengths = BTreeSet::new();
    for seed in 0..100 {
        let (sim, file) = with_synced(seed, &[7; 600]);
        sim.set_length(&file, 10).unwrap();
        sim.power_loss();
        lengths.insert(contents(&sim.reboot(), b"/a").len());
    }
    assert_eq!(lengths, BTreeSet::from([10, 600]));
}

#[test]
fn a_name_needs_the_directory_synced() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let sim = calm(seed);
        let file = create(&sim, b"/new");
        sim.write_all_at(&file, b"bytes", 0).unwrap();
        sim.sync(&file, Durability::Full).unwrap();
        sim.power_loss();
        let sim = sim.reboot();
        found.insert(exists(&sim, b"/new"));
        if exists(&sim, b"/new") {
            assert_eq!(contents(&sim, b"/new"), b"bytes");
        } else {
            assert_eq!(sim.disk_snapshot().used_bytes(), 0, "its space is free");
        }
    }
    assert_eq!(found, BTreeSet::from([false, true]));
}

#[test]
fn removes_links_and_renames_are_whole_and_in_order_on_each_name_alone() {
    let mut seen = BTreeSet::new();
    for seed in 0..1000 {
        let (sim, _file) = with_synced(seed, b"old");
        let new = create(&sim, b"/b");
        sim.write_all_at(&new, b"new", 0).unwrap();
        sim.sync(&new, Durability::Full).unwrap();
        sim.rename(b"/b", b"/a").unwrap();
        sim.hard_link(b"/a", b"/c").unwrap();
        sim.remove_file(b"/a").unwrap();
        sim.power_loss();
        let sim = sim.reboot();
        let files: Vec<(Vec<u8>, Vec<u8>)> = names(&sim, b"/")
            .into_iter()
            .map(|name| (name.clone(), contents(&sim, &name)))
            .collect();
        seen.insert(files);
    }
    let at = |files: &[(&[u8], &[u8])]| -> Vec<(Vec<u8>, Vec<u8>)> {
        files
            .iter()
            .map(|(n, c)| (n.to_vec(), c.to_vec()))
            .collect()
    };
    // `b` appears, then becomes `a` in one step, then `a` goes; `c` comes whenever it likes.
    let expected = [
        at(&[(b"a", b"old")]),
        at(&[(b"a", b"old"), (b"b", b"new")]),
        at(&[(b"a", b"new")]),
        at(&[]),
        at(&[(b"a", b"old"), (b"c", b"new")]),
        at(&[(b"a", b"old"), (b"b", b"new"), (b"c", b"new")]),
        at(&[(b"a", b"new"), (b"c", b"new")]),
        at(&[(b"c", b"new")]),
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn a_rename_between_directories_is_whole_and_a_synced_one_stays() {
    let mut places = BTreeSet::new();
    for seed in 0..200 {
        let sim = calm(seed);
        sim.create_directory(b"/x").unwrap();
        sim.create_directory(b"/y").unwrap();
        let _file = create(&sim, b"/x/f");
        sim.sync_directory(b"/").unwrap();
        sim.sync_directory(b"/x").unwrap();
        sim.rename(b"/x/f", b"/y/f").unwrap();
        if seed % 2 == 0 {
            sim.sync_directory(b"/y").unwrap();
        }
        sim.power_loss();
        let sim = sim.reboot();
        let place = (exists(&sim, b"/x/f"), exists(&sim, b"/y/f"));
        assert!(place.0 != place.1, "in one directory, not in both or none");
        assert!(place.1 || seed % 2 == 1, "synced");
        places.insert(place);
    }
    assert_eq!(places.len(), 2);
}

#[test]
fn a_directory_that_was_never_synced_takes_its_files_along() {
    let lost = (0..100).any(|seed| {
        let sim = calm(seed);
        sim.create_directory(b"/d").unwrap();
        let file = create(&sim, b"/d/f");
        sim.sync(&file, Durability::Full).unwrap();
        sim.sync_directory(b"/d").unwrap();
        sim.power_loss();
        !exists(&sim.reboot(), b"/d")
    });
    assert!(lost);
}

#[test]
fn a_failed_sync_loses_data_and_the_next_one_hides_it() {
    let (mut lost, mut forgot) = (0, 0);
    for_seeds(100, |seed| {
        let (sim, file) = with_synced(seed, &[1; 512]);
        sim.write_all_at(&file, &[2; 512], 0).unwrap();
        sim.fail_nth(Operation::Sync, 1, Kind::Io);
        assert_eq!(
            sim.sync(&file, Durability::Full).unwrap_err().kind(),
            Kind::Io
        );
        sim.sync(&file, Durability::Full).unwrap();
        sim.power_loss();
        let byte = contents(&sim.reboot(), b"/a")[0];
        assert!(byte == 1 || byte == 2);
    });
    for seed in 0..100 {
        let (sim, file) = with_synced(seed, &[1; 512]);
        sim.write_all_at(&file, &[2; 512], 0).unwrap();
        sim.fail_nth(Operation::Sync, 1, Kind::Io);
        sim.sync(&file, Durability::Full).unwrap_err();
        forgot += usize::from(read_all(&sim, &file)[0] == 1);
        sim.sync(&file, Durability::Full).unwrap();
        sim.power_loss();
        lost += usize::from(contents(&sim.reboot(), b"/a")[0] == 1);
    }
    assert!(lost > 10 && lost < 100, "lost {lost}");
    assert!(forgot > 5 && forgot < lost, "the cache forgot {forgot}");
}

#[test]
fn a_weak_data_sync_may_lose_and_a_full_one_may_not() {
    let mut lost = 0;
    for seed in 0..100 {
        let mut options = SimOptions::new(seed).with_faults(SimFaults::none());
        options.weak_data_sync = true;
        let sim = Sim::new(options);
        let file = create(&sim, b"/a");
        sim.sync_directory(b"/").unwrap();
        sim.write_all_at(&file, b"full", 0).unwrap();
        assert_eq!(
            sim.sync(&file, Durability::Barrier).unwrap(),
            Durability::Full
        );
        sim.write_all_at(&file, b"data", 4).unwrap();
        assert_eq!(sim.sync(&file, Durability::Data).unwrap(), Durability::Data);
        sim.power_loss();
        let bytes = contents(&sim.reboot(), b"/a");
        assert!(bytes.starts_with(b"full"));
        lost += usize::from(bytes != b"fulldata");
    }
    assert!(lost > 10 && lost < 90, "{lost}");
}

#[test]
fn a_killed_program_loses_locks_and_handles_but_no_bytes() {
    let sim = calm(1);
    let file = create(&sim, b"/a");
    sim.lock(&file, crate::platform::LockKind::Exclusive)
        .unwrap();
    sim.write_all_at(&file, b"unsynced", 0).unwrap();
    sim.kill();
    let kind = sim.write_at(&file, b"x", 0).unwrap_err().kind();
    assert_eq!(kind, Kind::PowerLost);
    let again = sim.reboot();
    assert_eq!(
        again.write_at(&file, b"x", 0).unwrap_err().kind(),
        Kind::PowerLost
    );
    assert_eq!(contents(&again, b"/a"), b"unsynced");
    let file = create(&again, b"/a");
    again
        .lock(&file, crate::platform::LockKind::Exclusive)
        .unwrap();
    let moment = again.disk_snapshot();
    let lost = (0..50).any(|seed| moment.after_power_loss(seed).file(b"/a").is_none());
    assert!(lost, "what was unsynced still is");
}

#[test]
fn power_goes_at_the_call_that_was_asked_for() {
    let work = |sim: &Sim| -> Result<()> {
        let options = OpenOptions::read_write().with_create(Create::IfMissing);
        let file = sim.open(b"/a", &options)?;
        sim.write_all_at(&file, b"x", 0)?;
        sim.metadata(b"/a")?;
        sim.sync(&file, Durability::Full)?;
        Ok(())
    };
    let whole = calm(3);
    work(&whole).unwrap();
    assert_eq!((whole.calls(), whole.disk_calls()), (4, 3));
    for call in 1..=4 {
        let options = SimOptions::new(3).with_faults(SimFaults::none());
        let sim = Sim::new(options.with_power_loss_at_call(call));
        assert_eq!(work(&sim).unwrap_err().kind(), Kind::PowerLost);
        assert_eq!(sim.calls(), call);
    }
    let options = SimOptions::new(3).with_faults(SimFaults::none());
    let sim = Sim::new(options.with_power_loss_at_disk_call(3));
    let error = work(&sim).unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (Kind::PowerLost, Operation::Sync)
    );
    assert!(work(&sim.reboot()).is_ok(), "it comes once");
}

#[test]
fn what_is_never_synced_is_written_back_in_time() {
    let (sim, file) = with_synced(1, b"");
    for n in 0..10_000_u64 {
        sim.write_all_at(&file, &n.to_le_bytes(), 0).unwrap();
        drop(create(&sim, b"/x"));
        sim.remove_file(b"/x").unwrap();
    }
    let moment = sim.disk_snapshot();
    for seed in 0..20 {
        let bytes = moment.after_power_loss(seed).file(b"/a").unwrap();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(n >= 5_000, "a change from long ago: {n}");
    }
}
