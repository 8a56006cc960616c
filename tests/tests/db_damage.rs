//! Damage: a log cut at every length, every bit of every file flipped. Never a panic, never wrong data; an error names the file.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use core::ops::Range;
use std::collections::BTreeMap;
use underpin_core::db::{self, Batch, Compaction, Db, Error, FileName, Options, WriteLevel};
use underpin_core::platform::middleware::{Call, Layer, Layered, Verdict};
use underpin_core::platform::sim::{DiskSnapshot, Sim, SimFaults, SimOptions};
use underpin_core::platform::{Files, OpenOptions};
use underpin_core::{Error as Failure, Kind, Operation};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn options() -> Options {
    let mut options = Options::default();
    options.block_bytes = 128;
    options.separate_from = 60;
    // A file of records alone, so that each of its bits counts.
    options.log_preallocate_bytes = 0;
    options
}

fn machine(disk: Option<DiskSnapshot>) -> Sim {
    let mut options = SimOptions::new(1).with_faults(SimFaults::none());
    options.disk = disk;
    Sim::new(options)
}

fn open(sim: &Sim) -> Result<Db<Sim>, Error> {
    Db::open(sim.clone(), b"/db", options())
}

fn contents(db: &Db<Sim>) -> Result<Model, Error> {
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded)?;
    let mut model = Model::new();
    while let Some((key, value)) = scan.next()? {
        model.insert(key.to_vec(), value.to_vec());
    }
    Ok(model)
}

fn path(name: FileName) -> Vec<u8> {
    format!("/db/{name}").into_bytes()
}

/// Two tables and a log with `batches` batches; the state after each, the one before the first included.
fn history(sim: &Sim, batches: u8, level: WriteLevel) -> (Db<Sim>, Vec<Model>) {
    let db = open(sim).unwrap();
    let mut model = Model::new();
    for round in 0..2u8 {
        for number in 0..20u8 {
            let (key, value) = (format!("key{:02}", number * (round + 1)), vec![round; 9]);
            db.put(key.as_bytes(), &value, WriteLevel::Buffered)
                .unwrap();
            model.insert(key.into_bytes(), value);
        }
        // Large ones, one of them overwritten in the second table: dead, and yet every bit of it counts.
        for key in ["large", ["larger", "largest"][usize::from(round)]] {
            let value = vec![round + b'a'; 70];
            db.put(key.as_bytes(), &value, WriteLevel::Buffered)
                .unwrap();
            model.insert(key.into(), value);
        }
        db.remove(b"key04", WriteLevel::Buffered).unwrap();
        model.remove(&b"key04"[..]);
        db.flush().unwrap();
    }
    let mut states = vec![model.clone()];
    for number in 0..batches {
        let mut batch = Batch::new();
        for (key, bytes) in [("a", 5), ("key02", 40)] {
            batch.put(key.as_bytes(), &vec![number; bytes]).unwrap();
            model.insert(key.into(), vec![number; bytes]);
        }
        let removed = format!("key{number:02}");
        batch.remove(removed.as_bytes()).unwrap();
        model.remove(removed.as_bytes());
        db.write(&batch, level).unwrap();
        states.push(model.clone());
    }
    (db, states)
}

/// The newest log, and its length.
fn log(disk: &DiskSnapshot) -> (FileName, usize) {
    let names = disk.list(b"/db").unwrap();
    let name = names
        .iter()
        .filter_map(|name| FileName::parse(name))
        .filter(|name| matches!(name, FileName::Log(_)))
        .max()
        .unwrap();
    (name, disk.file(&path(name)).unwrap().len())
}

