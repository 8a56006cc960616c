//! Mixed load on real files for as long as one likes, while calls fail and transfer less than asked: two writers, a reader that scans,
//! a thread that keeps the database, checkpoints, and again and again a new open.
//!
//! Every value read must be one that its key may have: the one acknowledged last, or one sent after it; after a failed sync, the one that
//! was durable last, or one sent after it. What is found after an open must be a prefix of what each writer was told, batches whole, and a
//! scan of it, either way, what the gets found. A snapshot must show later what it showed at first, and a checkpoint be a whole database.
//! After each life memory and handles must be what they were, and files no larger than a bound that follows from what is live.
//!
//! A few short lives by default; `UNDERPIN_SOAK_SECONDS=1800` has it run for so long. `UNDERPIN_SEED=n` begins with another life.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "a test on a host"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use underpin::sys::{Native, native, path_bytes};
use underpin_core::db::{Batch, Db, Error, Maintenance, Options, Scan, WriteLevel};
use underpin_core::platform::middleware::{Fault, FaultPlan, Faulty, When};
use underpin_core::platform::sim::Rng;
use underpin_core::{Kind, Operation};

/// Keys of each writer, and lives where no time is given.
const KEYS: u64 = 4000;
const LIVES: u64 = 4;
/// Batches of each writer in a life.
const STEPS: u64 = 1500;
/// And in a life of the long mode.
const STEPS_LONG: u64 = 6000;
/// Memory of everything while a database is open: memtables, cache, tables, merges, models.
const PEAK_BYTES_MAX: usize = 24 << 20;
/// What may be left over from life to life, for good.
const DRIFT_BYTES_MAX: usize = 256 << 10;
/// Files beside three times what is live: logs, level 0, what waits to be merged.
const SPARE_BYTES_MAX: u64 = 8 << 20;

type Platform = Faulty<Native, Arc<FaultPlan>>;

/// The system's allocator, counted.
struct Counted;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

// SAFETY: all calls go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What was sent for a key: the stamp of its batch, and whether it removes.
type Sent = (u64, bool);

/// What is known of a key. The last one durable comes first, then those sent since, in order.
struct State {
    sent: Vec<Sent>,
    /// Place of the last one acknowledged.
    acknowledged: usize,
}

/// Room for a key's history, so that the model's own memory stays what it is.
const HISTORY: usize = 8;

impl State {
    fn new(known: Sent) -> Self {
        let mut sent = Vec::with_capacity(HISTORY);
        sent.push(known);
        Self {
            sent,
            acknowledged: 0,
        }
    }

    /// Forgets what came before the last one that is durable.
    fn forget(&mut self, durable: u64) {
        let is_durable = |&(stamp, _): &Sent| stamp <= durable;
        let before = self.sent[..=self.acknowledged].iter().rposition(is_durable);
        if let Some(before) = before {
            self.sent.drain(..before);
            self.acknowledged -= before;
        }
    }
}

/// The keys of one writer.
struct Model {
    owner: u64,
    states: Vec<State>,
    stamp: u64,
    /// All that was acknowledged up to this stamp is durable.
    durable: u64,
    /// Batches of this life that were refused: they may be there, or not.
    failed: Vec<u64>,
}

impl Model {
    fn new(owner: u64) -> Self {
        Self {
            owner,
            states: (0..KEYS).map(|_| State::new((0, true))).collect(),
            stamp: 0,
            durable: 0,
            failed: Vec::with_capacity(64),
        }
    }

    fn key(&self, index: u64) -> Vec<u8> {
        format!("{}:{index:06}", self.owner).into_bytes()
    }

