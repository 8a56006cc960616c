//! Ingest: sorted pairs straight into tables, into the last level where nothing is in the way, all of them or none.
#![allow(clippy::unwrap_used, reason = "a test")]

use core::ops::{Bound, ControlFlow};
use underpin_core::db::{Compaction, Db, Error, Options, WriteLevel};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{DirectoryEntry, Files};
use underpin_core::{Kind, Operation};

fn machine() -> Sim {
    Sim::new(SimOptions::new(1).with_faults(SimFaults::none()))
}

fn small() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 64 << 10;
    options.table_bytes = 16 << 10;
    options.compressed_from = 7;
    options
}

fn pairs(numbers: core::ops::Range<u32>) -> impl Iterator<Item = ([u8; 4], [u8; 100])> {
    numbers.map(|number| (number.to_be_bytes(), [number as u8; 100]))
}

fn count(db: &Db<Sim>) -> usize {
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    let mut count = 0;
    while scan.next().unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_first_load_lies_in_the_last_level_and_passes_the_log() {
    let sim = machine();
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    assert_eq!(db.ingest(pairs(0..1000)), Ok(1000));
    let stats = db.stats();
    assert!(stats.level_tables[6] > 3, "{stats:?}");
    assert_eq!(stats.tables, stats.level_tables[6]);
    assert!(stats.log_bytes < 1000, "{stats:?}");
    // Beside the first ones, and where there is room between.
    assert_eq!(db.ingest(pairs(5000..5100)), Ok(100));
    assert_eq!(db.ingest(pairs(2000..2100)), Ok(100));
    let stats = db.stats();
    // Besides, the write that gave each its number.
    assert!(stats.level_tables[0] <= 2, "{stats:?}");
    assert_eq!(stats.tables, stats.level_tables[6] + stats.level_tables[0]);
    assert_eq!(db.ingest(pairs(0..0)), Ok(0));
    db.verify().unwrap();
    // What was acknowledged is there after a loss of power.
    let disk = sim.disk_snapshot().after_power_loss(7);
    let mut options = SimOptions::new(2);
    options.disk = Some(disk);
    let db = Db::open(Sim::new(options), b"/db", small()).unwrap();
    assert_eq!(count(&db), 1200);
    assert_eq!(
        db.get(&2050u32.to_be_bytes()).unwrap(),
        Some([2050u32 as u8; 100].to_vec())
    );
}

#[test]
fn pairs_replace_what_was_there_and_are_replaced_by_what_comes_later() {
    for compaction in [
        Compaction::Leveled,
        Compaction::Tiered,
        Compaction::Fifo {
            bytes_max: u64::MAX,
            age_max: None,
        },
    ] {
        let mut options = small();
        options.compaction = compaction;
        let db = Db::open(machine(), b"/db", options).unwrap();
        let key = |number: u32| number.to_be_bytes();
        db.put(&key(3), b"older", WriteLevel::Os).unwrap();
        db.remove(&key(4), WriteLevel::Os).unwrap();
        let snapshot = db.snapshot().unwrap();
        let transaction = {
            let mut transaction = db.transaction().unwrap();
            assert_eq!(transaction.get(&key(5)), Ok(None));
            transaction.put(b"seen", b"nothing").unwrap();
            transaction
        };
        assert_eq!(db.ingest(pairs(0..10)), Ok(10));
        assert_eq!(db.get(&key(3)).unwrap(), Some([3; 100].to_vec()));
        assert_eq!(db.get(&key(4)).unwrap(), Some([4; 100].to_vec()));
        assert_eq!(
            snapshot.get(&key(3)).unwrap().as_deref(),
            Some(&b"older"[..])
        );
        assert_eq!(snapshot.count(), Ok(1));
        assert_eq!(transaction.commit(WriteLevel::Os), Err(Error::Conflict));
        db.put(&key(3), b"newer", WriteLevel::Os).unwrap();
        db.remove_range(&key(6), &key(9), WriteLevel::Os).unwrap();
        db.compact().unwrap();
        assert_eq!(db.get(&key(3)).unwrap().as_deref(), Some(&b"newer"[..]));
        assert_eq!(count(&db), 7);
    }
}

fn tables(sim: &Sim) -> u64 {
    let mut tables = 0;
    let visit = &mut |entry: DirectoryEntry<'_>| {
        tables += u64::from(entry.name.ends_with(b".table"));
        ControlFlow::Continue(())
    };
    sim.list(b"/db", visit).unwrap();
    tables
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let sim = machine();
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    db.put(b"held", b"1", WriteLevel::Full).unwrap();
    let unsorted = [(b"b", b"1"), (b"a", b"1")];
    assert!(matches!(db.ingest(unsorted), Err(Error::Invalid(_))));
    let twice = [(b"a", b"1"), (b"a", b"1")];
    assert!(matches!(db.ingest(twice), Err(Error::Invalid(_))));
    let long = [(vec![0; (64 << 10) + 1], b"1")];
    assert!(matches!(db.ingest(long), Err(Error::Limit { .. })));
    // What was written before is in tables already.
    assert_eq!(tables(&sim), db.stats().tables);
    assert_eq!(count(&db), 1);
}

#[test]
fn a_full_disk_leaves_nothing_behind_either() {
    let mut poisoned = 0;
    for nth in 1.. {
        let sim = machine();
        let db = Db::open(sim.clone(), b"/db", small()).unwrap();
        db.put(b"held", b"1", WriteLevel::Full).unwrap();
        sim.fail_nth(Operation::WriteAt, nth, Kind::NoSpace);
        let Err(error) = db.ingest(pairs(0..1000)) else {
            assert!(nth > 6, "{nth}");
            break;
        };
        assert!(matches!(error, Error::Io { .. }), "{nth}: {error}");
        assert_eq!(tables(&sim), db.stats().tables, "{nth}");
        assert_eq!(db.get(&1u32.to_be_bytes()), Ok(None), "{nth}");
        if db.is_poisoned() {
            poisoned += 1;
            continue;
        }
        assert_eq!(db.ingest(pairs(0..1000)), Ok(1000), "{nth}");
        assert_eq!(count(&db), 1001, "{nth}");
        db.close().unwrap();
        assert_eq!(db_closed(&sim), 1001, "{nth}");
    }
    // The seal of the log, without which no later write may count.
    assert_eq!(poisoned, 1);
}

fn db_closed(sim: &Sim) -> usize {
    let db = Db::open(sim.clone(), b"/db", small()).unwrap();
    db.verify().unwrap();
    count(&db)
}
