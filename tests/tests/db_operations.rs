//! Operations on a database in use or out of order: checkpoints, reading beside a writer, repair.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use underpin_core::db::{self, Batch, Db, Error, FileName, Options, WriteLevel};
use underpin_core::platform::middleware::{Call, Layer, Layered, Verdict};
use underpin_core::platform::sim::{DiskSnapshot, Sim, SimFaults, SimOptions};
use underpin_core::platform::{Files, OpenOptions};
use underpin_core::{Kind, Operation};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn machine(disk: Option<DiskSnapshot>) -> Sim {
    let mut options = SimOptions::new(1).with_faults(SimFaults::none());
    options.disk = disk;
    Sim::new(options)
}

fn options() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 8 << 10;
    options.block_bytes = 256;
    options.tables_max = 2;
    options.table_bytes = 16 << 10;
    options.level_bytes = 16 << 10;
    options.level_factor = 2;
    options.log_preallocate_bytes = 4096;
    // Those of numbers from 1000 on, which is half of the values.
    options.separate_from = 30;
    options
}

fn read_only() -> Options {
    let mut options = options();
    options.read_only = true;
    options
}

fn contents(db: &Db<Sim>) -> Result<Model, Error> {
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded)?;
    let mut model = Model::new();
    while let Some((key, value)) = scan.next()? {
        model.insert(key.to_vec(), value.to_vec());
    }
    Ok(model)
}

/// Some levels of tables and a log.
fn filled(sim: &Sim) -> (Db<Sim>, Model) {
    let db = Db::open(sim.clone(), b"/db", options()).unwrap();
    let mut model = Model::new();
    for number in 0..2000u32 {
        let key = format!("key{:04}", number.wrapping_mul(997) % 1000).into_bytes();
        let value = number.to_string().repeat(8).into_bytes();
        db.put(&key, &value, WriteLevel::Os).unwrap();
        model.insert(key, value);
    }
    (db, model)
}