    /// Sends one batch; what it does to the model depends on how it ends.
    fn write(&mut self, db: &Db<Platform>, rng: &mut Rng) -> Result<(), Error> {
        let mut batch = Batch::new();
        let mut sent = BTreeMap::new();
        self.stamp += 1;
        for _ in 0..1 + rng.below(4) {
            let index = rng.below(KEYS);
            let key = self.key(index);
            let removes = rng.below(6) == 0;
            match removes {
                true => batch.remove(&key)?,
                false => batch.put(&key, &value(&key, self.stamp))?,
            }
            sent.insert(index, (self.stamp, removes));
        }
        let level = [WriteLevel::Buffered, WriteLevel::Os, WriteLevel::Data][rng.index(3)];
        let written = db.write(&batch, level);
        if written.is_ok() && level == WriteLevel::Data {
            self.durable = self.stamp;
        }
        if written.is_err() {
            self.failed.push(self.stamp);
        }
        for (index, sent) in sent {
            let state = &mut self.states[index as usize];
            state.sent.push(sent);
            if written.is_ok() {
                state.acknowledged = state.sent.len() - 1;
            }
            state.forget(self.durable);
        }
        written
    }

    /// Checks what is there for a key; what was acknowledged may be lost if it was not durable and a sync failed. The one it is.
    fn check(&self, index: u64, found: Option<&[u8]>, sync_failed: bool) -> Sent {
        let key = self.key(index);
        let State { sent, acknowledged } = &self.states[index as usize];
        let first = match sync_failed {
            true => sent[..=*acknowledged]
                .iter()
                .rposition(|&(stamp, _)| stamp <= self.durable)
                .unwrap_or(0),
            false => *acknowledged,
        };
        let fits = |&&(stamp, removes): &&Sent| match found {
            None => removes,
            Some(found) => !removes && found == value(&key, stamp),
        };
        let fitting = sent[first..].iter().find(fits);
        *fitting.unwrap_or_else(|| {
            panic!(
                "{} has {:?}, but may have {:?}",
                key.escape_ascii(),
                found.map(stamp_of),
                &sent[first..],
            )
        })
    }

    /// Checks every key, and takes what is there for what is known.
    fn settle(&mut self, db: &Db<Platform>, sync_failed: bool) {
        let mut pairs = Vec::new();
        let mut known = Vec::new();
        for index in 0..KEYS {
            let found = db.get(&self.key(index)).unwrap();
            known.push(self.check(index, found.as_deref(), sync_failed));
            pairs.extend(found.map(|found| (self.key(index), digest(&found))));
        }
        let ours = format!("{}:", self.owner).into_bytes();
        for forwards in [true, false] {
            let scanned = scan(db, &ours, forwards);
            assert!(pairs == scanned, "a scan shows other pairs than gets do");
            pairs.reverse();
        }
        assert_eq!(self.hole(&known), None);
        for (state, known) in self.states.iter_mut().zip(known) {
            *state = State::new(known);
        }
        self.durable = self.stamp;
        self.failed.clear();
    }

    /// A key that says that what is there is not all that was acknowledged up to some batch, and that batch whole.
    fn hole(&self, known: &[Sent]) -> Option<String> {
        let last = known.iter().map(|&(stamp, _)| stamp).max().unwrap_or(0);
        (0..)
            .zip(self.states.iter().zip(known))
            .find_map(|(index, (state, &(stamp, _)))| {
                let told = &state.sent[..=state.acknowledged];
                let mut told = told.iter().rev();
                let told = told.find(|(told, _)| *told <= last && !self.failed.contains(told));
                let torn = state.sent.iter().find(|&&(sent, _)| sent == last);
                let mut expected = told.into_iter().chain(torn);
                let (missing, _) = expected.find(|&&(expected, _)| stamp < expected)?;
                let key = self.key(index);
                let key = key.escape_ascii();
                Some(format!(
                    "{key} is as of {stamp}, without {missing}, though {last} is there"
                ))
            })
    }

    fn live_bytes(&self) -> u64 {
        let states = (0..KEYS).zip(&self.states);
        let bytes = states.map(|(index, state)| match state.sent.last() {
            Some(&(stamp, false)) => {
                let key = self.key(index);
                (key.len() + value(&key, stamp).len()) as u64
            }
            _ => 0,
        });
        bytes.sum()
    }
}

