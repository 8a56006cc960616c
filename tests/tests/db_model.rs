//! The database against sorted maps: random operations and options, with reopen, flush, merge, clear, keyspaces that come and go, and
//! scans and snapshots that outlive all of it.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use proptest::prelude::*;
use std::collections::BTreeMap;
use underpin_core::db::{
    Batch, Compaction, Db, Error, KeyPrefix, KeyspaceId, Maintenance, Options, Scan, Snapshot,
    Tail, WriteLevel, repair,
};
use underpin_core::platform::Files;
use underpin_core::platform::sim::{Sim, SimOptions};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
/// The default keyspace, and others that may be there.
type Models = [Option<Model>; 3];

const NAMES: [&str; 3] = ["", "other", "third"];

#[derive(Clone, Debug)]
enum Write {
    Put(u8, u8, u16),
    Remove(u8),
    Merge(u8, u8),
    RemoveRange(u8, u8),
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, Write)>, WriteLevel),
    Ingest(usize, BTreeMap<u8, u8>),
    Get(usize, u8),
    CompareAndSet(u8, Option<u8>, bool),
    /// Checked at once, and again after later steps. The bits say which end is next.
    Scan(usize, Bound<u8>, Bound<u8>, u64),
    /// A tail from there on is added, and all of them are read to the end.
    Tail(Bound<u8>),
    Snapshot,
    DropKeyspace(usize),
    Flush,
    Maintain,
    Compact,
    Clear,
    Verify,
    Reopen,
    Drop,
    /// The manifest goes, or a bit of it, and a repair makes it anew; the logs may be needed for it. After a close, or a crash, of the program or
    /// the machine, of which logs are left that are needed no more.
    LoseManifest(bool, bool, bool, bool),
}

fn key(number: u8) -> Vec<u8> {
    // Keys with shared starts, of different lengths, the empty one among them.
    let mut key = b"a/shared/start/".to_vec();
    key.truncate(usize::from(number) % 17);
    if number != 0 {
        key.push(number);
    }
    key
}

fn bound(bound: Bound<u8>) -> Bound<Vec<u8>> {
    bound.map(key)
}

fn step() -> impl Strategy<Value = Step> {
    let level = prop_oneof![
        4 => Just(WriteLevel::Buffered),
        2 => Just(WriteLevel::Os),
        1 => Just(WriteLevel::Data),
        1 => Just(WriteLevel::Full),
    ];
    let value = prop_oneof![4 => 0..300u16, 1 => 300..9000u16];
    let write = prop_oneof![
        9 => (any::<u8>(), any::<u8>(), value).prop_map(|(key, byte, bytes)| Write::Put(key, byte, bytes)),
        3 => any::<u8>().prop_map(Write::Remove),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(key, byte)| Write::Merge(key, byte)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Write::RemoveRange(a, b)),
    ];
    let keyspace = || prop_oneof![3 => Just(0usize), 1 => Just(1), 1 => Just(2)];
    let write = (keyspace(), write);
    let edge = || {
        prop_oneof![
            any::<u8>().prop_map(Bound::Included),
            any::<u8>().prop_map(Bound::Excluded),
            Just(Bound::Unbounded)
        ]
    };
    prop_oneof![
        12 => (prop::collection::vec(write, 0..12), level).prop_map(|(w, l)| Step::Write(w, l)),
        1 => (keyspace(), prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..40))
            .prop_map(|(keyspace, pairs)| Step::Ingest(keyspace, pairs)),
        6 => (keyspace(), any::<u8>()).prop_map(|(keyspace, key)| Step::Get(keyspace, key)),
        2 => (any::<u8>(), any::<Option<u8>>(), any::<bool>()).prop_map(|(key, new, right)| Step::CompareAndSet(key, new, right)),
        4 => (keyspace(), edge(), edge(), any::<u64>())
            .prop_map(|(keyspace, start, end, ends)| Step::Scan(keyspace, start, end, ends)),
        2 => edge().prop_map(Step::Tail),
        2 => Just(Step::Snapshot),
        1 => (1..3usize).prop_map(Step::DropKeyspace),
        1 => Just(Step::Compact),
        2 => Just(Step::Flush),
        2 => Just(Step::Maintain),
        1 => Just(Step::Clear),
        1 => Just(Step::Verify),
        1 => Just(Step::Reopen),
        1 => Just(Step::Drop),
        1 => prop::array::uniform4(any::<bool>())
            .prop_map(|[gone, flush, crash, power]| Step::LoseManifest(gone, flush, crash, power)),
    ]
}