#[test]
fn a_checkpoint_is_a_database_as_of_its_moment_and_its_own_master() {
    let sim = machine(None);
    let (db, model) = filled(&sim);
    db.keyspace("other")
        .unwrap()
        .put(b"k", b"v", WriteLevel::Buffered)
        .unwrap();
    db.checkpoint(b"/copy").unwrap();
    db.remove_range(b"key01", b"key1", WriteLevel::Full)
        .unwrap();
    db.compact().unwrap();
    let copy = Db::open(sim.clone(), b"/copy", options()).unwrap();
    copy.verify().unwrap();
    assert_eq!(contents(&copy).unwrap(), model);
    let other = copy.keyspace("other").unwrap();
    assert_eq!(other.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    copy.clear().unwrap();
    assert_eq!(contents(&db).unwrap().len(), 100);
    db.verify().unwrap();
    assert!(matches!(db.checkpoint(b"/copy"), Err(Error::Invalid(_))));
}

#[test]
fn a_checkpoint_survives_power_loss_and_one_that_failed_leaves_nothing() {
    for call in [
        Operation::WriteAt,
        Operation::Sync,
        Operation::HardLink,
        Operation::Rename,
    ] {
        let sim = machine(None);
        let (db, model) = filled(&sim);
        sim.fail_nth(call, 1, Kind::Io);
        if db.checkpoint(b"/copy").is_err() {
            assert!(sim.disk_snapshot().list(b"/copy").is_none(), "{call:?}");
        }
        if !db.is_poisoned() {
            db.checkpoint(b"/other").unwrap();
            let sim = machine(Some(sim.disk_snapshot().after_power_loss(7)));
            let copy = Db::open(sim, b"/other", options()).unwrap();
            copy.verify().unwrap();
            assert_eq!(contents(&copy).unwrap(), model, "{call:?}");
        }
    }
}

#[test]
fn a_reader_sees_what_a_writer_has_written_and_changes_nothing() {
    let sim = machine(None);
    let (db, model) = filled(&sim);
    let before = sim.disk_snapshot().list(b"/db").unwrap();
    let reader = Db::open(sim.clone(), b"/db", read_only()).unwrap();
    assert_eq!(contents(&reader).unwrap(), model);
    db.remove_range(b"", b"z", WriteLevel::Os).unwrap();
    db.compact().unwrap();
    assert_eq!(contents(&reader).unwrap(), model, "as of its open");
    assert!(reader.verify().unwrap().entries > 0);
    for refused in [
        reader.put(b"k", b"v", WriteLevel::Os),
        reader.flush(),
        reader.compact(),
        reader.clear(),
        reader.checkpoint(b"/copy"),
    ] {
        assert_eq!(refused, Err(Error::ReadOnly));
    }
    reader.close().unwrap();
    db.verify().unwrap();
    drop(db);
    let names = sim.disk_snapshot().list(b"/db").unwrap();
    assert_ne!(names, before);
    let reader = Db::open(sim.clone(), b"/db", read_only()).unwrap();
    assert_eq!(contents(&reader).unwrap(), Model::new());
    drop(reader);
    assert_eq!(sim.disk_snapshot().list(b"/db").unwrap(), names);
    let nothing = Db::open(sim, b"/nothing", read_only());
    assert_eq!(nothing.unwrap_err(), Error::NotADatabase);
}

fn path(name: FileName) -> Vec<u8> {
    format!("/db/{name}").into_bytes()
}

#[test]
fn a_repair_of_any_damage_leaves_a_database_with_the_rest() {
    let sim = machine(None);
    let (db, model) = filled(&sim);
    let mut batch = Batch::new();
    batch.put(b"last", b"write").unwrap();
    db.write(&batch, WriteLevel::Full).unwrap();
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    assert!(
        db::repair(sim.clone(), b"/db", &options())
            .unwrap()
            .is_whole()
    );
    assert_eq!(sim.disk_snapshot().list(b"/db"), disk.list(b"/db"));
    let names = disk.list(b"/db").unwrap();
    for name in names.iter().filter_map(|name| FileName::parse(name)) {
        let bytes = disk.file(&path(name)).unwrap().len() as u64;
        for offset in (0..bytes).step_by(241) {
            let sim = machine(Some(disk.clone()));
            sim.flip_bit(&path(name), offset, 3).unwrap();
            let report = match db::repair(sim.clone(), b"/db", &options()) {
                Ok(report) => report,
                Err(error) => panic!("{name} at {offset}: {error}"),
            };
            let db = Db::open(sim.clone(), b"/db", options()).unwrap();
            db.verify().unwrap();
            let found = contents(&db).unwrap();
            assert!(
                found.len() > model.len() / 3,
                "{name} at {offset}: {report:?}"
            );
            assert_eq!(report.manifest_rebuilt, name == FileName::Manifest);
            if report.is_whole() || report.manifest_rebuilt {
                assert_eq!(found.len(), model.len() + 1, "{name} at {offset}");
            }
            if !report.is_whole() {
                let aside = format!("{name}.damaged").into_bytes();
                assert!(sim.disk_snapshot().list(b"/db").unwrap().contains(&aside));
            }
            // A second one finds nothing to do.
            db.close().unwrap();
            assert!(db::repair(sim, b"/db", &options()).unwrap().is_whole());
        }
    }
}

#[test]
fn a_repair_replaces_a_log_without_a_header_and_keeps_a_table_that_is_gone_out() {
    let sim = machine(None);
    let (db, model) = filled(&sim);
    db.close().unwrap();
    let disk = sim.disk_snapshot();
    let names: Vec<_> = disk
        .list(b"/db")
        .unwrap()
        .iter()
        .filter_map(|name| FileName::parse(name))
        .collect();
    for name in names {
        let sim = machine(Some(disk.clone()));
        let file = sim.open(&path(name), &OpenOptions::read_write()).unwrap();
        match name {
            FileName::Log(_) => sim.set_length(&file, 10).unwrap(),
            FileName::Table(_) | FileName::Values(_) => sim.remove_file(&path(name)).unwrap(),
            _ => continue,
        }
        drop(file);
        assert!(Db::open(sim.clone(), b"/db", options()).is_err());
        assert!(
            !db::repair(sim.clone(), b"/db", &options())
                .unwrap()
                .is_whole()
        );
        let db = Db::open(sim, b"/db", options()).unwrap();
        db.verify().unwrap();
        assert!(contents(&db).unwrap().len() <= model.len());
    }
}

/// Keyspaces, levels, removed ranges and a log, with more files of each kind than one.
fn several_keyspaces(sim: &Sim) -> BTreeMap<String, Model> {
    let (db, model) = filled(sim);
    let mut models = BTreeMap::from([(String::new(), model)]);
    for name in ["other", "third"] {
        let keyspace = db.keyspace(name).unwrap();
        let model = models.entry(name.into()).or_default();
        for number in 0..300u32 {
            let key = format!("{:03}", number.wrapping_mul(7) % 200).into_bytes();
            let value = number
                .to_string()
                .repeat(5 + number as usize % 20)
                .into_bytes();
            keyspace.put(&key, &value, WriteLevel::Os).unwrap();
            model.insert(key, value);
        }
        let level = WriteLevel::Os;
        keyspace.remove_range(b"05", b"1", level).unwrap();
        model.retain(|key, _| !(&b"05"[..]..&b"1"[..]).contains(&&key[..]));
        keyspace.remove(b"100", level).unwrap();
        model.remove(&b"100"[..]);
    }
    db.flush().unwrap();
    db.remove_range(b"key05", b"key06", WriteLevel::Full)
        .unwrap();
    let first = models.get_mut("").unwrap();
    first.retain(|key, _| !(&b"key05"[..]..&b"key06"[..]).contains(&&key[..]));
    db.close().unwrap();
    models
}

fn all_contents(db: &Db<Sim>) -> BTreeMap<String, Model> {
    let names = db.keyspace_names().unwrap().into_iter();
    names
        .map(|name| {
            let keyspace = db.keyspace(&name).unwrap();
            let mut scan = keyspace.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
            let mut model = Model::new();
            while let Some((key, value)) = scan.next().unwrap() {
                model.insert(key.to_vec(), value.to_vec());
            }
            (name, model)
        })
        .collect()
}

#[test]
fn without_a_manifest_a_repair_finds_all_by_what_the_tables_say() {
    let sim = machine(None);
    let models = several_keyspaces(&sim);
    let disk = sim.disk_snapshot();
    let names = disk.list(b"/db").unwrap();
    for name in names.iter().filter_map(|name| FileName::parse(name)) {
        for damage in ["none", "gone", "bit", "cut"] {
            let is_manifest = name == FileName::Manifest;
            if name == FileName::Lock || is_manifest != (damage == "none") {
                continue;
            }
            let sim = machine(Some(disk.clone()));
            sim.remove_file(b"/db/MANIFEST").unwrap();
            let bytes = disk.file(&path(name)).unwrap().len() as u64;
            match damage {
                "gone" => sim.remove_file(&path(name)).unwrap(),
                "bit" => sim.flip_bit(&path(name), bytes / 3, 5).unwrap(),
                "cut" => {
                    let file = sim.open(&path(name), &OpenOptions::read_write()).unwrap();
                    sim.set_length(&file, bytes / 2).unwrap();
                }
                _ => {}
            }
            let opened = Db::open(sim.clone(), b"/db", options());
            assert!(matches!(opened, Err(Error::Corrupt(_))));
            let report = db::repair(sim.clone(), b"/db", &options()).unwrap();
            assert!(report.manifest_rebuilt && !report.is_whole());
            let db = Db::open(sim.clone(), b"/db", options()).unwrap();
            db.verify().unwrap();
            let found = all_contents(&db);
            if is_manifest {
                assert_eq!(found, models);
            }
            let count = |models: &BTreeMap<String, Model>| {
                models.values().map(BTreeMap::len).sum::<usize>()
            };
            // The files are small: one takes no more than a half with it.
            let (found, held) = (count(&found), count(&models));
            assert!(
                found > held / 2,
                "{name} {damage}: {found} of {held}, {report:?}"
            );
            db.close().unwrap();
            assert!(db::repair(sim, b"/db", &options()).unwrap().is_whole());
        }
    }
}

/// What is there by default after a crash, with the log that the next one takes over, and merges as soon as there are three tables.
fn crash_options() -> Options {
    let mut options = Options::default();
    options.tables_max = 2;
    options.merge_operator = Some(|_, value, operands| {
        let first = value.unwrap_or_default();
        Some([&[first], operands].concat().concat())
    });
    options
}

/// A machine with the disk, but for the manifest.
fn without_manifest(disk: DiskSnapshot) -> Sim {
    let sim = machine(Some(disk));
    sim.remove_file(b"/db/MANIFEST").unwrap();
    sim
}

fn repaired(sim: &Sim) -> (db::RepairReport, Db<Sim>) {
    let report = db::repair(sim.clone(), b"/db", &crash_options()).unwrap();
    assert!(report.manifest_rebuilt);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    db.verify().unwrap();
    (report, db)
}

#[test]
fn after_a_crash_a_keyspace_keeps_its_flush_when_the_others_table_of_it_was_merged() {
    let sim = machine(None);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    let other = db.keyspace("other").unwrap();
    for round in 0..3u8 {
        for key in [b"a", b"z"] {
            other.put(key, &[round], WriteLevel::Full).unwrap();
        }
        if round == 2 {
            for key in 0..100u32 {
                let key = key.to_be_bytes();
                db.put(&key, b"value", WriteLevel::Full).unwrap();
            }
            other.put(b"z", b"last", WriteLevel::Full).unwrap();
        }
        db.flush().unwrap();
    }
    let expected = all_contents(&db);
    assert_eq!(expected[""].len(), 100);
    let (report, db) = repaired(&without_manifest(sim.disk_snapshot()));
    assert_eq!(all_contents(&db), expected);
    assert_eq!((report.logs_cut, report.tables_lost), (0, 0));
}

#[test]
fn after_a_crash_what_was_ingested_stays_over_what_was_written_before() {
    let sim = machine(None);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    db.put(b"k", b"old", WriteLevel::Full).unwrap();
    db.put(b"l", b"old", WriteLevel::Full).unwrap();
    db.ingest([(b"k", b"new")]).unwrap();
    db.put(b"l", b"newer", WriteLevel::Full).unwrap();
    let expected = contents(&db).unwrap();
    assert_eq!(expected[&b"k"[..]], b"new");
    let (_, db) = repaired(&without_manifest(sim.disk_snapshot()));
    assert_eq!(contents(&db).unwrap(), expected);
}

#[test]
fn after_a_crash_no_operand_counts_twice() {
    let sim = machine(None);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    for operand in 0..9u8 {
        db.merge(b"k", &[operand], WriteLevel::Full).unwrap();
        // The last write of the log, of which a merge leaves nothing.
        db.remove(b"gone", WriteLevel::Full).unwrap();
        db.flush().unwrap();
        let expected = contents(&db).unwrap();
        assert_eq!(expected[&b"k"[..]].len(), usize::from(operand) + 1);
        let (report, repaired) = repaired(&without_manifest(sim.disk_snapshot()));
        assert_eq!(contents(&repaired).unwrap(), expected);
        assert_eq!(report.logs_cut, 0);
    }
}

#[test]
fn a_dropped_keyspace_that_a_snapshot_held_takes_no_name_from_a_younger_one() {
    let sim = machine(None);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    let put = |name: &str, value: &[u8]| {
        let keyspace = db.keyspace(name).unwrap();
        keyspace.put(b"k", value, WriteLevel::Full).unwrap();
        db.flush().unwrap();
        keyspace
    };
    let dropped = put("x", b"dropped").id();
    let held = db.snapshot().unwrap();
    db.drop_keyspace(dropped).unwrap();
    put("x", b"current");
    // Named as the dropped one, which was the first, would be.
    let taken = "recovered-1";
    put(taken, b"taken");
    put("", b"first");
    let (report, repaired) = repaired(&without_manifest(sim.disk_snapshot()));
    let of = |value: &[u8]| Model::from([(b"k".to_vec(), value.to_vec())]);
    let expected = [
        ("".into(), of(b"first")),
        (format!("{taken}+"), of(b"dropped")),
        ("x".into(), of(b"current")),
        (taken.into(), of(b"taken")),
    ];
    assert_eq!(all_contents(&repaired), BTreeMap::from(expected));
    assert_eq!(report.keyspaces_unnamed, 1);
    drop(held);
}

/// A database that crashed with its first flush's log, the table, and the next log, with a write if `more`.
fn flushed_once(more: bool) -> (DiskSnapshot, Model) {
    let sim = machine(None);
    let db = Db::open(sim.clone(), b"/db", crash_options()).unwrap();
    for key in 0..100u32 {
        let key = key.to_be_bytes();
        db.put(&key, b"value", WriteLevel::Os).unwrap();
    }
    db.flush().unwrap();
    if more {
        db.put(b"more", b"value", WriteLevel::Full).unwrap();
    }
    let model = contents(&db).unwrap();
    (sim.disk_snapshot(), model)
}

fn logs(disk: &DiskSnapshot) -> Vec<FileName> {
    let names = disk.list(b"/db").unwrap();
    let names = names.iter().filter_map(|name| FileName::parse(name));
    names
        .filter(|name| matches!(name, FileName::Log(_)))
        .collect()
}

#[test]
fn a_log_without_its_seal_does_not_stand_for_the_table_made_of_it() {
    for more in [false, true] {
        let (disk, expected) = flushed_once(more);
        let [log, _] = logs(&disk)[..] else {
            panic!("the flushed log and the next one")
        };
        for bytes in (0..4096).step_by(37) {
            let sim = without_manifest(disk.clone());
            let file = sim.open(&path(log), &OpenOptions::read_write()).unwrap();
            sim.set_length(&file, bytes).unwrap();
            drop(file);
            let (_, db) = repaired(&sim);
            assert_eq!(contents(&db).unwrap(), expected, "cut to {bytes}");
            // Whichever of the two does not count.
            let names = sim.disk_snapshot().list(b"/db").unwrap();
            let mut names = names.iter();
            assert!(
                names.any(|name| name.ends_with(b".damaged")),
                "cut to {bytes}"
            );
        }
    }
}

#[test]
fn history_ends_in_a_damaged_log_and_a_missing_one_is_told() {
    let (disk, model) = flushed_once(true);
    let [log, _] = logs(&disk)[..] else {
        panic!("the flushed log and the next one")
    };
    let names = disk.list(b"/db").unwrap();
    let mut names = names.iter().filter_map(|name| FileName::parse(name));
    let table = names.find(|name| matches!(name, FileName::Table(_)));
    for damage in ["bit", "cut", "gone"] {
        let sim = without_manifest(disk.clone());
        // As if the flush had got no further than the next log.
        sim.remove_file(&path(table.unwrap())).unwrap();
        match damage {
            "bit" => sim.flip_bit(&path(log), 3, 3).unwrap(),
            "cut" => {
                let file = sim.open(&path(log), &OpenOptions::read_write()).unwrap();
                sim.set_length(&file, 300).unwrap();
            }
            _ => sim.remove_file(&path(log)).unwrap(),
        }
        let (report, db) = repaired(&sim);
        assert!(report.logs_cut > 0, "{report:?}");
        let found = contents(&db).unwrap();
        let keys: Vec<_> = found.into_keys().collect();
        let first: Vec<_> = model.keys().take(keys.len()).cloned().collect();
        match damage {
            "bit" => assert!(keys.is_empty()),
            "cut" => assert!(keys.len() > 3 && keys == first, "{keys:?}"),
            _ => assert_eq!(keys, [b"more"]),
        }
    }
    // Nothing else is missing.
    let (report, db) = repaired(&without_manifest(disk));
    assert_eq!((contents(&db).unwrap(), report.logs_cut), (model, 0));
}

/// Keeps the disk as it is after each call that changes it.
#[derive(Clone)]
struct Disks(Sim, Arc<Mutex<Vec<DiskSnapshot>>>);

impl Layer for Disks {
    fn before(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }

    fn after(&self, call: &Call, _: Result<u64, underpin_core::Error>) {
        if !matches!(call.operation, Operation::ReadAt | Operation::Clock) {
            self.1.lock().unwrap().push(self.0.disk_snapshot());
        }
    }
}

/// Repairs each disk without its manifest, and expects what an open with it finds; with `pairs` above that in the default keyspace, if those
/// may have come to be in tables already.
fn check_disks(disks: &Mutex<Vec<DiskSnapshot>>, pairs: &Model) -> usize {
    let disks = core::mem::take(&mut *disks.lock().unwrap());
    let mut checked = 0;
    for (at, disk) in disks.into_iter().enumerate() {
        if disk.file(b"/db/MANIFEST").is_none() {
            continue;
        }
        let with = machine(Some(disk.clone()));
        let db = Db::open(with, b"/db", crash_options()).unwrap();
        let mut expected = all_contents(&db);
        let mut names: Vec<_> = disk.list(b"/db").unwrap();
        names.retain(|name| name.ends_with(b"log") || name.ends_with(b"table"));
        let files: Vec<_> = names
            .iter()
            .map(|name| String::from_utf8_lossy(name))
            .collect();
        let (report, db) = repaired(&without_manifest(disk));
        let found = all_contents(&db);
        if found != expected {
            expected.get_mut("").unwrap().extend(pairs.clone());
        }
        assert_eq!(found, expected, "disk {at}: {files:?}, {report:?}");
        assert_eq!(report.logs_cut, 0, "disk {at}: {files:?}, {report:?}");
        checked += 1;
    }
    checked
}

#[test]
fn whenever_it_crashes_a_repair_without_the_manifest_finds_what_an_open_finds_with_it() {
    let mut checked = 0;
    let mut disk = None;
    for boot in 0..3u8 {
        let sim = machine(disk.take());
        let disks = Arc::new(Mutex::new(Vec::new()));
        let platform = Layered::new(sim.clone(), Disks(sim.clone(), disks.clone()));
        let mut options = crash_options();
        if boot == 1 {
            // No log stays that is needed no more.
            options.log_preallocate_bytes = 0;
        }
        let db = Db::open(platform, b"/db", options).unwrap();
        if boot == 0 {
            // Their names are in their tables alone.
            for name in ["", "other", "third"] {
                let keyspace = db.keyspace(name).unwrap();
                keyspace.put(b"k", b"v", WriteLevel::Full).unwrap();
            }
            db.flush().unwrap();
            disks.lock().unwrap().clear();
        }
        checked += check_disks(&disks, &Model::new());
        let (first, other, third) = (
            db.keyspace("").unwrap(),
            db.keyspace("other").unwrap(),
            db.keyspace("third").unwrap(),
        );
        for round in 0..4u8 {
            let mut batch = Batch::new();
            batch.merge(b"k", &[b'a' + round]).unwrap();
            batch
                .select(other.id())
                .merge(b"k", &[b'A' + round])
                .unwrap();
            batch.put(&[round], &[boot]).unwrap();
            db.write(&batch, WriteLevel::Full).unwrap();
            first.put(b"i", &[boot, round], WriteLevel::Full).unwrap();
            if round % 2 == 1 {
                third.merge(b"k", b"+", WriteLevel::Full).unwrap();
            }
            other.remove(b"gone", WriteLevel::Full).unwrap();
            db.flush().unwrap();
            checked += check_disks(&disks, &Model::new());
            first.merge(b"i", b"-", WriteLevel::Full).unwrap();
            first.put(b"j", &[boot, round], WriteLevel::Full).unwrap();
            checked += check_disks(&disks, &Model::new());
            let pairs = [(b"i".to_vec(), vec![b'=', boot, round])];
            db.ingest(pairs.iter().cloned()).unwrap();
            checked += check_disks(&disks, &Model::from(pairs));
            first.merge(b"i", b"-", WriteLevel::Full).unwrap();
            checked += check_disks(&disks, &Model::new());
        }
        // It crashes with writes in the log alone.
        other.merge(b"k", b"!", WriteLevel::Full).unwrap();
        disk = Some(sim.disk_snapshot());
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn a_repair_cuts_a_log_that_does_not_follow_from_the_tables() {
    // Two databases whose logs have the same numbers, but not the same writes before them.
    let with = |writes: u8| {
        let sim = machine(None);
        for number in 0..writes {
            let db = Db::open(sim.clone(), b"/db", options()).unwrap();
            if number == 0 {
                (1..writes).for_each(|key| db.put(b"k", &[key], WriteLevel::Os).unwrap());
            } else if number == 1 {
                db.put(b"last", b"write", WriteLevel::Os).unwrap();
                db.close().unwrap();
                break;
            }
            db.close().unwrap();
        }
        sim
    };
    let (sim, other) = (with(2), with(3));
    let disk = other.disk_snapshot();
    let names = disk.list(b"/db").unwrap();
    assert_eq!(sim.disk_snapshot().list(b"/db").unwrap(), names);
    let logs = names.iter().filter_map(|name| FileName::parse(name));
    let log = logs
        .filter(|name| matches!(name, FileName::Log(_)))
        .max()
        .unwrap();
    let bytes = disk.file(&path(log)).unwrap();
    let file = sim.open(&path(log), &OpenOptions::read_write()).unwrap();
    sim.set_length(&file, bytes.len() as u64).unwrap();
    sim.write_all_at(&file, &bytes, 0).unwrap();
    drop(file);
    let opened = Db::open(sim.clone(), b"/db", options());
    assert!(matches!(opened, Err(Error::Corrupt(found)) if found.file == log));
    let report = db::repair(sim.clone(), b"/db", &options()).unwrap();
    assert_eq!(report.logs_cut, 1);
    let db = Db::open(sim, b"/db", options()).unwrap();
    assert_eq!(
        contents(&db).unwrap(),
        Model::from([(b"k".to_vec(), vec![1])])
    );
}

/// Changes a byte in the middle of a file.
fn damage(sim: &Sim, path: &[u8]) {
    let file = sim.open(path, &OpenOptions::read_write()).unwrap();
    let middle = sim.file_metadata(&file).unwrap().bytes / 2;
    let mut byte = [0];
    sim.read_exact_at(&file, &mut byte, middle).unwrap();
    sim.write_all_at(&file, &[!byte[0]], middle).unwrap();
}

fn tables(sim: &Sim, directory: &[u8]) -> Vec<Vec<u8>> {
    let names = sim.disk_snapshot().list(directory).unwrap();
    let paths = names.into_iter().filter(|name| name.ends_with(b".table"));
    paths
        .map(|name| [directory, b"/", &name].concat())
        .collect()
}

#[test]
fn a_backup_outlives_damage_to_the_database_and_to_the_one_it_builds_on() {
    let sim = machine(None);
    let (db, mut before) = filled(&sim);
    db.compact().unwrap();
    for key in [b"more0", b"more1"] {
        db.put(key, b"more", WriteLevel::Os).unwrap();
        before.insert(key.to_vec(), b"more".to_vec());
        db.flush().unwrap();
    }
    db.backup(b"/monday", None).unwrap();
    db.put(b"key0000", b"changed", WriteLevel::Os).unwrap();
    let mut after = before.clone();
    after.insert(b"key0000".to_vec(), b"changed".to_vec());
    sim.fail_nth(Operation::HardLink, 1, Kind::Io);
    db.backup(b"/tuesday", None).unwrap();
    let linked = db.backup(b"/linked", Some(b"/monday"));
    assert!(linked.is_err(), "tables that monday's has are not linked");
    let itself = db.backup(b"/itself", Some(b"/db"));
    assert!(matches!(itself, Err(Error::Invalid(_))), "{itself:?}");
    db.backup(b"/evening", Some(b"/monday")).unwrap();
    assert!(tables(&sim, b"/monday").len() > 2);
    for table in tables(&sim, b"/db") {
        damage(&sim, &table);
    }
    // Names, not files, are what goes with the older one.
    for table in tables(&sim, b"/monday").iter().skip(1) {
        sim.remove_file(table).unwrap();
    }
    assert!(matches!(
        db.backup(b"/wednesday", None),
        Err(Error::Corrupt(_))
    ));
    assert!(sim.disk_snapshot().list(b"/wednesday").is_none());
    drop(db);
    db::restore(sim.clone(), b"/evening", b"/restored").unwrap();
    let sim = machine(Some(sim.disk_snapshot().after_power_loss(3)));
    let restored = Db::open(sim.clone(), b"/restored", options()).unwrap();
    restored.verify().unwrap();
    assert_eq!(contents(&restored).unwrap(), after);
    // It goes on from there, and its backups may build on the old ones.
    restored.put(b"k", b"v", WriteLevel::Full).unwrap();
    restored.compact().unwrap();
    restored.backup(b"/thursday", Some(b"/tuesday")).unwrap();
    let other = Db::open(sim.clone(), b"/elsewhere", options()).unwrap();
    assert!(matches!(
        other.backup(b"/friday", Some(b"/tuesday")),
        Err(Error::Invalid(_))
    ));
    for (from, to, refused) in [
        (&b"/nowhere"[..], &b"/new"[..], "there is no backup"),
        (b"/tuesday", b"/restored", "there is something"),
    ] {
        assert!(db::restore(sim.clone(), from, to).is_err(), "{refused}");
    }
}

#[test]
fn a_damaged_backup_is_not_restored_and_no_failure_leaves_half_a_database() {
    let sim = machine(None);
    let (db, model) = filled(&sim);
    db.backup(b"/backup", None).unwrap();
    let disk = sim.disk_snapshot();
    for call in [Operation::ReadAt, Operation::WriteAt, Operation::Sync] {
        for number in [1, 3, 7] {
            let sim = machine(Some(disk.clone()));
            sim.fail_nth(call, number, Kind::Io);
            if db::restore(sim.clone(), b"/backup", b"/restored").is_err() {
                let left = sim.disk_snapshot().list(b"/restored");
                assert!(left.is_none(), "{call:?}");
                db::restore(sim.clone(), b"/backup", b"/restored").unwrap();
            }
            // A fault that did not come up yet stays behind.
            let sim = machine(Some(sim.disk_snapshot()));
            let copy = Db::open(sim, b"/restored", options()).unwrap();
            assert_eq!(contents(&copy).unwrap(), model);
        }
    }
    // Its log's header, and then a table.
    let names = sim.disk_snapshot().list(b"/backup").unwrap();
    let log = names.iter().find(|name| name.ends_with(b".log")).unwrap();
    let log = [b"/backup/", &log[..]].concat();
    sim.flip_bit(&log, 9, 0).unwrap();
    let refused = db::restore(sim.clone(), b"/backup", b"/new");
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    sim.flip_bit(&log, 9, 0).unwrap();
    damage(&sim, &tables(&sim, b"/backup")[1]);
    let refused = db::restore(sim.clone(), b"/backup", b"/new");
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    assert!(sim.disk_snapshot().list(b"/new").is_none());
}

/// Adds numbers, and refuses what is none.
fn add(_: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>> {
    let parts = value.iter().chain(operands);
    let numbers = parts.map(|part| core::str::from_utf8(part).ok()?.parse::<u64>().ok());
    let sum: Option<u64> = numbers.sum();
    Some(sum?.to_string().into_bytes())
}

/// Refuses nothing.
fn append(_: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>> {
    Some([value.unwrap_or_default(), &operands.concat()].concat())
}

#[test]
fn a_tail_says_again_what_it_could_not_read_and_then_goes_on() {
    let mut options = options();
    options.merge_operator = Some(|_, _, _| None);
    let db = Db::open(machine(None), b"/db", options).unwrap();
    db.put(b"a", b"1", WriteLevel::Os).unwrap();
    db.merge(b"b", b"refused", WriteLevel::Os).unwrap();
    db.put(b"c", b"3", WriteLevel::Os).unwrap();
    let mut tail = db.tail(Bound::Unbounded, Bound::Unbounded);
    assert_eq!(tail.next().unwrap(), Some((&b"a"[..], &b"1"[..])));
    for _ in 0..3 {
        tail.next().unwrap_err();
    }
    db.put(b"b", b"2", WriteLevel::Os).unwrap();
    assert_eq!(tail.next().unwrap(), Some((&b"b"[..], &b"2"[..])));
    assert_eq!(tail.next().unwrap(), Some((&b"c"[..], &b"3"[..])));
    assert_eq!(tail.next().unwrap(), None);
}

#[test]
fn what_a_merge_operator_refuses_is_kept_and_holds_up_nothing_else() {
    let level = WriteLevel::Os;
    let with = |operator| {
        let mut options = options();
        options.merge_operator = operator;
        options
    };
    let sim = machine(None);
    let mut db = Db::open(sim.clone(), b"/db", with(Some(add))).unwrap();
    // A base below, and nothing below.
    for key in [b"a", b"z"] {
        db.put(key, b"abc", level).unwrap();
        db.merge(key, b"1", level).unwrap();
    }
    db.merge(b"none", b"x", level).unwrap();
    db.put(b"other", b"1", level).unwrap();
    let refused = |error: Error| assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    for step in 2..8 {
        for key in [&b"a"[..], b"none"] {
            refused(db.get(key).unwrap_err());
            db.merge(key, step.to_string().as_bytes(), level).unwrap();
            refused(db.get(key).unwrap_err());
        }
        db.merge(b"other", b"1", level).unwrap();
        refused(contents(&db).unwrap_err());
        let mut back = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
        refused(back.next_back().unwrap_err());
        match step {
            2 | 3 => db.flush().unwrap(),
            4 => db.compact().unwrap(),
            // What is in the log alone goes to a table when it is opened.
            5 => {
                drop(back);
                drop(db);
                db = Db::open(sim.clone(), b"/db", with(Some(add))).unwrap();
            }
            6 => db.checkpoint(b"/copy").unwrap(),
            _ => {}
        }
        let sum = db.get(b"other").unwrap().unwrap();
        assert_eq!(sum, step.to_string().into_bytes());
        db.verify().unwrap();
    }
    // A value over it ends it.
    db.put(b"z", b"5", level).unwrap();
    db.merge(b"z", b"1", level).unwrap();
    assert_eq!(db.get(b"z").unwrap().as_deref(), Some(&b"6"[..]));
    db.close().unwrap();
    // Without an operator it opens too, and says so of the key alone.
    let db = Db::open(sim.clone(), b"/db", with(None)).unwrap();
    refused(db.get(b"a").unwrap_err());
    db.compact().unwrap();
    db.close().unwrap();
    // One that takes them gets all of them, in order, and of the others what had not been added up yet.
    let db = Db::open(sim, b"/db", with(Some(append))).unwrap();
    let expected = [
        (&b"a"[..], &b"abc1234567"[..]),
        (b"none", b"x234567"),
        (b"other", b"4111"),
        (b"z", b"51"),
    ];
    let expected = Model::from_iter(expected.map(|(key, value)| (key.to_vec(), value.to_vec())));
    assert_eq!(contents(&db).unwrap(), expected);
    db.compact().unwrap();
    assert_eq!(contents(&db).unwrap(), expected);
}

#[test]
fn a_directory_that_was_made_survives_power_loss() {
    let sim = machine(None);
    for path in [&b"/a"[..], b"/a/b"] {
        assert_eq!(db::create_directory(&sim, path), Ok(true));
        assert_eq!(db::create_directory(&sim, path), Ok(false));
    }
    let db = Db::open(sim.clone(), b"/a/b/db", options()).unwrap();
    db.put(b"k", b"v", WriteLevel::Full).unwrap();
    for seed in 0..50 {
        let sim = machine(Some(sim.disk_snapshot().after_power_loss(seed)));
        let db = Db::open(sim, b"/a/b/db", options()).unwrap();
        assert_eq!(db.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }
}

type Between = Arc<Mutex<Option<(u32, Box<dyn FnOnce() + Send>)>>>;

/// Does something once, after so many reads.
#[derive(Clone)]
struct AfterReads(Between);

impl Layer for AfterReads {
    fn before(&self, _: &Call) -> Verdict {
        Verdict::Proceed
    }

    fn after(&self, call: &Call, _: Result<u64, underpin_core::Error>) {
        if call.operation != Operation::ReadAt {
            return;
        }
        let mut due = self.0.lock().unwrap();
        let work = due.take_if(|(left, _)| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        drop(due);
        work.into_iter().for_each(|(_, work)| work());
    }
}

#[test]
fn writes_beside_a_check_are_no_damage() {
    let mut before = 1;
    loop {
        let between = Between::default();
        let platform = Layered::new(machine(None), AfterReads(between.clone()));
        let mut options = Options::default();
        options.log_preallocate_bytes = 1 << 20;
        let db = Db::open(platform, b"/db", options).unwrap();
        // So that the log's file is longer than what is written.
        db.put(b"k", b"v", WriteLevel::Full).unwrap();
        let writer = db.clone();
        let write = move || {
            for _ in 0..4 {
                writer
                    .put(b"k", &vec![7; 20_000], WriteLevel::Full)
                    .unwrap();
            }
        };
        *between.lock().unwrap() = Some((before, Box::new(write)));
        db.verify()
            .unwrap_or_else(|error| panic!("after {before} reads: {error}"));
        if between.lock().unwrap().take().is_some() {
            break;
        }
        before += 1;
    }
    // The manifest, the log's head, and the log.
    assert!(before > 3, "{before}");
}

#[test]
fn an_old_handle_touches_nothing_after_the_close() {
    let mut left_frozen = 0;
    for nth in 1..8 {
        let sim = machine(None);
        let (db, _) = filled(&sim);
        let old = db.clone();
        sim.fail_nth(Operation::Sync, nth, Kind::NoSpace);
        if db.flush().is_ok() || db.close().is_err() {
            continue;
        }
        left_frozen += 1;
        let db = Db::open(sim.clone(), b"/db", options()).unwrap();
        for round in 0..3u8 {
            db.put(b"new", &[round], WriteLevel::Full).unwrap();
            db.flush().unwrap();
        }
        let before = tables(&sim, b"/db");
        assert_eq!(old.flush(), Err(Error::Closed));
        assert_eq!(old.maintain(), Err(Error::Closed));
        assert_eq!(tables(&sim, b"/db"), before);
        db.verify().unwrap();
        assert_eq!(db.get(b"new").unwrap().as_deref(), Some(&[2][..]));
    }
    assert!(left_frozen > 0);
}

#[test]
fn a_snapshot_that_outlives_the_close_removes_nothing_of_what_comes_after() {
    let sim = machine(None);
    let (db, _) = filled(&sim);
    db.flush().unwrap();
    db.backup(b"/backup", None).unwrap();
    let snapshot = db.snapshot().unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    for name in sim.disk_snapshot().list(b"/db").unwrap() {
        sim.remove_file(&[b"/db/", &name[..]].concat()).unwrap();
    }
    db::restore(sim.clone(), b"/backup", b"/db").unwrap();
    drop(snapshot);
    let db = Db::open(sim, b"/db", options()).unwrap();
    db.verify().unwrap();
}

#[test]
fn a_restored_database_shares_no_later_table_with_the_first_ones_backups() {
    let sim = machine(None);
    let write = |path: &[u8], value: &[u8]| {
        let db = Db::open(sim.clone(), path, options()).unwrap();
        db.put(b"k", value, WriteLevel::Full).unwrap();
        db.flush().unwrap();
        db
    };
    let db = write(b"/db", b"a");
    db.backup(b"/first", None).unwrap();
    db.close().unwrap();
    let db = write(b"/db", b"b");
    db.backup(b"/second", None).unwrap();
    db.close().unwrap();
    db::restore(sim.clone(), b"/first", b"/again").unwrap();
    let again = write(b"/again", b"c");
    again.backup(b"/third", Some(b"/second")).unwrap();
    db::restore(sim.clone(), b"/third", b"/last").unwrap();
    let last = Db::open(sim.clone(), b"/last", options()).unwrap();
    assert_eq!(last.get(b"k").unwrap().as_deref(), Some(&b"c"[..]));
    let itself = again.backup(b"/fourth", Some(b"/again"));
    assert!(matches!(itself, Err(Error::Invalid(_))));
}