/// The value of a stamp: the stamp, the key, and bytes that do not compress, mostly few.
fn value(key: &[u8], stamp: u64) -> Vec<u8> {
    let mut rng = Rng::new(stamp ^ u64::from(key[0]) << 56);
    let bytes = match rng.below(50) {
        0 => rng.index(20_000),
        1..10 => rng.index(2000),
        _ => rng.index(200),
    };
    let mut value = stamp.to_le_bytes().to_vec();
    value.extend_from_slice(key);
    value.resize_with(value.len() + bytes, || rng.below(256) as u8);
    value
}

/// What stands for a value in what is compared later.
fn digest(value: &[u8]) -> (u64, usize) {
    (stamp_of(value), value.len())
}

/// A key, and what stands for its value.
type Pair = (Vec<u8>, (u64, usize));

/// All pairs whose keys start with `start`, forwards or backwards.
fn scan(db: &Db<Platform>, start: &[u8], forwards: bool) -> Vec<Pair> {
    let mut end = start.to_vec();
    *end.last_mut().unwrap() += 1;
    let scan = db.scan(Bound::Included(start), Bound::Excluded(&end));
    pairs(scan.unwrap(), forwards).unwrap()
}

/// The pairs of a scan, each of which must have a value of its key.
fn pairs(mut scan: Scan<Platform>, forwards: bool) -> Result<Vec<Pair>, Error> {
    let mut pairs: Vec<Pair> = Vec::new();
    loop {
        let next = if forwards {
            scan.next()?
        } else {
            scan.next_back()?
        };
        let Some((key, stored)) = next else {
            return Ok(pairs);
        };
        assert!(stored == value(key, stamp_of(stored)), "a value of no key");
        let last = pairs.last();
        let right = last.is_none_or(|(last, _)| (**last < *key) == forwards);
        assert!(right, "a scan is out of order");
        pairs.push((key.to_vec(), digest(stored)));
    }
}

fn stamp_of(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().unwrap())
}

fn options() -> Options {
    let mut options = Options::default();
    options.memtable_bytes = 256 << 10;
    options.tables_max = 4;
    options.table_bytes = 256 << 10;
    options.level_bytes = 1 << 20;
    options.cache_bytes = 1 << 20;
    options.separate_from = 1000;
    options.maintenance = Maintenance::Caller;
    options
}

/// Faults of a life; none in every fourth, and few enough that lives last.
fn plan(life: u64) -> FaultPlan {
    let plan = FaultPlan::new(life);
    let short = |plan: FaultPlan| {
        plan.with(Operation::WriteAt, When::Chance(600), Fault::Short(7))
            .with(Operation::ReadAt, When::Chance(600), Fault::Short(11))
    };
    match life % 4 {
        0 => plan,
        1 => short(plan)
            .with(
                Operation::WriteAt,
                When::Chance(2),
                Fault::Fail(Kind::NoSpace),
            )
            .with(
                Operation::Open,
                When::Chance(300),
                Fault::Fail(Kind::NoSpace),
            ),
        2 => short(plan)
            .with(Operation::Sync, When::Chance(10), Fault::Fail(Kind::Io))
            .with(Operation::ReadAt, When::Chance(20), Fault::Fail(Kind::Io)),
        _ => short(plan)
            .with(Operation::Rename, When::Chance(200), Fault::Fail(Kind::Io))
            .with(
                Operation::RemoveFile,
                When::Chance(2000),
                Fault::Fail(Kind::PermissionDenied),
            )
            .with(
                Operation::Preallocate,
                When::Chance(20_000),
                Fault::Fail(Kind::Unsupported),
            ),
    }
}

