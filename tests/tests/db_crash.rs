//! Crashes on the simulator: thousands of lives of a database, each a few boots of a machine that loses power, or whose program
//! is killed, at a random call, some with failing calls and a small disk on top, some with a thread that keeps the database.
//!
//! After every crash the database must open and hold the state after some prefix of what was sent, at least as long as what
//! was acknowledged as durable. `UNDERPIN_SEED=n` runs the life of one seed again; `UNDERPIN_CRASHES=n` (the long mode: 1000000)
//! lives until there were `n` crash points, on as many threads as there are processors, from seed `UNDERPIN_SEEDS_FROM` on.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::std_instead_of_alloc,
    reason = "a test on a host"
)]

use core::ops::Bound;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use underpin::sys::native;
use underpin_core::db::{
    Batch, Compaction, Db, Error, KeyspaceId, Maintenance, Options, WriteLevel,
};
use underpin_core::platform::sim::{DiskSnapshot, Rng, Sim, SimFaults, SimOptions, SimThread};
use underpin_core::platform::{ThreadOptions, Threads};

/// Each is up to `BOOTS` crash points.
const LIVES: u64 = 3000;
const BOOTS: u64 = 4;
const CRASHES_MIN: u64 = 10_000;
const STEPS_MAX: u32 = 150;

