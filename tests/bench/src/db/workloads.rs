//! The workloads that stores are compared by: fills, overwrites, scans, reads beside a writer, and YCSB's six mixes.
//!
//! Each round works on a store that the subject's first round has filled, where the workload needs one; every value that is read is
//! checked, and every scan counts.

use super::embedded::{SIZES, case, fill, fresh, pair};
use super::store::{Level, Open, Pair, Store};
use crate::case::{Case, Run, Settings};
use crate::cost::Watch;
use crate::random::{key, looks_right, mix};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A share of operations, by YCSB's letters.
#[derive(Clone, Copy, Debug)]
struct Mix {
    name: &'static str,
    what: &'static str,
    reads: u64,
    updates: u64,
    inserts: u64,
    /// The rest of the hundred are reads of a pair followed by its update.
    scans: u64,
    /// Reads go to what was inserted lately.
    latest: bool,
}

const NOTHING: Mix = Mix {
    name: "",
    what: "",
    reads: 0,
    updates: 0,
    inserts: 0,
    scans: 0,
    latest: false,
};

const YCSB: [Mix; 6] = [
    Mix {
        name: "ycsb a",
        what: "half reads, half updates",
        reads: 50,
        updates: 50,
        ..NOTHING
    },
    Mix {
        name: "ycsb b",
        what: "95 % reads, 5 % updates",
        reads: 95,
        updates: 5,
        ..NOTHING
    },
    Mix {
        name: "ycsb c",
        what: "reads alone",
        reads: 100,
        ..NOTHING
    },
    Mix {
        name: "ycsb d",
        what: "95 % reads of late keys, 5 % inserts",
        reads: 95,
        inserts: 5,
        latest: true,
        ..NOTHING
    },
    Mix {
        name: "ycsb e",
        what: "95 % scans of up to 100 pairs, 5 % inserts",
        scans: 95,
        inserts: 5,
        ..NOTHING
    },
    Mix {
        name: "ycsb f",
        what: "half reads, half read, changed and written",
        reads: 50,
        ..NOTHING
    },
];

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let many = settings.operations(200_000, 20_000);
    let few = settings.operations(50_000, 4_000);
    let mut cases = vec![
        case(
            "fill in key order",
            &format!("{many} puts, one by one, in key order; {SIZES}"),
            filling(many, 100),
        ),
        case(
            "fill, 8 writers, synced",
            &format!(
                "{} puts by 8 threads, each synced when it returns; {SIZES}",
                settings.operations(8_000, 400)
            ),
            synced_by_threads(settings.operations(8_000, 400), 1),
        ),
        case(
            "fill, 8 writers, batches of 100, synced",
            &format!(
                "{} puts by 8 threads in atomic batches of 100, each synced when it returns; {SIZES}",
                settings.operations(200_000, 16_000)
            ),
            synced_by_threads(settings.operations(200_000, 16_000), 100),
        ),
        case(
            "fill, values of 16 bytes",
            &format!("{many} puts, one by one, in key order, values of 16 bytes; {SIZES}"),
            filling(many, 16),
        ),
        case(
            "fill, values of 1 KiB",
            &format!("puts, one by one, in key order, values of 1 KiB; {SIZES}"),
            filling(settings.operations(50_000, 5_000), 1 << 10),
        ),
        case(
            "fill, values of 64 KiB",
            &format!(
                "puts, one by one, in key order, values of 64 KiB that do not compress; {SIZES}"
            ),
            filling(settings.operations(2_000, 300), 64 << 10),
        ),
        case(
            "overwrite",
            &format!(
                "{many} puts over {many} pairs, one by one; each is with the system when it returns, save redb's and sled's; {SIZES}"
            ),
            kept(many, move |store, round| {
                for step in 0..many {
                    let index = mix(step ^ round << 32) % many;
                    store.put(&pair(index), Level::Os)?;
                }
                Ok(many)
            }),
        ),
        case(
            "seek and 50 next",
            &format!(
                "scans of 51 pairs from random keys on, {many} pairs; an operation is a pair; {SIZES}"
            ),
            kept(many, move |store, round| {
                let mut seen = 0;
                for step in 0..few / 50 {
                    let index = mix(step ^ round << 32) % many;
                    seen += scan_from(store, index, 51)?;
                }
                Ok(seen)
            }),
        ),
        case(
            "seek and 1 next",
            &format!(
                "scans of 2 pairs from random keys on, {many} pairs; an operation is a pair; {SIZES}"
            ),
            kept(many, move |store, round| {
                let mut seen = 0;
                for step in 0..few / 4 {
                    seen += scan_from(store, mix(step ^ round << 32) % many, 2)?;
                }
                Ok(seen)
            }),
        ),
        case(
            "scan",
            &format!("all of {many} pairs in order; {SIZES}"),
            scanning(many, false),
        ),
        case(
            "scan backwards",
            &format!("all of {many} pairs against the order; {SIZES}"),
            scanning(many, true),
        ),
        case(
            "read while another writes",
            &format!("{few} gets while another thread puts as fast as it can; {SIZES}"),
            kept(many, move |store, round| {
                read_beside_writer(store, round, few, many)
            }),
        ),
        case(
            "remove at random, then scan",
            &format!(
                "nine tenths of {many} pairs removed, then a scan of the rest and puts of what was removed; {SIZES}"
            ),
            kept(many, move |store, _| remove_and_scan(store, many)),
        ),
    ];
    cases.extend(YCSB.into_iter().map(|ycsb| {
        let terms = format!("{few} operations on {many} pairs: {}; {SIZES}", ycsb.what);
        let inserted = move |open| {
            let next = Cell::new(many);
            kept_with(open, many, move |store, round| {
                mixed(store, ycsb, round, few, &next)
            })
        };
        case(ycsb.name, &terms, inserted)
    }));
    cases
}