/// Opens with the faults, or without them where one strikes.
fn open(path: &Path, plan: &Arc<FaultPlan>) -> Db<Platform> {
    let platform = Faulty::new(native(), Arc::clone(plan));
    match Db::open(platform, path_bytes(path), options()) {
        Ok(db) => db,
        Err(Error::Io { .. }) => {
            let platform = Faulty::new(native(), Arc::new(FaultPlan::new(0)));
            Db::open(platform, path_bytes(path), options()).unwrap()
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether an error is what a fault may lead to.
fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Io { .. } | Error::Poisoned)
}

/// Writes until the database takes no more, or the steps are done.
fn run_writer(db: &Db<Platform>, model: &mut Model, seed: u64, faulty: bool) {
    let mut rng = Rng::new(seed ^ model.owner << 32);
    let steps = match number("UNDERPIN_SOAK_SECONDS") {
        Some(_) => STEPS_LONG,
        None => STEPS,
    };
    for _ in 0..steps {
        if let Err(error) = model.write(db, &mut rng) {
            assert!(faulty && is_fault(&error), "{error}");
            if db.is_poisoned() {
                return;
            }
        }
        if rng.below(4) == 0 {
            let index = rng.below(KEYS);
            match db.get(&model.key(index)) {
                Ok(found) => drop(model.check(index, found.as_deref(), false)),
                Err(error) => assert!(faulty && is_fault(&error), "{error}"),
            }
        }
    }
}

/// Scans, both ways, until it is told that writers are done: keys in order, values of their keys, and of a snapshot the same each time.
fn run_reader(db: &Db<Platform>, done: &AtomicBool, faulty: bool) {
    let all = || (Bound::Unbounded, Bound::Unbounded);
    while !done.load(Ordering::Relaxed) {
        let Ok(snapshot) = db.snapshot() else {
            assert!(faulty);
            return;
        };
        let scan = |forwards: bool| {
            let (start, end) = all();
            snapshot
                .scan(start, end)
                .and_then(|scan| pairs(scan, forwards))
        };
        let first = scan(true);
        // Meanwhile there are flushes and merges.
        let (start, end) = all();
        let now = db
            .scan(start, end)
            .and_then(|scan| pairs(scan, false).map(drop));
        let again = scan(false).map(|mut pairs| {
            pairs.reverse();
            pairs
        });
        let errors = [
            first.as_ref().err(),
            now.as_ref().err(),
            again.as_ref().err(),
        ];
        for error in errors.into_iter().flatten() {
            assert!(faulty && is_fault(error), "{error}");
        }
        if let (Ok(first), Ok(again)) = (first, again) {
            assert!(first == again, "a snapshot shows what it did not at first");
        }
    }
}

/// One open of the database with all its threads. Says how many faults there were, and whether a sync failed for good.
fn live(path: &Path, life: u64, models: &mut [Model]) -> (usize, bool) {
    let plan = Arc::new(plan(life));
    let faulty = !life.is_multiple_of(4);
    let db = open(path, &plan);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let keeper = scope.spawn(|| db.keep());
        let reader = scope.spawn(|| run_reader(&db, &done, faulty));
        let writers: Vec<_> = models
            .iter_mut()
            .map(|model| scope.spawn(|| run_writer(&db, model, life, faulty)))
            .collect();
        let copy = path.with_extension("copy");
        match db.checkpoint(path_bytes(&copy)) {
            Ok(()) => {
                let copied = open(&copy, &Arc::new(FaultPlan::new(0)));
                copied.verify().unwrap();
                let everything = copied.scan(Bound::Unbounded, Bound::Unbounded);
                pairs(everything.unwrap(), true).unwrap();
                copied.close().unwrap();
                std::fs::remove_dir_all(&copy).unwrap();
            }
            Err(error) => {
                assert!(faulty && is_fault(&error), "{error}");
                // A failed removal may have left some of it.
                let _ = std::fs::remove_dir_all(&copy);
            }
        }
        let ends: Vec<_> = writers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        db.dismiss_keepers();
        for end in ends.into_iter().chain([reader.join(), keeper.join()]) {
            end.unwrap();
        }
    });
    let sync_failed = db.is_poisoned();
    let closed = db.close();
    assert!(faulty || closed.is_ok(), "{closed:?}");
    (plan.injected(), sync_failed || closed.is_err())
}

