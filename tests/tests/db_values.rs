//! Large values in files of their own: merges leave them alone, dead ones go, readers keep theirs, and damage and failures stay where they are.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::{Bound, Range};
use std::collections::BTreeMap;
use underpin_core::db::{self, Compaction, Db, Error, FileName, Options, WriteLevel};
use underpin_core::platform::middleware::{Call, Layer, Layered, Verdict};
use underpin_core::platform::sim::{DiskSnapshot, Sim, SimFaults, SimOptions};
use underpin_core::{Error as Failure, Kind, Operation};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const KEYS: u32 = 400;
const VALUE_BYTES: usize = 600;

fn machine(disk: Option<DiskSnapshot>) -> Sim {
    let mut options = SimOptions::new(3).with_faults(SimFaults::none());
    options.disk = disk;
    Sim::new(options)
}

fn options(separate_from: usize) -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 16 << 10;
    options.tables_max = 2;
    options.table_bytes = 16 << 10;
    options.level_bytes = 16 << 10;
    options.level_factor = 2;
    options.block_bytes = 256;
    // So that bytes are comparable.
    options.compressed_from = 7;
    options.separate_from = separate_from;
    options
}

fn open(sim: &Sim) -> Db<Sim> {
    Db::open(sim.clone(), b"/db", options(64)).unwrap()
}

fn contents(db: &Db<Sim>) -> Result<Model, Error> {
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded)?;
    let mut model = Model::new();
    while let Some((key, value)) = scan.next()? {
        model.insert(key.to_vec(), value.to_vec());
    }
    Ok(model)
}

fn value(stamp: u32) -> Vec<u8> {
    let mut value = stamp.to_be_bytes().to_vec();
    value.resize(VALUE_BYTES, stamp as u8);
    value
}

/// Puts over keys in an order without order.
fn overwrite(db: &Db<Sim>, model: &mut Model, stamps: Range<u32>) {
    for stamp in stamps {
        let key = format!("key{:03}", stamp.wrapping_mul(997) % KEYS).into_bytes();
        db.put(&key, &value(stamp), WriteLevel::Buffered).unwrap();
        model.insert(key, value(stamp));
    }
}

fn value_files(sim: &Sim) -> Vec<FileName> {
    let names = sim.disk_snapshot().list(b"/db").unwrap();
    let names = names.iter().filter_map(|name| FileName::parse(name));
    names
        .filter(|name| matches!(name, FileName::Values(_)))
        .collect()
}

fn path(name: FileName) -> Vec<u8> {
    format!("/db/{name}").into_bytes()
}

/// A machine whose database has the values of these stamps.
fn filled(stamps: Range<u32>) -> (Sim, Db<Sim>, Model) {
    let sim = machine(None);
    let db = open(&sim);
    let mut model = Model::new();
    overwrite(&db, &mut model, stamps);
    (sim, db, model)
}

#[test]
fn merges_leave_values_alone_and_dead_ones_go() {
    let run = |separate_from, compaction| {
        let sim = machine(None);
        let mut options = options(separate_from);
        options.compaction = compaction;
        let db = Db::open(sim.clone(), b"/db", options).unwrap();
        let mut model = Model::new();
        for round in 0..8 {
            overwrite(&db, &mut model, round * KEYS..(round + 1) * KEYS);
            let stats = db.stats();
            assert!(
                stats.value_bytes <= 3 * stats.value_live_bytes + (64 << 10),
                "{stats:?}"
            );
        }
        assert_eq!(contents(&db).unwrap(), model);
        db.verify().unwrap();
        (db, sim, model)
    };
    for compaction in [Compaction::Leveled, Compaction::Tiered] {
        let (whole, ..) = run(0, compaction);
        assert_eq!(whole.stats().value_files, 0);
        let (db, sim, model) = run(64, compaction);
        let (stats, whole) = (db.stats(), whole.stats());
        assert!(
            stats.merge_bytes_written * 3 < whole.merge_bytes_written * 2,
            "{stats:?} against {whole:?}"
        );
        assert!(stats.value_files > 0 && stats.value_files as usize == value_files(&sim).len());
        // After a compaction all that is left is live.
        db.compact().unwrap();
        let stats = db.stats();
        let records = u64::from(KEYS) * (VALUE_BYTES as u64 + 9);
        assert_eq!(stats.value_live_bytes, records);
        assert_eq!(stats.value_bytes, records + 24 * stats.value_files);
        assert_eq!(value_files(&sim).len() as u64, stats.value_files);
        db.close().unwrap();
        // Without the option old ones are still read, and go as they die.
        let db = Db::open(sim.clone(), b"/db", options(0)).unwrap();
        assert_eq!(contents(&db).unwrap(), model);
        db.remove_range(b"", b"key2", WriteLevel::Os).unwrap();
        db.compact().unwrap();
        assert_eq!(
            db.stats().value_live_bytes + 24 * db.stats().value_files,
            db.stats().value_bytes
        );
        db.remove_range(b"", b"z", WriteLevel::Os).unwrap();
        db.compact().unwrap();
        assert_eq!(value_files(&sim), []);
    }
}

