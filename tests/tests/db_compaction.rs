//! Ways to make tables fewer besides levels: runs of like size, and a queue that forgets.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::time::Duration;
use std::collections::BTreeMap;
use underpin_core::db::{Compaction, Db, Error, Maintenance, Options, WriteLevel};
use underpin_core::platform::sim::{Sim, SimFaults, SimOptions};
use underpin_core::platform::{Clock, ClockId, Park};
use underpin_core::sync::atomic::AtomicU32;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn machine() -> Sim {
    Sim::new(SimOptions::new(5).with_faults(SimFaults::none()))
}

fn options(compaction: Compaction) -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 16 << 10;
    options.tables_max = 4;
    options.table_bytes = 16 << 10;
    options.level_bytes = 32 << 10;
    // So that bytes are comparable: levels compress from the second on, tiers their oldest run.
    options.compressed_from = 7;
    options.compaction = compaction;
    options
}

fn open(sim: &Sim, compaction: Compaction) -> Db<Sim> {
    Db::open(sim.clone(), b"/db", options(compaction)).unwrap()
}

fn contents(db: &Db<Sim>) -> Model {
    let mut scan = db.scan_prefix(b"").unwrap();
    let mut model = Model::new();
    while let Some((key, value)) = scan.next().unwrap() {
        model.insert(key.to_vec(), value.to_vec());
    }
    model
}

/// Puts over some hundred keys at random.
fn overwrite(db: &Db<Sim>, model: &mut Model, numbers: core::ops::Range<u32>) {
    for number in numbers {
        let key = (number.wrapping_mul(2_654_435_761) >> 8).to_be_bytes()[1..].to_vec();
        let value = [number.to_le_bytes(); 30].as_flattened().to_vec();
        db.put(&key, &value, WriteLevel::Buffered).unwrap();
        model.insert(key, value);
    }
}

#[test]
fn reads_that_meet_many_tables_have_them_merged_and_writes_alone_do_not() {
    let sim = machine();
    let mut caller = options(Compaction::Leveled);
    caller.maintenance = Maintenance::Caller;
    let db = Db::open(sim, b"/db", caller).unwrap();
    let mut model = Model::new();
    let flush = |model: &mut Model, number: u32| {
        overwrite(&db, model, number * 20..number * 20 + 20);
        db.flush().unwrap();
    };
    let level0 = || db.stats().level_tables[0];
    flush(&mut model, 0);
    // One table costs reads nothing that a merge would spare.
    (0..20_000).for_each(|_| drop(db.get(b"absent").unwrap()));
    assert!(!db.maintenance_needed());
    flush(&mut model, 1);
    flush(&mut model, 2);
    assert!(!db.maintenance_needed() && level0() == 3);
    let reads = (0..20_000).take_while(|_| {
        db.get(b"absent").unwrap();
        !db.maintenance_needed()
    });
    let reads = reads.count();
    assert!((100..10_000).contains(&reads), "{reads}");
    db.maintain().unwrap();
    assert!(!db.maintenance_needed() && level0() == 0);
    assert_eq!(contents(&db), model);
}

#[test]
fn tiers_rewrite_less_than_levels_and_hold_the_same() {
    let written = |compaction| {
        let sim = machine();
        let db = open(&sim, compaction);
        let mut model = Model::new();
        overwrite(&db, &mut model, 0..12_000);
        let stats = db.stats();
        assert!(stats.level_tables[0] <= 5, "{stats:?}");
        assert_eq!(contents(&db), model);
        db.verify().unwrap();
        (stats.merge_bytes_written, db, sim, model)
    };
    let (leveled, ..) = written(Compaction::Leveled);
    let (tiered, db, sim, mut model) = written(Compaction::Tiered);
    assert!(tiered * 3 < leveled * 2, "{tiered} against {leveled}");
    assert_eq!(db.stats().level_tables[1..], [0; 6]);
    db.close().unwrap();
    // The other way round, and back.
    for compaction in [Compaction::Leveled, Compaction::Tiered] {
        let db = open(&sim, compaction);
        assert_eq!(contents(&db), model);
        overwrite(&db, &mut model, 20_000..21_000);
        assert_eq!(contents(&db), model);
        db.compact().unwrap();
        overwrite(&db, &mut model, 30_000..33_000);
        assert_eq!(contents(&db), model);
        db.close().unwrap();
    }
}

#[test]
fn a_queue_forgets_its_oldest_when_it_is_full() {
    let bytes_max = 200 << 10;
    let sim = machine();
    let db = open(
        &sim,
        Compaction::Fifo {
            bytes_max,
            age_max: None,
        },
    );
    for number in 0..6000u32 {
        db.put(&number.to_be_bytes(), &[7; 100], WriteLevel::Buffered)
            .unwrap();
    }
    let stats = db.stats();
    assert!(
        stats.table_bytes <= bytes_max && stats.drops > 10,
        "{stats:?}"
    );
    assert_eq!((stats.merges, stats.merge_bytes_written), (0, 0));
    let held = contents(&db);
    let first = held.keys().next().unwrap().clone();
    assert!(first > 3000u32.to_be_bytes().to_vec());
    let whole = (u32::from_be_bytes(first.try_into().unwrap())..6000).map(|key| key.to_be_bytes());
    assert!(
        whole.eq(held
            .into_keys()
            .map(|key| <[u8; 4]>::try_from(key).unwrap()))
    );
    db.compact().unwrap();
    assert_eq!(db.stats().merges, 0, "a queue is not merged");
    db.verify().unwrap();
    db.close().unwrap();
    // What was dropped is gone for good.
    let db = open(&sim, Compaction::Leveled);
    assert_eq!(db.get(&0u32.to_be_bytes()).unwrap(), None);
    db.verify().unwrap();
}

