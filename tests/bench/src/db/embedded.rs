//! Puts and gets in one process, from one thread.

use super::store::{Level, Open, Pair, Store, set_cache_bytes};
use super::subjects;
use super::workloads::kept;
use crate::case::{Case, Run, Settings, Subject};
use crate::cost::Watch;
use crate::random::{key, looks_right, mix, value};
use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

pub(super) const SIZES: &str = "16-byte keys in random order, 100-byte values that do not compress, one thread; \
    16 MiB of memtable and 32 MiB of cache each, defaults otherwise";

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let many = settings.operations(200_000, 30_000);
    let synced = settings.operations(1_000, 150);
    let held = settings.operations(1_500_000, 90_000);
    let gets = settings.operations(200_000, 20_000);
    let small = usize::try_from(held * 116 / 20).expect("megabytes");
    vec![
        case(
            "embedded put",
            &format!(
                "{many} puts, one by one; each is with the system when it returns and outlives the process, save redb's and sled's, which without \
             a sync are lost with it; {SIZES}"
            ),
            put(many, 1, Level::Os),
        ),
        case(
            "embedded put, batches of 100",
            &format!(
                "{many} puts in atomic batches of 100; each batch is with the system when it returns, save redb's and sled's; {SIZES}"
            ),
            put(many, 100, Level::Os),
        ),
        case(
            "embedded put, synced",
            &format!(
                "{synced} puts, one by one; each is synced to the device when it returns; {SIZES}"
            ),
            put(synced, 1, Level::Synced),
        ),
        case(
            "embedded put, batches of 100, synced",
            &format!(
                "{} puts in atomic batches of 100; each batch is synced to the device when it returns; {SIZES}",
                synced * 100
            ),
            put(synced * 100, 100, Level::Synced),
        ),
        case(
            "embedded get",
            &format!("{many} gets of keys that are there, out of {many}, after a reopen; {SIZES}"),
            get(many, many, true),
        ),
        case(
            "embedded get, data 20 times the cache",
            &format!(
                "{gets} gets of keys that are there, out of {held}, {} MiB of pairs with {} KiB of cache each, after a reopen; the files \
                 are in the system's cache, and LMDB has no other; 16-byte keys, 100-byte values that do not compress, one thread",
                (held * 116) >> 20,
                small >> 10,
            ),
            move |open| {
                let run = get(gets, held, true)(open);
                with_cache(small, run)
            },
        ),
        case(
            "embedded get, 100 at a time",
            &format!(
                "{many} gets in calls of 100, by the store's own call for it where it has one, out of {many}, after a reopen; {SIZES}"
            ),
            get_many(many),
        ),
        case(
            "embedded get, absent",
            &format!(
                "{many} gets of keys that are not there, beside {many} that are, after a reopen; {SIZES}"
            ),
            get(many, many, false),
        ),
    ]
}

/// Makes the subjects of a case from what each does with a store's `Open`.
pub(super) fn case(name: &str, terms: &str, task: impl Fn(Open) -> Run) -> Case {
    let mut subjects = subjects::all()
        .into_iter()
        .map(|(name, version, open)| Subject::new(name, version, task(open)));
    let ours = subjects.next().expect("ours is always there");
    Case {
        name: name.into(),
        terms: terms.into(),
        ours,
        peers: subjects.collect(),
    }
}

/// `count` puts into an empty store, `batch` at a time; afterwards every hundredth is read back whole.
fn put(count: u64, batch: usize, level: Level) -> impl Fn(Open) -> Run {
    move |open| {
        Box::new(move |dir| {
            let dir = fresh(dir)?;
            let store = open(&dir)?;
            let pairs: Vec<Pair> = (0..count).map(pair).collect();
            let watch = Watch::start();
            if batch == 1 {
                for pair in &pairs {
                    store.put(pair, level)?;
                }
            } else {
                for pairs in pairs.chunks(batch) {
                    store.put_all(pairs, level)?;
                }
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

/// `count` gets from a store of `held` pairs that is filled and reopened in the first round.
fn get(count: u64, held: u64, hit: bool) -> impl Fn(Open) -> Run {
    move |open| {
        let store: Cell<Option<Box<dyn Store>>> = Cell::new(None);
        let rounds = Cell::new(0);
        Box::new(move |dir| {
            let open_store = match store.take() {
                Some(store) => store,
                None => fill(open, dir, held)?,
            };
            rounds.set(rounds.get() + 1);
            let mut found = 0u64;
            let watch = Watch::start();
            for step in 0..count {
                let mut index = mix(step ^ rounds.get() << 32) % held;
                if !hit {
                    index += held;
                }
                found += u64::from(open_store.get(black_box(&key(index)), &mut |value| {
                    looks_right(value, index)
                })?);
            }
            let sample = watch.stop(count, dir);
            store.set(Some(open_store));
            let expected = if hit { count } else { 0 };
            if found != expected {
                return Err(format!(
                    "{found} of {count} gets were answered right, not {expected}"
                ));
            }
            Ok(sample)
        })
    }
}

/// A run whose store has so much cache; its process has no other.
fn with_cache(bytes: usize, mut run: Run) -> Run {
    Box::new(move |dir| {
        set_cache_bytes(bytes);
        run(dir)
    })
}

/// Gets by the hundred, from a store of as many pairs that is filled and reopened in the first round.
fn get_many(held: u64) -> impl Fn(Open) -> Run {
    kept(held, move |store, round| {
        for call in 0..held / 100 {
            let index = |place: u64| mix((call * 100 + place) ^ round << 32) % held;
            let keys: Vec<_> = (0..100).map(|place| key(index(place))).collect();
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
            let found = store.get_all(&keys, &mut |place, value| {
                looks_right(value, index(place as u64))
            })?;
            if found != 100 {
                return Err(format!("{found} of 100 gets were answered right"));
            }
        }
        Ok(held / 100 * 100)
    })
}

/// Pair number `index`, in an order that has nothing to do with the number.
pub(super) fn pair(index: u64) -> Pair {
    (key(index).to_vec(), value(index).to_vec())
}

pub(super) fn fill(open: Open, dir: &Path, held: u64) -> Result<Box<dyn Store>, String> {
    let dir = fresh(dir)?;
    let store = open(&dir)?;
    let pairs: Vec<Pair> = (0..held).map(pair).collect();
    for pairs in pairs.chunks(1_000) {
        store.put_all(pairs, Level::Os)?;
    }
    // The last write is synced, so that a store that holds unsynced writes back keeps them over the reopen.
    if let Some(last) = pairs.last() {
        store.put(last, Level::Synced)?;
    }
    drop(store);
    open(&dir)
}

/// An empty directory below the subject's own.
pub(super) fn fresh(dir: &Path) -> Result<PathBuf, String> {
    let dir = dir.join("store");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir)
}