#[test]
fn garbage_collection_under_a_snapshot_and_a_scan_keeps_old_values() {
    let (sim, db, old) = filled(0..KEYS);
    db.flush().unwrap();
    let snapshot = db.snapshot().unwrap();
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    assert!(scan.next().unwrap().is_some());
    let held = value_files(&sim);
    let mut new = old.clone();
    overwrite(&db, &mut new, KEYS..3 * KEYS);
    db.compact().unwrap();
    assert!(held.iter().all(|name| value_files(&sim).contains(name)));
    assert_eq!(contents(&db).unwrap(), new);
    let mut seen = Model::new();
    let mut walked = snapshot.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    while let Some((key, value)) = walked.next().unwrap() {
        seen.insert(key.to_vec(), value.to_vec());
    }
    assert_eq!(seen, old);
    let mut left = 1;
    while let Some((key, value)) = scan.next().unwrap() {
        assert_eq!(old.get(key).map(|held| &held[..]), Some(value));
        left += 1;
    }
    assert_eq!(left, old.len());
    drop((walked, snapshot));
    assert!(
        held.iter().all(|name| value_files(&sim).contains(name)),
        "the scan still has them"
    );
    drop(scan);
    assert!(!held.iter().any(|name| value_files(&sim).contains(name)));
    assert_eq!(value_files(&sim).len() as u64, db.stats().value_files);
}

#[test]
fn a_failure_at_any_call_of_a_flush_or_merge_loses_nothing_and_leaves_nothing() {
    let (sim, db, model) = filled(0..2 * KEYS);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    let mut failures = 0u32;
    for (call, kind) in [
        (Operation::WriteAt, Kind::NoSpace),
        (Operation::WriteAt, Kind::Io),
        (Operation::Sync, Kind::Io),
        (Operation::Open, Kind::Io),
        (Operation::ReadAt, Kind::Io),
    ] {
        for nth in 1.. {
            let sim = machine(Some(disk.clone()));
            let mut options = options(64);
            options.maintenance = db::Maintenance::Caller;
            options.memtable_bytes = 256 << 10;
            let db = Db::open(sim.clone(), b"/db", options.clone()).unwrap();
            let mut model = model.clone();
            overwrite(&db, &mut model, 2 * KEYS..2 * KEYS + 30);
            db.sync(WriteLevel::Full).unwrap();
            sim.fail_nth(call, nth, kind);
            let failed = db.flush().and_then(|()| db.compact()).is_err();
            if !failed {
                // There are no more such calls.
                break;
            }
            failures += 1;
            if db.is_poisoned() {
                drop(db);
                let db = Db::open(sim.clone(), b"/db", options).unwrap();
                assert_eq!(contents(&db).unwrap(), model, "{call:?} {nth}");
                continue;
            }
            assert_eq!(contents(&db).unwrap(), model, "{call:?} {nth}");
            assert_eq!(
                value_files(&sim).len() as u64,
                db.stats().value_files,
                "{call:?} {nth}"
            );
            db.compact().unwrap();
            assert_eq!(contents(&db).unwrap(), model, "{call:?} {nth}");
            db.verify().unwrap();
            assert_eq!(
                value_files(&sim).len() as u64,
                db.stats().value_files,
                "{call:?} {nth}"
            );
        }
    }
    assert!(failures > 40, "{failures}");
}