/// Sixteen digits in the order of the numbers.
fn ordered(index: u64, value_bytes: usize) -> Pair {
    let mut value = vec![0; value_bytes];
    for (place, chunk) in value.chunks_mut(8).enumerate() {
        // Every word its own: a store that compresses finds nothing to do.
        let word = mix(mix(index) ^ place as u64);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    (format!("{index:016x}").into_bytes(), value)
}

/// Puts in key order into an empty store; every hundredth is read back.
fn filling(count: u64, value_bytes: usize) -> impl Fn(Open) -> Run {
    move |open| {
        Box::new(move |dir| {
            let dir = fresh(dir)?;
            let store = open(&dir)?;
            let pairs: Vec<Pair> = (0..count)
                .map(|index| ordered(index, value_bytes))
                .collect();
            let watch = Watch::start();
            for pair in &pairs {
                store.put(pair, Level::Os)?;
            }
            let sample = watch.stop(count, &dir);
            for (key, value) in pairs.iter().step_by(100) {
                if !store.get(key, &mut |found| found == value)? {
                    return Err("a pair that was put is not there".into());
                }
            }
            drop(store);
            fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
            Ok(sample)
        })
    }
}

/// Synced puts by eight threads into an empty store; all are read back.
fn synced_by_threads(count: u64, batch: u64) -> impl Fn(Open) -> Run {
    const THREADS: u64 = 8;
    move |open| {
        Box::new(move |dir| {
            let dir = fresh(dir)?;
            let store = open(&dir)?;
            let watch = Watch::start();
            thread::scope(|scope| {
                let workers: Vec<_> = (0..THREADS)
                    .map(|worker| {
                        let store = &store;
                        scope.spawn(move || {
                            let batches = (worker..count / batch).step_by(THREADS as usize);
                            for number in batches {
                                let first = number * batch;
                                match batch {
                                    1 => store.put(&pair(first), Level::Synced)?,
                                    _ => {
                                        let pairs: Vec<Pair> =
                                            (first..first + batch).map(pair).collect();
                                        store.put_all(&pairs, Level::Synced)?;
                                    }
                                }
                            }
                            Ok::<_, String>(())
                        })
                    })
                    .collect();
                workers.into_iter().try_for_each(|worker| {
                    worker.join().map_err(|_| "a writer panicked".to_owned())?
                })
            })?;
            let sample = watch.stop(count, &dir);
            for index in 0..count {
                if !store.get(&key(index), &mut |found| looks_right(found, index))? {
                    return Err("a pair that was put is not there".into());
                }
            }
            drop(store);
            fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
            Ok(sample)
        })
    }
}

/// Work on a store of `held` pairs that the first round fills and later rounds keep. The work says how many operations it was.
pub(super) fn kept(
    held: u64,
    work: impl Fn(&dyn Store, u64) -> Result<u64, String> + Copy + 'static,
) -> impl Fn(Open) -> Run {
    move |open| kept_with(open, held, work)
}

fn kept_with(
    open: Open,
    held: u64,
    work: impl Fn(&dyn Store, u64) -> Result<u64, String> + 'static,
) -> Run {
    let store: Cell<Option<Box<dyn Store>>> = Cell::new(None);
    let rounds = Cell::new(0);
    Box::new(move |dir: &Path| {
        let open_store = match store.take() {
            Some(store) => store,
            None => fill(open, dir, held)?,
        };
        rounds.set(rounds.get() + 1);
        let watch = Watch::start();
        let operations = work(&*open_store, rounds.get())?;
        let sample = watch.stop(operations, dir);
        store.set(Some(open_store));
        Ok(sample)
    })
}

/// Visits up to `limit` pairs from pair number `index` on, which must be the first, and says how many there were.
fn scan_from(store: &dyn Store, index: u64, limit: u64) -> Result<u64, String> {
    let (from, mut seen, mut right) = (key(index), 0, true);
    store.scan(Some(&from), false, &mut |found, value| {
        if seen == 0 {
            right = found == from && looks_right(value, index);
        }
        seen += 1;
        seen < limit
    })?;
    if right && seen > 0 {
        Ok(seen)
    } else {
        Err("a scan does not start at its key".into())
    }
}

fn scanning(held: u64, reverse: bool) -> impl Fn(Open) -> Run {
    kept(held, move |store, _| {
        let (mut seen, mut last, mut ordered) = (0, Vec::new(), true);
        store.scan(None, reverse, &mut |key, value| {
            ordered &= seen == 0 || (key < last.as_slice()) == reverse;
            ordered &= value.len() == crate::random::VALUE_BYTES;
            last.clear();
            last.extend_from_slice(key);
            seen += 1;
            true
        })?;
        if ordered && seen == held {
            Ok(seen)
        } else {
            Err(format!(
                "a scan of {held} pairs saw {seen}, in order: {ordered}"
            ))
        }
    })
}

fn read_beside_writer(store: &dyn Store, round: u64, reads: u64, held: u64) -> Result<u64, String> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut step = round << 40;
            while !done.load(Ordering::Relaxed) {
                step += 1;
                store.put(&pair(mix(step) % held), Level::Os)?;
            }
            Ok::<_, String>(())
        });
        let read = (0..reads).try_for_each(|step| {
            let index = mix(step ^ round << 32) % held;
            match store.get(&key(index), &mut |value| looks_right(value, index))? {
                true => Ok(()),
                false => Err("a get was answered wrong".to_owned()),
            }
        });
        done.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        read.map(|()| reads)
    })
}