/// Opens without faults, checks everything, and measures the files once nothing is left to be merged.
fn check(path: &Path, models: &mut [Model], sync_failed: bool) -> u64 {
    let db = open(path, &Arc::new(FaultPlan::new(0)));
    for model in models {
        model.settle(&db, sync_failed);
    }
    db.flush().unwrap();
    while db.maintenance_needed() {
        db.maintain().unwrap();
    }
    db.verify().unwrap();
    db.close().unwrap();
    let files = std::fs::read_dir(path).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

fn handles() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether the model sees that the second of three batches is missing.
fn sees_a_hole() -> bool {
    let mut model = Model::new(1);
    let mut known = vec![(0, true); KEYS as usize];
    for stamp in 1..=3 {
        let state = &mut model.states[stamp as usize];
        state.sent.push((stamp, false));
        state.acknowledged = 1;
        known[stamp as usize] = (if stamp == 2 { 0 } else { stamp }, stamp == 2);
    }
    model.hole(&known).is_some()
}

#[test]
fn a_long_life_with_faults_keeps_what_it_was_given_and_grows_in_nothing() {
    let seconds = number("UNDERPIN_SOAK_SECONDS");
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = number("UNDERPIN_SEED").unwrap_or(0);
    let path = std::env::temp_dir().join(format!("underpin-soak-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    assert!(sees_a_hole());
    let mut models = [Model::new(1), Model::new(2)];
    let (mut rest, mut open_handles) = (None, None);
    let (mut injected, mut most_bytes, mut most_peak) = (0, 0, 0);
    let mut life = first;
    while until.map_or(life < first + LIVES, |until| Instant::now() < until) {
        PEAK.store(0, Ordering::Relaxed);
        let (faults, sync_failed) = live(&path, life, &mut models);
        injected += faults;
        let bytes = check(&path, &mut models, sync_failed);
        let live_bytes: u64 = models.iter().map(Model::live_bytes).sum();
        let bytes_max = 3 * live_bytes + SPARE_BYTES_MAX;
        assert!(
            bytes < bytes_max,
            "life {life}: {bytes} bytes of files, {live_bytes} live"
        );
        let peak = PEAK.load(Ordering::Relaxed);
        assert!(peak < PEAK_BYTES_MAX, "life {life}: {peak} bytes of memory");
        // The first lives fill what stays, such as buffers of the test's own.
        if life >= first + 2 {
            let left = LIVE.load(Ordering::Relaxed);
            let rest = *rest.get_or_insert(left);
            assert!(
                left < rest + DRIFT_BYTES_MAX,
                "life {life}: {rest} bytes grew to {left}"
            );
            let open_handles = *open_handles.get_or_insert(handles());
            assert_eq!(handles(), open_handles, "life {life}: handles");
        }
        (most_bytes, most_peak) = (bytes.max(most_bytes), peak.max(most_peak));
        life += 1;
        if seconds.is_some() && life.is_multiple_of(20) {
            eprintln!(
                "{life} lives, {injected} faults, {} writes, peak of memory {} KiB, {} KiB left, files {} KiB of {} KiB live",
                models.iter().map(|model| model.stamp).sum::<u64>(),
                peak >> 10,
                LIVE.load(Ordering::Relaxed) >> 10,
                bytes >> 10,
                live_bytes >> 10,
            );
        }
    }
    eprintln!(
        "{} lives, {injected} faults; at most {} KiB of memory and {} KiB of files",
        life - first,
        most_peak >> 10,
        most_bytes >> 10
    );
    assert!(injected > 0, "no fault was injected");
    std::fs::remove_dir_all(&path).unwrap();
}
