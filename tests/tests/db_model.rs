//! The database against a sorted map: random operations with reopen, flush, merge, clear and scans that outlive them.
#![allow(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use proptest::prelude::*;
use std::collections::BTreeMap;
use underpin_core::db::{Batch, Db, Maintenance, Options, WriteLevel};
use underpin_core::platform::sim::{Sim, SimOptions};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, Option<(u8, u16)>)>, WriteLevel),
    Get(u8),
    /// Checked at once, and again after later steps.
    Scan(Bound<u8>, Bound<u8>),
    Flush,
    Maintain,
    Clear,
    Verify,
    Reopen,
    Drop,
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
    let write = (
        any::<u8>(),
        proptest::option::weighted(0.75, (any::<u8>(), value)),
    );
    let edge = || {
        prop_oneof![
            any::<u8>().prop_map(Bound::Included),
            any::<u8>().prop_map(Bound::Excluded),
            Just(Bound::Unbounded)
        ]
    };
    prop_oneof![
        12 => (prop::collection::vec(write, 0..12), level).prop_map(|(w, l)| Step::Write(w, l)),
        6 => any::<u8>().prop_map(Step::Get),
        4 => (edge(), edge()).prop_map(|(start, end)| Step::Scan(start, end)),
        2 => Just(Step::Flush),
        2 => Just(Step::Maintain),
        1 => Just(Step::Clear),
        1 => Just(Step::Verify),
        1 => Just(Step::Reopen),
        1 => Just(Step::Drop),
    ]
}

fn options(caller: bool) -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 16 << 10;
    options.tables_max = 3;
    options.block_bytes = 256;
    options.cache_bytes = 64 << 10;
    options.log_buffer_bytes = 2 << 10;
    options.maintenance = if caller {
        Maintenance::Caller
    } else {
        Maintenance::Inline
    };
    options
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

fn collect(scan: &mut underpin_core::db::Scan<Sim>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    while let Some((key, value)) = scan.next().unwrap() {
        pairs.push((key.to_vec(), value.to_vec()));
    }
    assert_eq!(scan.next().unwrap(), None);
    pairs
}

fn run(seed: u64, caller: bool, steps: Vec<Step>) {
    let sim = Sim::new(SimOptions::new(seed));
    let open = || Db::open(sim.clone(), b"/db", options(caller)).unwrap();
    let mut db = open();
    let mut model = Model::new();
    let mut kept = Vec::new();
    for step in steps {
        match step {
            Step::Write(writes, level) => {
                let mut batch = Batch::new();
                for (number, value) in writes {
                    match value {
                        Some((byte, bytes)) => {
                            let value = vec![byte; bytes.into()];
                            batch.put(&key(number), &value).unwrap();
                            model.insert(key(number), value);
                        }
                        None => {
                            batch.remove(&key(number)).unwrap();
                            model.remove(&key(number));
                        }
                    }
                }
                db.write(&batch, level).unwrap();
            }
            Step::Get(number) => {
                assert_eq!(
                    db.get(&key(number)).unwrap().as_ref(),
                    model.get(&key(number))
                );
            }
            Step::Scan(start, end) => {
                let (start, end) = (bound(start), bound(end));
                let expected = range(&model, &start, &end);
                let scan = || {
                    let start = start.as_ref().map(Vec::as_slice);
                    db.scan(start, end.as_ref().map(Vec::as_slice)).unwrap()
                };
                assert_eq!(collect(&mut scan()), expected);
                kept.push((scan(), expected));
            }
            Step::Flush => db.flush().unwrap(),
            Step::Maintain => {
                db.maintain().unwrap();
                assert!(!db.maintenance_needed());
            }
            Step::Clear => {
                db.clear().unwrap();
                model.clear();
            }
            Step::Verify => {
                db.verify().unwrap();
            }
            Step::Reopen => {
                db.close().unwrap();
                db = open();
            }
            Step::Drop => {
                // Scans hold no lock on the directory: it is free once the last handle is gone.
                drop(db);
                db = open();
            }
        }
        let stats = db.stats();
        let tables = if caller { 9 } else { 4 };
        assert!(stats.tables <= tables, "{stats:?}");
        assert!(
            stats.memtable_bytes <= 3 * (16 << 10) + 200_000,
            "{stats:?}"
        );
        assert!(kept.len() < 8 || kept.drain(..4).all(|(mut s, e)| collect(&mut s) == e));
    }
    for (mut scan, expected) in kept {
        assert_eq!(collect(&mut scan), expected);
    }
    let mut all = db.scan(Bound::Unbounded, Bound::Unbounded).unwrap();
    assert_eq!(
        collect(&mut all),
        range(&model, &Bound::Unbounded, &Bound::Unbounded)
    );
    db.verify().unwrap();
    drop(all);
    db.close().unwrap();
    assert_eq!(sim.leaks().handles, 0, "every file is closed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_database_does_what_a_sorted_map_does(
        seed in any::<u64>(),
        caller in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(seed, caller, steps);
    }
}