const QUEUE: Compaction = Compaction::Fifo {
    bytes_max: u64::MAX,
    age_max: None,
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys of the second keyspace start with this in the model.
const OTHER: &[u8] = b"other/";

enum Write {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    /// Adds bytes at the value's end.
    Merge(Vec<u8>, Vec<u8>),
    RemoveRange(Vec<u8>, Vec<u8>),
}

enum Effect {
    Batch(Vec<Write>),
    Clear,
    DropOther,
}

fn append(_: &[u8], value: Option<&[u8]>, operands: &[&[u8]]) -> Option<Vec<u8>> {
    let mut merged = value.unwrap_or_default().to_vec();
    operands
        .iter()
        .for_each(|operand| merged.extend_from_slice(operand));
    Some(merged)
}

/// What was sent since a known state, and how much of it must survive.
#[derive(Default)]
struct History {
    base: Model,
    effects: Vec<Effect>,
    /// Effects that survive a loss of power, and the end of the program.
    durable: usize,
    handed_over: usize,
}

fn apply(model: &mut Model, effect: &Effect) {
    match effect {
        Effect::Clear => model.clear(),
        Effect::DropOther => model.retain(|key, _| !key.starts_with(OTHER)),
        Effect::Batch(writes) => {
            for write in writes {
                match write {
                    Write::Put(key, value) => drop(model.insert(key.clone(), value.clone())),
                    Write::Remove(key) => drop(model.remove(key)),
                    Write::Merge(key, operand) => {
                        model.entry(key.clone()).or_default().extend(operand)
                    }
                    Write::RemoveRange(start, end) => {
                        model.retain(|key, _| key < start || key >= end)
                    }
                }
            }
        }
    }
}

impl History {
    fn now(&self) -> Model {
        let mut model = self.base.clone();
        self.effects
            .iter()
            .for_each(|effect| apply(&mut model, effect));
        model
    }

    fn acknowledge(&mut self, level: WriteLevel) {
        if level >= WriteLevel::Os {
            self.handed_over = self.effects.len();
        }
        if level >= WriteLevel::Data {
            self.durable = self.effects.len();
        }
    }

    /// The state found must be that after a prefix of at least `survivors` effects. It is where history goes on.
    fn found(&mut self, found: Model, survivors: usize) {
        let mut model = core::mem::take(&mut self.base);
        for (index, effect) in self.effects.iter().enumerate() {
            if index >= survivors && model == found {
                break;
            }
            apply(&mut model, effect);
        }
        let differing: Vec<_> = model
            .iter()
            .filter(|(k, v)| found.get(*k) != Some(*v))
            .collect();
        assert!(
            model == found,
            "not a prefix of at least {survivors} of {} effects: {} keys found, {} expected, \
             first difference {:?}",
            self.effects.len(),
            found.len(),
            model.len(),
            differing.first().map(|(k, v)| (k, v.len())),
        );
        // What an open has shown is durable.
        *self = Self {
            base: found,
            ..Self::default()
        };
    }
}

struct Life {
    rng: Rng,
    options: Options,
    kept: bool,
    keeper: Option<SimThread>,
    faults: SimFaults,
    history: History,
    stamp: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut options = Options::default();
        options.memtable_bytes = 4096 << rng.below(3);
        options.tables_max = 2 + rng.index(3);
        options.block_bytes = 128 << rng.below(4);
        options.log_buffer_bytes = [0, 600, 100_000][rng.index(3)];
        options.cache_bytes = rng.index(2) << 16;
        options.merge_operator = Some(append);
        options.table_bytes = 16 << 10;
        options.level_bytes = 16 << 10;
        options.level_factor = 2 + rng.below(3);
        options.compressed_from = rng.index(8);
        options.log_preallocate_bytes = [0, 3000, 100_000][rng.index(3)];
        match rng.below(5) {
            0 => options.compaction = Compaction::Tiered,
            // A queue that drops nothing: what else it does differently is not to merge.
            1 => options.compaction = QUEUE,
            _ => {}
        }
        if rng.coin() {
            options.maintenance = Maintenance::Caller;
        }
        options.separate_from = [0, 16, 100, 1000][rng.index(4)];
        let mut faults = SimFaults::default();
        if rng.below(3) == 0 {
            faults = SimFaults::legal_storm();
        }
        if rng.below(3) == 0 {
            faults.write_error_ppm = 5000;
            faults.sync_error_ppm = 10_000;
            faults.open_error_ppm = 5000;
            faults.read_error_ppm = 2000;
        }
        Self {
            kept: rng.below(4) == 0,
            keeper: None,
            rng,
            options,
            faults,
            history: History::default(),
            stamp: 0,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        format!("key{}", self.rng.below(60)).into_bytes()
    }

    /// A value that no other write has.
    fn value(&mut self) -> Vec<u8> {
        self.stamp += 1;
        let bytes = match self.rng.below(40) {
            0 => self.rng.index(50_000),
            1..6 => self.rng.index(3000),
            _ => self.rng.index(120),
        };
        let mut value = format!("{}:", self.stamp).into_bytes();
        value.resize(value.len() + bytes, self.stamp as u8);
        value
    }

    fn level(&mut self) -> WriteLevel {
        [
            WriteLevel::Buffered,
            WriteLevel::Os,
            WriteLevel::Data,
            WriteLevel::Full,
        ][self.rng.index(4)]
    }

    /// Opens, again without faults if one struck. `None`: the machine is off.
    fn open(&mut self, sim: &Sim, survivors: usize) -> Option<Db<Sim>> {
        let db = loop {
            match Db::open(sim.clone(), b"/db", self.options.clone()) {
                Ok(db) => break db,
                Err(_) if !sim.is_on() => return None,
                Err(Error::Io { error, .. }) => {
                    assert!(self.faults.sync_error_ppm > 0, "open failed: {error}");
                    sim.set_faults(SimFaults::none());
                }
                Err(error) => panic!("open: {error}"),
            }
        };
        sim.set_faults(SimFaults::none());
        let found = contents(&db);
        let found = if sim.is_on() {
            found.unwrap()
        } else {
            found.ok()?
        };
        self.history.found(found, survivors);
        if self.rng.below(8) == 0 {
            db.verify()
                .map_err(|error| assert!(!sim.is_on(), "{error}"))
                .ok()?;
        }
        sim.set_faults(self.faults.clone());
        if self.kept {
            self.keeper = start_keeper(sim, &db);
        }
        Some(db)
    }

    /// Ends the thread that keeps the database, if there is one.
    fn end_keeper(&mut self, sim: &Sim, db: &Db<Sim>) {
        if let Some(keeper) = self.keeper.take() {
            db.dismiss_keepers();
            let _ = sim.join(keeper);
        }
    }

    /// Works until the power goes or the steps are used up.
    fn boot(&mut self, sim: &Sim, survivors: usize) {
        let Some(mut db) = self.open(sim, survivors) else {
            return;
        };
        for _ in 0..STEPS_MAX {
            let result = self.step(sim, &db);
            if !sim.is_on() {
                break;
            }
            let reopen = match result {
                Ok(close) => close,
                Err(error @ (Error::Io { .. } | Error::Poisoned)) => {
                    assert!(self.faults.sync_error_ppm > 0, "without a fault: {error}");
                    db.is_poisoned()
                }
                Err(error) => panic!("{error}"),
            };
            if reopen {
                let survivors = if self.rng.coin() {
                    match db.clone().close() {
                        Ok(()) => self.history.effects.len(),
                        Err(_) => self.history.durable,
                    }
                } else if db.is_poisoned() {
                    // A failed sync may lose what the system had taken over before.
                    self.history.durable
                } else {
                    self.history.handed_over
                };
                self.end_keeper(sim, &db);
                drop(db);
                let Some(again) = self.open(sim, survivors) else {
                    return;
                };
                db = again;
            }
        }
        self.end_keeper(sim, &db);
    }

    /// One random call. Says whether to reopen.
    fn step(&mut self, sim: &Sim, db: &Db<Sim>) -> Result<bool, Error> {
        match self.rng.below(40) {
            0 => return Ok(true),
            1 => db
                .flush()
                .map(|()| self.history.acknowledge(WriteLevel::Full))?,
            2..4 => db.maintain()?,
            4 => {
                let result = db.clear();
                self.sent(db, Effect::Clear, WriteLevel::Full, &result);
                result?;
            }
            11 => {
                let other = db.keyspace("other")?.id();
                let result = db.drop_keyspace(other);
                self.sent(db, Effect::DropOther, WriteLevel::Full, &result);
                result?;
            }
            12 => db
                .compact()
                .map(|()| self.history.acknowledge(WriteLevel::Full))?,
            5..8 => {
                let level = self.level();
                db.sync(level).map(|()| self.history.acknowledge(level))?;
            }
            8..10 => {
                let key = self.key();
                assert_eq!(db.get(&key)?, self.history.now().get(&key).cloned());
            }
            10 => assert_eq!(contents(db)?, self.history.now()),
            13 => self.transact(db)?,
            14 => self.checkpoint(sim, db)?,
            15 => self.ingest(db)?,
            _ => {
                let mut batch = Batch::new();
                let mut writes = Vec::new();
                for _ in 0..1 + self.rng.below(5) {
                    let mut key = self.key();
                    let mut prefix = b"".to_vec();
                    if self.rng.below(4) == 0 {
                        batch.select(db.keyspace("other")?.id());
                        prefix = OTHER.to_vec();
                    } else {
                        batch.select(KeyspaceId::DEFAULT);
                    }
                    let named = |key: &[u8]| [&prefix[..], key].concat();
                    writes.push(match self.rng.below(16) {
                        0..10 => {
                            let value = self.value();
                            batch.put(&key, &value)?;
                            Write::Put(named(&key), value)
                        }
                        10..13 => {
                            batch.remove(&key)?;
                            Write::Remove(named(&key))
                        }
                        13..15 => {
                            let operand = format!("+{}", self.rng.below(1000)).into_bytes();
                            batch.merge(&key, &operand)?;
                            Write::Merge(named(&key), operand)
                        }
                        _ => {
                            let mut end = self.key();
                            if end < key {
                                core::mem::swap(&mut key, &mut end);
                            }
                            batch.remove_range(&key, &end)?;
                            Write::RemoveRange(named(&key), named(&end))
                        }
                    });
                }
                let level = self.level();
                let result = db.write(&batch, level);
                self.sent(db, Effect::Batch(writes), level, &result);
                result?;
            }
        }
        Ok(false)
    }

    /// A transaction that reads what it writes, has a savepoint, and sometimes meets a write that comes first.
    fn transact(&mut self, db: &Db<Sim>) -> Result<(), Error> {
        let mut transaction = db.transaction()?;
        let mut writes = Vec::new();
        let read = self.key();
        let before = transaction.get(&read)?;
        assert_eq!(before, self.history.now().get(&read).cloned());
        for number in 0..1 + self.rng.below(4) {
            let (key, value) = (self.key(), self.value());
            transaction.savepoint();
            transaction.put(&key, &value)?;
            assert_eq!(transaction.get(&key)?.as_ref(), Some(&value));
            if number > 0 && self.rng.coin() {
                assert!(transaction.rollback_to_savepoint());
            } else {
                writes.push(Write::Put(key, value));
            }
        }
        let level = self.level();
        let conflict = self.rng.below(3) == 0;
        if conflict {
            let mut batch = Batch::new();
            let value = self.value();
            batch.put(&read, &value)?;
            let result = db.write(&batch, WriteLevel::Buffered);
            let effect = Effect::Batch(vec![Write::Put(read, value)]);
            self.sent(db, effect, WriteLevel::Buffered, &result);
            result?;
        }
        match transaction.commit(level) {
            Err(Error::Conflict) if conflict => Ok(()),
            result => {
                assert!(!conflict || result.is_err(), "it read what was changed");
                self.sent(db, Effect::Batch(writes), level, &result);
                result
            }
        }
    }

    /// Pairs past the log: durable together, or not there.
    fn ingest(&mut self, db: &Db<Sim>) -> Result<(), Error> {
        let mut pairs = BTreeMap::new();
        for _ in 0..1 + self.rng.below(12) {
            pairs.insert(self.key(), self.value());
        }
        let result = db.ingest(&pairs).map(|_| ());
        let writes = pairs.into_iter().map(|(key, value)| Write::Put(key, value));
        self.sent(
            db,
            Effect::Batch(writes.collect()),
            WriteLevel::Full,
            &result,
        );
        result
    }

    /// A copy of the database, which holds all that was written.
    fn checkpoint(&mut self, sim: &Sim, db: &Db<Sim>) -> Result<(), Error> {
        self.stamp += 1;
        let path = format!("/checkpoint{}", self.stamp).into_bytes();
        let made = db.checkpoint(&path);
        if made.is_ok() {
            sim.set_faults(SimFaults::none());
            let copy = Db::open(sim.clone(), &path, self.options.clone())?;
            assert_eq!(contents(&copy)?, self.history.now());
            copy.close()?;
            sim.set_faults(self.faults.clone());
        }
        made
    }

    /// Notes what was sent. After an error it may have happened if it poisoned the database, or the machine went off.
    fn sent(
        &mut self,
        db: &Db<Sim>,
        effect: Effect,
        level: WriteLevel,
        result: &Result<(), Error>,
    ) {
        let off = matches!(result, Err(Error::Io { error, .. })
            if error.kind() == underpin_core::Kind::PowerLost);
        if result.is_ok() || off || db.is_poisoned() {
            self.history.effects.push(effect);
        }
        if result.is_ok() {
            self.history.acknowledge(level);
        }
    }
}

fn contents(db: &Db<Sim>) -> Result<Model, Error> {
    let mut model = Model::new();
    let mut scan = db.scan(Bound::Unbounded, Bound::Unbounded)?;
    while let Some((key, value)) = scan.next()? {
        model.insert(key.to_vec(), value.to_vec());
    }
    if db.keyspace_names()?.iter().any(|name| name == "other") {
        let mut scan = db
            .keyspace("other")?
            .scan(Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, value)) = scan.next_back()? {
            model.insert([OTHER, key].concat(), value.to_vec());
        }
    }
    Ok(model)
}