#[test]
fn a_log_cut_at_any_length_gives_the_whole_batches_before_the_cut() {
    let sim = machine(None);
    let (db, states) = history(&sim, 0, WriteLevel::Os);
    // Where each batch ends, as the file grows.
    let mut ends = Vec::new();
    let mut models = vec![states[0].clone()];
    let mut batch = Batch::new();
    for number in 0..12u8 {
        let mut model = models.last().unwrap().clone();
        batch.clear();
        // One that needs several blocks of the log among them.
        let bytes = if number == 6 { 70_000 } else { 30 };
        batch.put(b"one", &[number]).unwrap();
        batch.put(b"two", &vec![number; bytes]).unwrap();
        model.insert(b"one".to_vec(), vec![number]);
        model.insert(b"two".to_vec(), vec![number; bytes]);
        db.write(&batch, WriteLevel::Os).unwrap();
        let (_, end) = log(&sim.disk_snapshot());
        ends.push(end);
        models.push(model);
    }
    sim.kill();
    let disk = sim.disk_snapshot();
    let (name, bytes) = log(&disk);
    for cut in (0..=bytes).filter(|cut| *cut < 1000 || cut % 97 == 0 || bytes - cut < 1000) {
        let sim = machine(Some(disk.clone()));
        let file = sim.open(&path(name), &OpenOptions::read_write()).unwrap();
        sim.set_length(&file, cut as u64).unwrap();
        drop(file);
        match open(&sim) {
            Ok(db) => {
                let whole = ends.iter().filter(|end| **end <= cut).count();
                assert!(contents(&db).unwrap() == models[whole], "cut at {cut}");
                db.verify().unwrap();
            }
            // The header was synced before the log was used: a log without one is damaged.
            Err(Error::Corrupt(corruption)) if cut < 32 => assert_eq!(corruption.file, name),
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

/// Flips each bit of `name` in turn and opens. `lost` says how many of the newest states may be missing.
fn flip_every_bit(disk: &DiskSnapshot, name: FileName, states: &[Model], lost: usize) -> usize {
    let bytes = disk.file(&path(name)).unwrap().len();
    let mut silent = 0;
    for offset in 0..bytes {
        for bit in 0..8 {
            let sim = machine(Some(disk.clone()));
            sim.flip_bit(&path(name), offset as u64, bit).unwrap();
            let place = format!("{name}, offset {offset}, bit {bit}");
            let seen = open(&sim).and_then(|db| {
                // Data that can be read is right, whatever else is wrong.
                let newest = states.last().unwrap();
                let whole = contents(&db);
                if whole.is_err() {
                    for key in newest.keys() {
                        if let Ok(value) = db.get(key) {
                            assert_eq!(value.as_ref(), newest.get(key), "{place}");
                        }
                    }
                }
                let whole = whole?;
                let from = states.len() - 1 - lost;
                assert!(states[from..].contains(&whole), "{place}: wrong data");
                db.verify().map(|_| whole)
            });
            match seen {
                Err(Error::Corrupt(corruption)) => {
                    assert_eq!(corruption.file, name, "{place}");
                    assert!(corruption.offset <= bytes as u64, "{place}");
                    assert_ne!(corruption.expected, corruption.found, "{place}");
                }
                Err(error) => panic!("{place}: {error}"),
                Ok(_) => silent += 1,
            }
        }
    }
    silent
}

#[test]
fn a_flipped_bit_of_a_table_its_values_or_the_manifest_is_always_found() {
    let sim = machine(None);
    let (db, states) = history(&sim, 3, WriteLevel::Os);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    let names = disk.list(b"/db").unwrap();
    let mut kinds = 0;
    for name in names.iter().filter_map(|name| FileName::parse(name)) {
        if !matches!(name, FileName::Log(_) | FileName::Lock) {
            kinds += 1;
            assert_eq!(flip_every_bit(&disk, name, &states, 0), 0, "{name}");
        }
    }
    assert_eq!(kinds, 5, "two tables, their values and the manifest");
}

#[test]
fn a_flipped_bit_of_a_closed_log_is_found_but_for_its_last_mark() {
    let sim = machine(None);
    let (db, states) = history(&sim, 5, WriteLevel::Os);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    let (name, _) = log(&disk);
    // The mark itself says of all before it that it was synced; it takes 15 bytes and nothing is lost with it.
    assert_eq!(flip_every_bit(&disk, name, &states, 0), 15 * 8);
}

#[test]
fn after_a_kill_a_flipped_bit_of_a_synced_write_is_found() {
    let sim = machine(None);
    let (db, states) = history(&sim, 5, WriteLevel::Data);
    sim.kill();
    drop(db);
    let disk = sim.disk_snapshot();
    let (name, _) = log(&disk);
    assert_eq!(flip_every_bit(&disk, name, &states, 0), 15 * 8);
}

#[test]
fn damage_to_a_tail_that_was_never_synced_ends_history_before_it() {
    let sim = machine(None);
    let (db, states) = history(&sim, 5, WriteLevel::Os);
    sim.kill();
    drop(db);
    let disk = sim.disk_snapshot();
    let (name, bytes) = log(&disk);
    // All but the header may be a torn write.
    assert_eq!(flip_every_bit(&disk, name, &states, 5), (bytes - 32) * 8);
}

#[test]
fn a_missing_file_is_named() {
    let sim = machine(None);
    let (db, _) = history(&sim, 3, WriteLevel::Os);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    for name in disk.list(b"/db").unwrap() {
        let sim = machine(Some(disk.clone()));
        let name = FileName::parse(&name).unwrap();
        sim.remove_file(&path(name)).unwrap();
        match open(&sim) {
            Ok(_) => assert_eq!(name, FileName::Lock),
            Err(Error::Corrupt(corruption)) => {
                assert_eq!(corruption.file, name);
                assert!(
                    sim.disk_snapshot().list(b"/db").unwrap().len() >= 4,
                    "nothing was removed"
                );
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Fails calls of one kind at some offsets.
#[derive(Clone)]
struct Failing(Operation, Range<u64>);

impl Layer for Failing {
    fn before(&self, call: &Call) -> Verdict {
        if call.operation == self.0 && self.1.contains(&call.offset) {
            return Verdict::Fail(Failure::new(self.0, Kind::Io));
        }
        Verdict::Proceed
    }

    fn after(&self, _: &Call, _: Result<u64, Failure>) {}
}

fn tables(sim: &Sim) -> usize {
    let names = sim.disk_snapshot().list(b"/db").unwrap();
    names
        .iter()
        .filter(|name| name.ends_with(b".table"))
        .count()
}

#[test]
fn opens_that_fail_pile_up_no_tables() {
    let sim = machine(None);
    let (db, states) = history(&sim, 3, WriteLevel::Full);
    drop(db);
    let before = tables(&sim);
    for _ in 0..3 {
        // The manifest's new name comes after the tables that hold what the log held.
        let broken = Layered::new(sim.clone(), Failing(Operation::Rename, 0..1));
        assert!(Db::open(broken, b"/db", options()).is_err());
        assert_eq!(tables(&sim), before + 1);
    }
    let db = open(&sim).unwrap();
    assert_eq!(contents(&db).unwrap(), states[3]);
}

#[test]
fn a_repair_leaves_out_what_the_disk_does_not_give_back() {
    let sim = machine(None);
    let (db, states) = history(&sim, 3, WriteLevel::Full);
    db.close().unwrap();
    let broken = Layered::new(sim.clone(), Failing(Operation::ReadAt, 100..200));
    let report = db::repair(broken, b"/db", &options()).unwrap();
    assert!(
        report.blocks_lost > 0 && report.tables_salvaged > 0,
        "{report:?}"
    );
    let db = open(&sim).unwrap();
    db.verify().unwrap();
    let rest = contents(&db).unwrap();
    assert!(!rest.is_empty() && rest.len() < states[3].len());
}

/// Flushes each put, so that merges are due again and again.
fn put_and_flush(db: &Db<Sim>, model: &mut Model, stamps: Range<u32>) {
    for stamp in stamps {
        let key = format!("key{:02}", stamp.wrapping_mul(37) % 60).into_bytes();
        db.put(&key, &stamp.to_be_bytes(), WriteLevel::Buffered)
            .unwrap();
        db.flush().unwrap();
        model.insert(key, stamp.to_be_bytes().to_vec());
    }
}

#[test]
fn a_damaged_table_stops_no_write_and_no_open_wherever_it_lies() {
    for compaction in [Compaction::Leveled, Compaction::Tiered] {
        let mut options = options();
        options.compaction = compaction;
        options.tables_max = 4;
        options.table_bytes = 16 << 10;
        options.level_bytes = 16 << 10;
        options.cache_bytes = 0;
        let open = |sim: &Sim| Db::open(sim.clone(), b"/db", options.clone());
        let sim = machine(None);
        let db = open(&sim).unwrap();
        let mut model = Model::new();
        put_and_flush(&db, &mut model, 0..83);
        db.close().unwrap();
        let disk = sim.disk_snapshot();
        let mut seen = 0;
        for name in disk.list(b"/db").unwrap() {
            let name = FileName::parse(&name).unwrap();
            let FileName::Table(_) = name else { continue };
            seen += 1;
            let sim = machine(Some(disk.clone()));
            // In the first data block.
            sim.flip_bit(&path(name), 5, 3).unwrap();
            let mut model = model.clone();
            for round in 1..3u32 {
                let db = open(&sim).unwrap();
                put_and_flush(&db, &mut model, round * 100..round * 100 + 45);
                let mut lost = 0;
                for (key, value) in &model {
                    match db.get(key) {
                        Ok(found) => assert_eq!(found.as_ref(), Some(value)),
                        Err(Error::Corrupt(corruption)) => {
                            assert_eq!(corruption.file, name);
                            lost += 1;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                assert!(lost < model.len());
                let level0 = db.stats().level_tables[0];
                assert!(level0 <= 3 * 4 + 2, "{level0} tables");
                assert!(matches!(db.compact(), Err(Error::Corrupt(found)) if found.file == name));
                db.close().unwrap();
            }
            let report = db::repair(sim.clone(), b"/db", &options).unwrap();
            assert_eq!((report.tables_salvaged, report.blocks_lost), (1, 1));
            let db = open(&sim).unwrap();
            db.compact().unwrap();
            db.verify().unwrap();
        }
        assert!(seen > 2, "{seen} tables");
    }
}

#[test]
fn a_repair_of_no_database_makes_nothing() {
    let sim = machine(None);
    assert_eq!(db::create_directory(&sim, b"/db"), Ok(true));
    let repaired = db::repair(sim.clone(), b"/db", &options());
    assert_eq!(repaired, Err(Error::NotADatabase));
    assert!(sim.disk_snapshot().list(b"/db").unwrap().is_empty());
}