#[test]
fn damage_to_a_value_is_found_named_and_kept_to_its_key() {
    let (sim, db, mut model) = filled(0..KEYS);
    db.compact().unwrap();
    db.close().unwrap();
    let file = value_files(&sim)[0];
    let bytes = sim.disk_snapshot().file(&path(file)).unwrap().len() as u64;
    // In the first value, well behind its length.
    sim.flip_bit(&path(file), 24 + 4 + 100, 5).unwrap();
    let db = open(&sim);
    let mut damaged = Vec::new();
    for (key, value) in &model {
        match db.get(key) {
            Ok(found) => assert_eq!(found.as_ref(), Some(value)),
            Err(Error::Corrupt(corruption)) => {
                assert_eq!((corruption.file, corruption.offset), (file, 24));
                damaged.push(key.clone());
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(damaged.len(), 1);
    for found in [
        contents(&db).map(drop),
        db.verify().map(drop),
        db.backup(b"/backup", None),
    ] {
        assert!(matches!(found, Err(Error::Corrupt(found)) if found.file == file));
    }
    // Merges go on, with what is damaged where it is.
    overwrite(&db, &mut model, KEYS..KEYS + KEYS / 2);
    db.compact().unwrap();
    db.close().unwrap();
    let report = db::repair(sim.clone(), b"/db", &options(64)).unwrap();
    let db = open(&sim);
    db.verify().unwrap();
    let lost = u64::from(db.get(&damaged[0]) == Ok(None));
    assert_eq!(
        (
            report.values_damaged,
            report.values_lost,
            report.blocks_lost
        ),
        (lost, lost, 0)
    );
    if lost > 0 {
        model.remove(&damaged[0]);
    }
    assert_eq!(contents(&db).unwrap(), model);
    assert!(bytes > 10_000);
}

/// Strings put behind each other.
fn append(_: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>> {
    let parts = value.into_iter().chain(operands.iter().copied());
    Some(parts.collect::<Vec<_>>().concat())
}

#[test]
fn merge_operands_over_a_damaged_value_stop_no_merge_and_are_kept() {
    let sim = machine(None);
    let mut options = options(64);
    options.merge_operator = Some(append);
    let open = || Db::open(sim.clone(), b"/db", options.clone());
    let db = open().unwrap();
    let mut model = Model::new();
    overwrite(&db, &mut model, 0..KEYS);
    db.compact().unwrap();
    let file = value_files(&sim)[0];
    let (damaged, _) = model.pop_first().unwrap();
    let flip = || sim.flip_bit(&path(file), 24 + 4 + 100, 5).unwrap();
    flip();
    let is_told = |found: Result<(), Error>| {
        assert!(matches!(found, Err(Error::Corrupt(found)) if found.file == file));
    };
    // Operands in several tables, which are merged with the value's, and again with what came of it.
    let mut operands = Vec::new();
    for round in 0..6u32 {
        db.merge(&damaged, &[round as u8; 3], WriteLevel::Buffered)
            .unwrap();
        operands.extend([round as u8; 3]);
        // All but the key of number 0, which is the damaged one.
        overwrite(&db, &mut model, KEYS * round + 1..KEYS * round + 50);
        db.flush().unwrap();
        db.compact().unwrap();
        is_told(db.get(&damaged).map(drop));
        is_told(contents(&db).map(drop));
    }
    db.close().unwrap();
    let db = open().unwrap();
    for (key, value) in &model {
        assert_eq!(db.get(key).unwrap().as_ref(), Some(value));
    }
    is_told(db.verify().map(drop));
    db.close().unwrap();
    // Once the value is there again, nothing is missing. A repair before loses it with its operands, and nothing else.
    let damaged_disk = sim.disk_snapshot();
    flip();
    let db = open().unwrap();
    let whole = [value(0), operands].concat();
    assert_eq!(db.get(&damaged).unwrap(), Some(whole.clone()));
    db.compact().unwrap();
    db.verify().unwrap();
    model.insert(damaged.clone(), whole);
    assert_eq!(contents(&db).unwrap(), model);
    model.remove(&damaged);
    let sim = machine(Some(damaged_disk));
    let report = db::repair(sim.clone(), b"/db", &options).unwrap();
    assert_eq!((report.values_lost, report.blocks_lost), (1, 0));
    let db = Db::open(sim, b"/db", options).unwrap();
    db.verify().unwrap();
    assert_eq!(contents(&db).unwrap(), model);
}

#[test]
fn a_value_that_the_disk_does_not_give_back_stops_no_merge() {
    let (sim, db, mut model) = filled(0..KEYS);
    db.compact().unwrap();
    db.close().unwrap();
    let broken = Layered::new(sim.clone(), Unreadable);
    let db = Db::open(broken, b"/db", options(64)).unwrap();
    // Every other value is put again, and the files that hold the rest are to go.
    for stamp in 0..KEYS * 4 {
        let key = format!("key{:03}", stamp.wrapping_mul(997) % KEYS).into_bytes();
        if stamp % 2 != 0 {
            db.put(&key, &value(stamp), WriteLevel::Buffered).unwrap();
            model.insert(key, value(stamp));
        }
    }
    db.compact().unwrap();
    let lost = |(key, value): &(&Vec<u8>, &Vec<u8>)| match db.get(key) {
        Ok(found) => {
            assert_eq!(found.as_ref(), Some(*value));
            false
        }
        Err(_) => true,
    };
    let lost = model.iter().filter(lost).count();
    assert!(lost > 0 && lost < KEYS as usize / 4, "{lost}");
}

/// A sector of the values files that the disk does not give back.
#[derive(Clone)]
struct Unreadable;

impl Layer for Unreadable {
    fn before(&self, call: &Call) -> Verdict {
        // Values of this size are nowhere else read so.
        let is_value = call.bytes > VALUE_BYTES as u64 && call.bytes < VALUE_BYTES as u64 + 20;
        if call.operation == Operation::ReadAt && is_value && call.offset < 1000 {
            return Verdict::Fail(Failure::new(Operation::ReadAt, Kind::Io));
        }
        Verdict::Proceed
    }

    fn after(&self, _: &Call, _: Result<u64, Failure>) {}
}

#[test]
fn a_file_that_another_file_took_the_place_of_is_found() {
    let (sim, db, model) = filled(0..KEYS);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    for name in value_files(&sim) {
        for cut in [0, 10, 24, 1000] {
            let sim = machine(Some(disk.clone()));
            let open = underpin_core::platform::OpenOptions::read_write();
            let file = underpin_core::platform::Files::open(&sim, &path(name), &open).unwrap();
            underpin_core::platform::Files::set_length(&sim, &file, cut).unwrap();
            drop(file);
            let opened = Db::open(sim.clone(), b"/db", options(64));
            assert!(matches!(opened, Err(Error::Corrupt(found)) if found.file == name));
            let report = db::repair(sim.clone(), b"/db", &options(64)).unwrap();
            assert_eq!(report.values_damaged, 1);
            let db = Db::open(sim, b"/db", options(64)).unwrap();
            db.verify().unwrap();
            let found = contents(&db).unwrap();
            assert!(found.len() as u64 + report.values_lost >= u64::from(KEYS));
            assert!(
                found
                    .iter()
                    .all(|(key, value)| model.get(key) == Some(value))
            );
        }
    }
}

#[test]
fn a_repair_that_cannot_write_says_so_and_takes_nothing_for_lost() {
    let sim = machine(None);
    let db = open(&sim);
    let mut model = Model::new();
    let mut batch = db::Batch::new();
    for stamp in 0..6u32 {
        // So long that each is written by itself.
        let (key, value) = (stamp.to_be_bytes().to_vec(), vec![stamp as u8; 40 << 10]);
        batch.put(&key, &value).unwrap();
        model.insert(key, value);
    }
    db.write(&batch, WriteLevel::Buffered).unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    let file = value_files(&sim)[0];
    sim.flip_bit(&path(file), 24 + 4 + 100, 5).unwrap();
    model.remove(&0u32.to_be_bytes()[..]);
    let damaged = sim.disk_snapshot();
    let mut failed = 0;
    for nth in 1.. {
        let sim = machine(Some(damaged.clone()));
        sim.fail_nth(Operation::WriteAt, nth, Kind::Io);
        let repaired = db::repair(sim.clone(), b"/db", &options(64));
        let whole = repaired.is_ok_and(|report| report.values_lost == 1);
        if !whole {
            failed += 1;
            let report = db::repair(sim.clone(), b"/db", &options(64)).unwrap();
            assert_eq!(report.values_lost, 1, "write {nth}");
        }
        // Without the failure, if it has not come yet.
        let sim = machine(Some(sim.disk_snapshot()));
        let db = open(&sim);
        db.verify().unwrap();
        assert_eq!(contents(&db).unwrap(), model, "write {nth}");
        if whole {
            break;
        }
    }
    assert!(failed > 6, "{failed} writes failed");
}