/// A thread of the machine that keeps `db`; `None` if the machine is off.
fn start_keeper(sim: &Sim, db: &Db<Sim>) -> Option<SimThread> {
    unsafe extern "C" fn keep(argument: *mut u8) {
        // SAFETY: the box that was leaked below, once.
        let db = unsafe { Box::from_raw(argument.cast::<Db<Sim>>()) };
        db.keep();
    }
    let argument = Box::into_raw(Box::new(db.clone())).cast::<u8>();
    // SAFETY: `keep` takes the box.
    let thread = unsafe { sim.spawn(&ThreadOptions::new(), keep, argument) };
    if thread.is_err() {
        // SAFETY: nobody has taken it.
        drop(unsafe { Box::from_raw(argument.cast::<Db<Sim>>()) });
    }
    thread.ok()
}

/// Returns the number of crashes.
fn live(seed: u64) -> u64 {
    let mut life = Life::new(seed);
    let mut disk: Option<DiskSnapshot> = None;
    let mut crashes = 0;
    let mut survivors = 0;
    for boot in 0..BOOTS {
        let mut options = SimOptions::new(seed ^ boot << 48).with_faults(life.faults.clone());
        // Often early: in the middle of the open and its recovery.
        let bound = [25, 60, 300][life.rng.index(3)];
        options = options.with_power_loss_at_disk_call(1 + life.rng.below(bound));
        options.disk = disk;
        let sim = Sim::with_host(options, native());
        life.boot(&sim, survivors);
        survivors = life.history.durable;
        if sim.is_on() {
            if life.rng.coin() {
                sim.kill();
                survivors = life.history.handed_over;
            } else {
                sim.power_loss();
            }
        }
        crashes += 1;
        disk = Some(sim.disk_snapshot());
    }
    let mut options = SimOptions::new(seed);
    options.disk = disk;
    let sim = Sim::new(options);
    life.kept = false;
    let db = life.open(&sim, survivors).expect("the power stays on");
    sim.set_faults(SimFaults::none());
    db.verify().unwrap();
    crashes
}