#[test]
fn a_manual_compaction_of_a_queue_drops_what_is_over_its_bounds() {
    let sim = machine();
    let queue = |bytes_max| Compaction::Fifo {
        bytes_max,
        age_max: None,
    };
    let db = open(&sim, queue(1 << 40));
    for key in 0..50u8 {
        db.put(&[key], &[key; 100], WriteLevel::Os).unwrap();
        db.flush().unwrap();
    }
    db.close().unwrap();
    let db = open(&sim, queue(4 << 10));
    db.put(b"new", b"value", WriteLevel::Os).unwrap();
    db.compact().unwrap();
    let left = contents(&db);
    assert!(left.len() < 50 && left.contains_key(&b"new"[..]));
    db.close().unwrap();
    let mut options = Options::default();
    options.compaction = queue(0);
    let nothing = Db::open(sim, b"/db", options);
    assert!(matches!(nothing, Err(Error::Invalid(_))));
}

#[test]
fn a_queue_forgets_what_is_too_old() {
    let sim = machine();
    let db = open(
        &sim,
        Compaction::Fifo {
            bytes_max: 1 << 40,
            age_max: Some(Duration::from_secs(3600)),
        },
    );
    db.put(b"old", b"value", WriteLevel::Os).unwrap();
    db.flush().unwrap();
    let wait = |minutes: u64| {
        let now = sim.now(ClockId::Monotonic);
        let until = now.saturating_add(Duration::from_secs(60 * minutes));
        while sim.now(ClockId::Monotonic) < until {
            sim.wait(&AtomicU32::new(0), 0, Some(until));
        }
    };
    wait(40);
    db.put(b"new", b"value", WriteLevel::Os).unwrap();
    db.flush().unwrap();
    assert_eq!(contents(&db).len(), 2);
    wait(40);
    db.maintain().unwrap();
    assert_eq!(contents(&db).into_keys().next().unwrap(), b"new");
    assert_eq!(contents(&db).len(), 1);
}

#[test]
fn a_scan_from_behind_a_key_never_begins_with_it() {
    let sim = machine();
    let mut options = options(Compaction::Leveled);
    (options.level_bytes, options.level_factor) = (16 << 10, 2);
    let db = Db::open(sim, b"/db", options).unwrap();
    let key = |number: u32| format!("key{number:05}").into_bytes();
    let fill = |numbers: core::ops::Range<u32>, step| {
        for number in numbers.step_by(step) {
            db.put(&key(number), &[7; 100], WriteLevel::Buffered)
                .unwrap();
        }
    };
    fill(0..2000, 1);
    db.compact().unwrap();
    assert!(db.stats().level_tables[6] > 4);
    // Over a level that is full, so that the tables of the one above are cut within the range that each of them removes.
    db.remove_range(&key(0), &key(9999), WriteLevel::Buffered)
        .unwrap();
    for start in 0..8 {
        fill(start * 100..1500, 7);
        db.flush().unwrap();
    }
    let stats = db.stats();
    assert!(
        stats.level_tables[1..6].iter().any(|&tables| tables > 1),
        "{stats:?}"
    );
    let keys: Vec<_> = contents(&db).into_keys().collect();
    let bound = |key| core::ops::Bound::Excluded(key);
    for (index, key) in keys.iter().enumerate() {
        let mut scan = db
            .scan(bound(&key[..]), core::ops::Bound::Unbounded)
            .unwrap();
        let after = scan.next().unwrap().map(|(key, _)| key.to_vec());
        assert_eq!(after.as_ref(), keys.get(index + 1));
        let mut scan = db
            .scan(core::ops::Bound::Unbounded, bound(&key[..]))
            .unwrap();
        let before = scan.next_back().unwrap().map(|(key, _)| key.to_vec());
        assert_eq!(
            before.as_ref(),
            index.checked_sub(1).map(|index| &keys[index])
        );
    }
}

/// What a tool of another program's database may do to it: the tables of a queue stay, and many small ones become one.
#[test]
fn only_the_newest_small_tables_are_merged_for_a_tool() {
    let sim = machine();
    let db = open(
        &sim,
        Compaction::Fifo {
            bytes_max: 1 << 40,
            age_max: None,
        },
    );
    let mut model = Model::new();
    overwrite(&db, &mut model, 0..2000);
    db.flush().unwrap();
    let large = db.stats().level_tables[0];
    assert!(large > 8, "{large}");
    db.close().unwrap();
    for number in 0..40u32 {
        let db = open(&sim, Compaction::Newest);
        overwrite(&db, &mut model, number..number + 1);
        db.close().unwrap();
        let db = open(&sim, Compaction::Newest);
        let tables = db.stats().level_tables;
        assert!((large..=large + 5).contains(&tables[0]), "{tables:?}");
        assert_eq!(tables[1..], [0; 6]);
        assert_eq!(contents(&db), model);
        assert!(db.stats().merge_bytes_written < 16 << 10);
        db.verify().unwrap();
    }
}