fn append(_: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>> {
    let mut merged = value.unwrap_or_default().to_vec();
    operands
        .iter()
        .for_each(|operand| merged.extend_from_slice(operand));
    Some(merged)
}

fn options() -> impl Strategy<Value = Options> {
    // A queue that drops nothing: what else it does differently is not to merge.
    let queue = Compaction::Fifo {
        bytes_max: u64::MAX,
        age_max: None,
    };
    let kinds = [Compaction::Leveled, Compaction::Tiered, queue];
    let shape = (
        2..5usize,
        2..5u64,
        0..8usize,
        any::<bool>(),
        0..3usize,
        0..4usize,
        0..4usize,
        any::<bool>(),
    );
    (shape, 0..3usize, 0..3usize, 0..3usize).prop_map(move |(shape, block, cache, log)| {
        let (tables, factor, compressed, caller, kind, separate, prefix, partitioned) = shape;
        let mut options = Options::default();
        options.memtable_bytes = 16 << 10;
        options.tables_max = tables;
        options.level_factor = factor;
        options.level_bytes = 16 << 10;
        options.table_bytes = 16 << 10;
        options.compressed_from = compressed;
        options.separate_from = [0, 16, 200, 1000][separate];
        options.block_bytes = [64, 256, 2000][block];
        options.cache_bytes = [0, 64 << 10, 1 << 20][cache];
        options.log_buffer_bytes = [0, 2 << 10, 64 << 10][log];
        options.log_preallocate_bytes = [0, 1000, 1 << 20][log];
        options.key_prefix = [
            None,
            Some(KeyPrefix::Length(5)),
            Some(KeyPrefix::Length(17)),
            Some(KeyPrefix::UpTo(b'/')),
        ][prefix];
        options.partitioned_from = if partitioned { 0 } else { 1 << 20 };
        options.merge_operator = Some(append);
        options.compaction = kinds[kind];
        if caller {
            options.maintenance = Maintenance::Caller;
        }
        options
    })
}

fn range(model: &Model, start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let contains = |key: &Vec<u8>| {
        (match start {
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
            Bound::Unbounded => true,
        }) && (match end {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        })
    };
    model
        .iter()
        .filter(|(key, _)| contains(key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// Reads a tail to its end: what the model has behind the place where it was.
fn follow(tail: &mut Tail<Sim>, from: &mut Bound<Vec<u8>>, model: &Model) {
    let expected = range(model, from, &Bound::Unbounded);
    let mut found = Vec::new();
    while let Some((key, value)) = tail.next().unwrap() {
        found.push((key.to_vec(), value.to_vec()));
    }
    assert_eq!(found, expected);
    assert_eq!(tail.next().unwrap(), None);
    if let Some((key, _)) = found.pop() {
        *from = Bound::Excluded(key);
    }
}

/// All of a scan, from the end that each bit says; the bits begin anew when they are used up.
fn collect(scan: &mut Scan<Sim>, ends: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    for bit in (0..64).cycle() {
        let from_back = ends >> bit & 1 == 1;
        let next = if from_back {
            scan.next_back()
        } else {
            scan.next()
        };
        let Some((key, value)) = next.unwrap() else {
            break;
        };
        let pair = (key.to_vec(), value.to_vec());
        if from_back {
            back.push(pair)
        } else {
            front.push(pair)
        }
    }
    assert_eq!(scan.next().unwrap(), None);
    assert_eq!(scan.next_back().unwrap(), None);
    front.extend(back.into_iter().rev());
    front
}

fn apply(models: &mut Models, keyspace: usize, write: &Write) {
    let model = models[keyspace].as_mut().unwrap();
    match *write {
        Write::Put(number, byte, bytes) => {
            model.insert(key(number), vec![byte; bytes.into()]);
        }
        Write::Remove(number) => {
            model.remove(&key(number));
        }
        Write::Merge(number, byte) => model.entry(key(number)).or_default().push(byte),
        Write::RemoveRange(a, b) => model.retain(|held, _| *held < key(a) || *held >= key(b)),
    }
}

fn batch_of(db: &Db<Sim>, writes: &[(usize, Write)], models: &mut Models) -> Batch {
    let mut batch = Batch::new();
    for (keyspace, write) in writes {
        models[*keyspace].get_or_insert_default();
        batch.select(db.keyspace(NAMES[*keyspace]).unwrap().id());
        match *write {
            Write::Put(number, byte, bytes) => {
                batch.put(&key(number), &vec![byte; bytes.into()]).unwrap();
            }
            Write::Remove(number) => batch.remove(&key(number)).unwrap(),
            Write::Merge(number, byte) => batch.merge(&key(number), &[byte]).unwrap(),
            Write::RemoveRange(a, b) => batch.remove_range(&key(a), &key(b)).unwrap(),
        }
        apply(models, *keyspace, write);
    }
    batch
}

fn check_snapshot(snapshot: &Snapshot<Sim>, ids: &[Option<KeyspaceId>; 3], models: &Models) {
    for (id, model) in ids.iter().zip(models) {
        let (Some(id), Some(model)) = (id, model) else {
            continue;
        };
        let mut scan = snapshot
            .scan_in(*id, Bound::Unbounded, Bound::Unbounded)
            .unwrap();
        assert_eq!(
            collect(&mut scan, 0),
            range(model, &Bound::Unbounded, &Bound::Unbounded)
        );
        for number in [0, 1, 100, 255] {
            let found = snapshot.get_in(*id, &key(number)).unwrap();
            assert_eq!(found.as_ref(), model.get(&key(number)));
        }
        // In no order, and some twice.
        let keys: Vec<_> = (0..200u8).map(|at| key(at.wrapping_mul(77) | 1)).collect();
        let found = snapshot.multi_get_in(*id, &keys).unwrap();
        let expected: Vec<_> = keys.iter().map(|key| model.get(key).cloned()).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(
        snapshot.count().unwrap(),
        models[0].as_ref().unwrap().len() as u64
    );
}

fn ids(db: &Db<Sim>, models: &Models) -> [Option<KeyspaceId>; 3] {
    core::array::from_fn(|at| {
        models[at].as_ref()?;
        Some(db.keyspace(NAMES[at]).unwrap().id())
    })
}

#[expect(clippy::too_many_lines, reason = "one arm a step")]
fn run(seed: u64, options: &Options, steps: Vec<Step>) {
    let mut sim = Sim::new(SimOptions::new(seed));
    let open = |sim: &Sim| Db::open(sim.clone(), b"/db", options.clone()).unwrap();
    let mut db = open(&sim);
    // Whether a crash may leave files of what was dropped.
    let mut dropped = false;
    // Names that were removed may be there again after a power loss, whatever was opened meanwhile.
    let mut ever_dropped = false;
    let mut models: Models = [Some(Model::new()), None, None];
    let mut scans = Vec::new();
    let mut tails = Vec::new();
    let mut snapshots = Vec::new();
    for step in steps {
        match step {
            Step::Write(writes, level) => {
                let batch = batch_of(&db, &writes, &mut models);
                db.write(&batch, level).unwrap();
            }
            Step::Ingest(at, pairs) => {
                let model = models[at].get_or_insert_default();
                let pairs = pairs.iter();
                let pairs = pairs.map(|(&number, &byte)| (key(number), vec![byte; 100]));
                let pairs = pairs.collect::<Model>();
                let keyspace = db.keyspace(NAMES[at]).unwrap();
                assert_eq!(keyspace.ingest(&pairs), Ok(pairs.len() as u64));
                model.extend(pairs);
            }
            Step::Get(at, number) => {
                if let Some(model) = &models[at] {
                    let found = db.keyspace(NAMES[at]).unwrap().get(&key(number)).unwrap();
                    assert_eq!(found.as_ref(), model.get(&key(number)));
                }
            }
            Step::CompareAndSet(number, new, right) => {
                let model = models[0].as_mut().unwrap();
                let held = model.get(&key(number)).cloned();
                let expected = if right {
                    held.clone()
                } else {
                    Some(b"stranger".to_vec())
                };
                let new = new.map(|byte| vec![byte; 9]);
                let level = WriteLevel::Buffered;
                let set = db
                    .compare_and_set(&key(number), expected.as_deref(), new.as_deref(), level)
                    .unwrap();
                assert_eq!(set, right);
                match new {
                    Some(value) if set => drop(model.insert(key(number), value)),
                    None if set => drop(model.remove(&key(number))),
                    _ => {}
                }
            }
            Step::Scan(at, start, end, ends) => {
                let Some(model) = &models[at] else {
                    continue;
                };
                let (start, end) = (bound(start), bound(end));
                let expected = range(model, &start, &end);
                let keyspace = db.keyspace(NAMES[at]).unwrap();
                let scan = || {
                    let start = start.as_ref().map(Vec::as_slice);
                    keyspace
                        .scan(start, end.as_ref().map(Vec::as_slice))
                        .unwrap()
                };
                assert_eq!(collect(&mut scan(), ends), expected);
                scans.push((scan(), ends, expected));
            }
            Step::Tail(from) => {
                let from = bound(from);
                let start = from.as_ref().map(Vec::as_slice);
                if tails.len() == 4 {
                    tails.remove(1);
                }
                tails.push((db.tail(start, Bound::Unbounded), from));
                for (tail, from) in &mut tails {
                    follow(tail, from, models[0].as_ref().unwrap());
                }
            }
            Step::Snapshot => {
                let ids = ids(&db, &models);
                snapshots.push((db.snapshot().unwrap(), ids, models.clone()));
            }
            Step::DropKeyspace(at) => {
                if models[at].take().is_some() {
                    let keyspace = db.keyspace(NAMES[at]).unwrap();
                    db.drop_keyspace(keyspace.id()).unwrap();
                    (dropped, ever_dropped) = (true, true);
                    assert_eq!(keyspace.get(b"k"), Err(Error::NoKeyspace));
                    let put = keyspace.put(b"k", b"v", WriteLevel::Os);
                    assert_eq!(put, Err(Error::NoKeyspace));
                }
            }
            Step::Flush => db.flush().unwrap(),
            Step::Maintain => {
                db.maintain().unwrap();
                assert!(!db.maintenance_needed());
            }
            Step::Compact => {
                db.compact().unwrap();
                let stats = db.stats();
                let keys = models.iter().flatten().map(|model| model.len() as u64);
                if !matches!(options.compaction, Compaction::Fifo { .. }) {
                    assert_eq!(stats.tables, stats.level_tables[6]);
                    assert_eq!(stats.keys_estimated, keys.sum::<u64>());
                }
            }
            Step::Clear => {
                db.clear().unwrap();
                (dropped, ever_dropped) = (true, true);
                models.iter_mut().flatten().for_each(Model::clear);
            }
            Step::Verify => {
                db.verify().unwrap();
            }
            Step::Reopen => {
                tails.clear();
                db.close().unwrap();
                db = open(&sim);
                dropped = false;
            }
            Step::Drop => {
                tails.clear();
                // Scans hold no lock on the directory: it is free once the last handle is gone.
                drop(db);
                db = open(&sim);
                dropped = false;
            }
            Step::LoseManifest(gone, flush, crash, power) => {
                tails.clear();
                scans.clear();
                snapshots.clear();
                if dropped || !crash {
                    // What was dropped, or a snapshot holds beyond the close, the next open removes.
                    db.close().unwrap();
                    db = open(&sim);
                    dropped = false;
                }
                // A keyspace's name is in its tables alone.
                if flush || models[1..].iter().any(Option::is_some) {
                    db.flush().unwrap();
                }
                if crash {
                    let (key, value) = (key(7), b"after".to_vec());
                    db.put(&key, &value, WriteLevel::Full).unwrap();
                    models[0].get_or_insert_default().insert(key, value);
                    let mut options = SimOptions::new(seed);
                    if power && !ever_dropped {
                        sim.power_loss();
                    } else {
                        sim.kill();
                    }
                    options.disk = Some(sim.disk_snapshot());
                    drop(db);
                    sim = Sim::new(options);
                } else {
                    db.close().unwrap();
                }
                match gone {
                    true => sim.remove_file(b"/db/MANIFEST").unwrap(),
                    false => sim.flip_bit(b"/db/MANIFEST", 20, 3).unwrap(),
                }
                match repair(sim.clone(), b"/db", options) {
                    Ok(report) => assert!(report.manifest_rebuilt && report.tables_lost == 0),
                    Err(Error::NotADatabase) => {
                        assert!(models.iter().flatten().all(Model::is_empty))
                    }
                    Err(error) => panic!("{error}"),
                }
                db = open(&sim);
                // Of one that was dropped the logs may still tell.
                for name in db.keyspace_names().unwrap() {
                    if name.starts_with("recovered-") {
                        let dropped = db.keyspace(&name).unwrap().id();
                        db.drop_keyspace(dropped).unwrap();
                        ever_dropped = true;
                    }
                }
                for (name, model) in NAMES.iter().zip(&models) {
                    let Some(model) = model else { continue };
                    let keyspace = db.keyspace(name).unwrap();
                    let mut scan = keyspace.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
                    let all = range(model, &Bound::Unbounded, &Bound::Unbounded);
                    assert_eq!(collect(&mut scan, 0), all);
                }
            }
        }
        let stats = db.stats();
        let inline = options.maintenance == Maintenance::Inline;
        let tables = options.tables_max as u64 * if inline { 1 } else { 3 };
        let queue = matches!(options.compaction, Compaction::Fifo { .. });
        // With several keyspaces, each has as many.
        assert!(
            queue || stats.level_tables[0] <= (tables + 1) * stats.keyspaces,
            "{stats:?}"
        );
        assert!(
            stats.memtable_bytes <= 3 * (16 << 10) + 200_000,
            "{stats:?}"
        );
        let mut check = |(mut scan, ends, expected)| assert_eq!(collect(&mut scan, ends), expected);
        if scans.len() >= 8 {
            scans.drain(..4).for_each(&mut check);
        }
        if snapshots.len() >= 4 {
            let (snapshot, ids, models) = snapshots.remove(1);
            check_snapshot(&snapshot, &ids, &models);
        }
    }
    for (mut scan, ends, expected) in scans {
        assert_eq!(collect(&mut scan, ends), expected);
    }
    for (snapshot, ids, models) in &snapshots {
        check_snapshot(snapshot, ids, models);
    }
    check_snapshot(&db.snapshot().unwrap(), &ids(&db, &models), &models);
    db.verify().unwrap();
    drop((snapshots, tails));
    db.close().unwrap();
    assert_eq!(sim.leaks().handles, 0, "every file is closed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn the_database_does_what_sorted_maps_do(
        seed in any::<u64>(),
        options in options(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        run(seed, &options, steps);
    }
}
