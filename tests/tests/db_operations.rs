//! Operations on a database in use or out of order: checkpoints, reading beside a writer, repair.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use std::collections::BTreeMap;
use underpin_core::db::{self, Batch, Db, Error, FileName, Options, WriteLevel};
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
                Err(Error::Corrupt(corruption)) => {
                    assert_eq!(
                        (name, corruption.file),
                        (FileName::Manifest, FileName::Manifest)
                    );
                    continue;
                }
                Err(error) => panic!("{name} at {offset}: {error}"),
            };
            let db = Db::open(sim.clone(), b"/db", options()).unwrap();
            db.verify().unwrap();
            let found = contents(&db).unwrap();
            assert!(
                found.len() > model.len() / 3,
                "{name} at {offset}: {report:?}"
            );
            if report.is_whole() {
                assert_eq!(found.len(), model.len() + 1, "{name} at {offset}");
            } else {
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
            FileName::Table(_) => sim.remove_file(&path(name)).unwrap(),
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