fn remove_and_scan(store: &dyn Store, held: u64) -> Result<u64, String> {
    let removed = || (0..held).filter(|index| index % 10 != 0);
    for index in removed() {
        store.remove(&key(index))?;
    }
    let mut seen = 0;
    store.scan(None, false, &mut |_, _| {
        seen += 1;
        true
    })?;
    if seen != held.div_ceil(10) {
        return Err(format!("{seen} pairs are left"));
    }
    for index in removed() {
        store.put(&pair(index), Level::Os)?;
    }
    Ok(held * 9 / 10 * 2)
}

fn mixed(
    store: &dyn Store,
    ycsb: Mix,
    round: u64,
    count: u64,
    next: &Cell<u64>,
) -> Result<u64, String> {
    for step in 0..count {
        let dice = mix(step ^ round << 32);
        let held = next.get();
        let index = if ycsb.latest {
            held - 1 - zipf(dice, held)
        } else {
            mix(zipf(dice, held)) % held
        };
        let mut share = mix(dice) % 100;
        let mut falls_in = |part: u64| {
            let inside = share < part;
            share = share.wrapping_sub(part);
            inside
        };
        if falls_in(ycsb.reads) {
            read(store, index)?;
        } else if falls_in(ycsb.updates) {
            store.put(&pair(index), Level::Os)?;
        } else if falls_in(ycsb.inserts) {
            store.put(&pair(held), Level::Os)?;
            next.set(held + 1);
        } else if falls_in(ycsb.scans) {
            scan_from(store, index, 1 + dice % 100)?;
        } else {
            read(store, index)?;
            store.put(&pair(index), Level::Os)?;
        }
    }
    Ok(count)
}

fn read(store: &dyn Store, index: u64) -> Result<(), String> {
    match store.get(&key(index), &mut |value| looks_right(value, index))? {
        true => Ok(()),
        false => Err("a get was answered wrong".into()),
    }
}

/// A number below `count`, small ones more often: near Zipf's law with exponent 1, as a power of a uniform one.
fn zipf(dice: u64, count: u64) -> u64 {
    let uniform = (dice >> 11) as f64 / (1u64 << 53) as f64;
    ((count as f64).powf(uniform) as u64).min(count) - 1
}