#[test]
fn whatever_was_acknowledged_survives_and_history_is_a_prefix() {
    let number = |name| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    if let Some(seed) = number("UNDERPIN_SEED") {
        live(seed);
        return;
    }
    let wanted = number("UNDERPIN_CRASHES");
    let first = number("UNDERPIN_SEEDS_FROM").unwrap_or(0);
    let end = first + wanted.map_or(LIVES, |crashes| crashes.div_ceil(BOOTS));
    let threads = match wanted {
        Some(_) => std::thread::available_parallelism().map_or(2, usize::from),
        None => 2,
    };
    let (next, crashes) = (AtomicU64::new(first), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    if wanted.is_some() && seed % 5000 == 0 {
                        eprintln!("seed {seed} of {end}");
                    }
                    match catch_unwind(AssertUnwindSafe(|| live(seed))) {
                        Ok(count) => crashes.fetch_add(count, Ordering::Relaxed),
                        Err(panic) => {
                            next.store(end, Ordering::Relaxed);
                            eprintln!("UNDERPIN_SEED={seed}");
                            std::panic::resume_unwind(panic);
                        }
                    };
                }
            });
        }
    });
    let crashes = crashes.into_inner();
    eprintln!("{crashes} crash points");
    assert!(crashes >= wanted.unwrap_or(CRASHES_MIN));
}
