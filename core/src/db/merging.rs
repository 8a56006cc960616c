//! Merging beside everything else.
//!
//! ```text
//! merging lock                                  one merge at a time
//!   maintenance lock: pick a job: tables U of a level, L of the next
//!   no lock: read U and L, build tables T         flushes put newer tables into level 0; now and then: still wanted?
//!   maintenance lock: take U and L out, put T in, in the manifest; publish; U and L are obsolete
//! ```
//! - U and L stay where they are: flushes only add to level 0 before them, no other merge runs, and a clear or the drop of a
//!   keyspace drops all. So at the end either all of them are there or none is, and then T must not be: they would bring back what
//!   was dropped.
//! - What was decided of entries that say that a key is gone holds at the end: nothing older than U and L comes in meanwhile.
//! - Tables that never came into a manifest are leftovers that this merge removes, or after a crash the next open.
//!
//! A merge is cancelled when its inputs were dropped or the database is being closed. It notices after a few thousand entries, but
//! not while it makes a finished table durable. That is no error.
#![forbid(unsafe_code)]

use super::compact::{self, Build, Job, JobKind, build};
use super::error::{Error, Result};
use super::file_name::FileName;
use super::iter::{LevelCursor, LevelTables, Source};
use super::keyspace::KeyspaceId;
use super::options::{Compaction, Options};
use super::shared::Shared;
use super::table::{Origin, Table, TableCursor, TableInfo};
use super::values::Usage;
use super::version::{LEVELS, Manifest, Tree, Version};
use super::watch::Event;
use crate::platform::{ClockId, Files, MutexGuard};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// Longest sleep of a merge that is held back: after it, it looks whether it is still wanted, and whether a memtable is full.
const HELD_BACK: Duration = Duration::from_millis(20);

/// The tables that a merge made: none if it only moved some.
fn fresh_tables<P: Files>(
    incoming: &[Arc<Table<P>>],
    moved: bool,
) -> impl Iterator<Item = &Table<P>> {
    incoming
        .iter()
        .filter(move |_| !moved)
        .map(|table| &**table)
}

/// How a merge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    /// There was nothing to do.
    Idle,
    /// Its inputs were dropped, or whoever does most merges is to leave.
    Cancelled,
}

/// What to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// What there is too much of.
    Needed,
    /// All but what was flushed since numbers were here.
    Everything(u64),
}

/// A job of one keyspace.
struct Plan<P: Files> {
    keyspace: KeyspaceId,
    job: Job<P>,
    /// The level that the new tables are compressed as.
    compressed_as: usize,
    /// Values files whose values are written anew.
    rewritten: BTreeSet<u64>,
    origin: Origin,
}

impl<P: Files> Plan<P> {
    fn new(
        tree: &Tree<P>,
        job: Job<P>,
        options: &Options,
        rewritten: BTreeSet<u64>,
        manifest: &Manifest,
    ) -> Self {
        let last = job.upper.last();
        // The oldest run is compressed as the last level is: it holds most.
        let oldest = options.compaction == Compaction::Tiered
            && job.to == 0
            && last.is_some_and(|table| compact::is_oldest_run(&tree.version, table));
        let inputs = job.upper.iter().chain(&job.lower);
        Self {
            keyspace: tree.id,
            origin: tree.origin(manifest, inputs.map(|table| table.info().number).collect()),
            compressed_as: if oldest { LEVELS - 1 } else { job.to },
            job,
            rewritten,
        }
    }

    /// Of all tables, newest first.
    fn sources(&self) -> Vec<Source<P>> {
        let Job {
            upper, lower, from, ..
        } = &self.job;
        let level = |tables: &Vec<Arc<Table<P>>>| {
            Source::Level(LevelCursor::new(LevelTables::Some(tables.clone()), false))
        };
        let mut sources = Vec::new();
        if *from == 0 {
            let upper = upper.iter().cloned();
            sources.extend(upper.map(|table| Source::Table(TableCursor::new(table, false))));
        } else {
            sources.push(level(upper));
        }
        sources.push(level(lower));
        sources
    }

    /// Has merges leave the table alone that could not be read, if the error is of one and was not noted before.
    fn notes_damage(&self, error: &Error) -> bool {
        let file = error.file().filter(|_| error.is_lost());
        let mut tables = self.job.upper.iter().chain(&self.job.lower);
        let table = tables.find(|table| Some(FileName::Table(table.info().number)) == file);
        table.is_some_and(|table| !table.set_damaged())
    }
}

impl<P: Files> Shared<P> {
    /// Merges tables while there are too many, unless another merge runs.
    pub(super) fn merge_if_needed(&self) -> Result<()> {
        while let Some(turn) = self.merging.try_lock() {
            if self.merge(&turn, Wanted::Needed)? != Ended::Done {
                break;
            }
        }
        Ok(())
    }

    /// As [`merge_if_needed`](Self::merge_if_needed), for whoever has done what it wanted: that a merge failed matters once there are as
    /// many tables as there may be. Until then the hook is told.
    pub(super) fn merge_in_passing(&self) {
        if let Err(error) = self.merge_if_needed() {
            self.maintenance_failed(&error);
        }
    }

    /// Waits for a running merge, and merges if there are too many tables to flush even then.
    pub(super) fn merge_for_room(&self) -> Result<()> {
        let turn = self.merging.lock();
        let room = self.has_table_room(&self.maintenance.lock());
        if !room {
            self.merge(&turn, Wanted::Needed)?;
        }
        Ok(())
    }

    /// Merges all tables that each keyspace has now into its last level.
    pub(super) fn compact(&self) -> Result<()> {
        let mut turn = self.merging.lock();
        let all = Wanted::Everything(self.maintenance.lock().next_number);
        loop {
            match self.merge(&turn, all)? {
                Ended::Done => {}
                Ended::Idle => return Ok(()),
                // Until a keeper that is to leave has left, merges end early; and it may wait for this lock.
                Ended::Cancelled => {
                    drop(turn);
                    self.pause(Duration::from_millis(1));
                    turn = self.merging.lock();
                }
            }
        }
    }

    /// Does the most urgent job, or finds out that it cannot be done.
    fn merge(&self, _turn: &MutexGuard<'_, (), P>, wanted: Wanted) -> Result<Ended> {
        let Some(plan) = self.plan_merge(wanted)? else {
            return Ok(Ended::Idle);
        };
        match plan.job.kind {
            JobKind::Merge => {}
            JobKind::Move => return self.install(&plan, None),
            JobKind::Drop => return self.install(&plan, Some(Vec::new())),
        }
        // Whoever merges is often the only one who flushes, and writers wait if nobody does.
        let begun = self.now();
        let mut flushed = Ok(());
        let mut allowed_at = self.directory.platform.now(ClockId::Monotonic);
        let go_on = |bytes: usize| {
            let takes = self.takes(bytes);
            allowed_at = allowed_at.saturating_add(takes);
            loop {
                if self.is_pointless(&plan) {
                    return ControlFlow::Break(());
                }
                if flushed.is_ok() || self.is_time_to_retry() {
                    flushed = self.flush_beside_merge();
                    if let Err(error) = &flushed {
                        // Now, not when the merge ends: writers wait for it.
                        self.failed(error);
                        self.wake_sleepers(&self.commit.lock());
                    }
                }
                let left = allowed_at.saturating_duration_since(self.now());
                if takes.is_zero() || left.is_zero() {
                    return ControlFlow::Continue(());
                }
                self.pause(left.min(HELD_BACK));
            }
        };
        let parts = Build {
            directory: &self.directory,
            options: &self.options,
            sources: plan.sources(),
            level: plan.compressed_as,
            bottom: plan.job.bottom,
            by_sequence: false,
            // A run of level 0 is one table: it stands for a time, not for a range of keys.
            table_bytes: match plan.job.to {
                0 => u64::MAX,
                _ => self.options.table_bytes,
            },
            filtered: true,
            rewritten: plan.rewritten.clone(),
            origin: plan.origin.clone(),
        };
        let built = match build(parts, || self.maintenance.lock().number(), go_on) {
            Err(error) if plan.notes_damage(&error) => {
                // The next job does without it.
                self.maintenance_failed(&error);
                return Ok(Ended::Done);
            }
            built => built?,
        };
        let Some(infos) = built else {
            return flushed.map(|()| Ended::Cancelled);
        };
        let mut fresh = Vec::new();
        for info in &infos {
            match self.open_built(info) {
                Ok(table) => fresh.push(table),
                Err(error) => {
                    fresh
                        .iter()
                        .for_each(|table: &Arc<Table<P>>| table.set_obsolete());
                    for info in infos.iter().skip(fresh.len()) {
                        self.directory.remove_built(info.number);
                    }
                    return Err(error);
                }
            }
        }
        let written = fresh.iter().map(|table| table.info().written_bytes());
        let bytes_written = written.sum::<u64>();
        let ended = self.install(&plan, Some(fresh))?;
        if ended == Ended::Done {
            let took = self.since(begun);
            let event = Event::Merged {
                keyspace: plan.keyspace,
                from: plan.job.from,
                to: plan.job.to,
                bytes_read: compact::bytes(plan.job.upper.iter().chain(&plan.job.lower)),
                bytes_written,
                took,
            };
            self.merged(took, &event);
        }
        flushed.map(|()| ended)
    }

    /// How long so many bytes may take at the rate that the options allow.
    fn takes(&self, bytes: usize) -> Duration {
        let ns = (bytes as u64).saturating_mul(1_000_000_000);
        Duration::from_nanos(
            ns.checked_div(self.options.merge_bytes_per_second)
                .unwrap_or_default(),
        )
    }

    /// Chooses what to merge, if there is something.
    fn plan_merge(&self, wanted: Wanted) -> Result<Option<Plan<P>>> {
        let mut state = self.maintenance.lock();
        if self.closing.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        self.commit.lock().check()?;
        let view = self.reads.lock().view.clone();
        let now_ns = self.directory.platform.now(ClockId::Real).as_ns();
        let usage = Usage::of(view.tables());
        let rewritten = match wanted {
            Wanted::Everything(_) => usage.with_dead(),
            Wanted::Needed => usage.to_rewrite(self.options.table_bytes),
        };
        // Flushes and writers of all keyspaces wait for the one with the most tables at level 0.
        let mut trees: Vec<_> = view.trees.iter().collect();
        trees.sort_by_key(|tree| Reverse(tree.version.levels[0].len()));
        for tree in trees {
            let job = match wanted {
                Wanted::Everything(limit) if !self.is_queue() => {
                    let is_dead = |info: &TableInfo| {
                        let mut shares = info.values.iter();
                        shares.any(|share| rewritten.contains(&share.file))
                    };
                    compact::manual(&tree.version, limit, is_dead)
                }
                // Of a queue there is nothing to merge, but perhaps something to drop.
                _ => {
                    let turns = state.turns.entry(tree.id).or_default();
                    compact::pick(&tree.version, &self.options, turns, now_ns)
                }
            };
            if let Some(job) = job {
                let plan = Plan::new(tree, job, &self.options, rewritten, &state.manifest);
                return Ok(Some(plan));
            }
        }
        if wanted != Wanted::Needed || self.is_queue() {
            return Ok(None);
        }
        // Last: merges make values dead, and may be what frees them.
        let trees = view.trees.iter();
        let worth = trees.filter_map(|tree| {
            let gain = |info: &TableInfo| usage.gain(info);
            compact::garbage(&tree.version, gain).map(|(gain, job)| (gain, tree, job))
        });
        let most = worth.max_by_key(|(gain, ..)| *gain);
        let plan = |(_, tree, job): (_, &Arc<Tree<P>>, _)| {
            Plan::new(tree, job, &self.options, rewritten, &state.manifest)
        };
        Ok(most.map(plan))
    }

    /// Whether a clear has dropped the inputs, which only it does during a merge, or the database is being closed.
    fn is_pointless(&self, plan: &Plan<P>) -> bool {
        let mut inputs = plan.job.upper.iter().chain(&plan.job.lower);
        inputs.any(|table| table.is_obsolete()) || self.is_leaving()
    }

    /// Puts the new tables, or without any the moved ones, in the place of the inputs, if those are still there.
    fn install(&self, plan: &Plan<P>, fresh: Option<Vec<Arc<Table<P>>>>) -> Result<Ended> {
        let job = &plan.job;
        let mut state = self.maintenance.lock();
        let view = self.reads.lock().view.clone();
        let tree = view.tree(plan.keyspace).ok();
        let holds = |tree: &&Arc<Tree<P>>| {
            let holds = |level: usize, table: &Arc<Table<P>>| {
                let tables = &tree.version.levels[level];
                tables.iter().any(|held| Arc::ptr_eq(held, table))
            };
            job.upper.iter().all(|table| holds(job.from, table))
                && job.lower.iter().all(|table| holds(job.to, table))
        };
        let Some(tree) = tree.filter(holds) else {
            fresh
                .iter()
                .flatten()
                .for_each(|table| table.set_obsolete());
            return Ok(Ended::Cancelled);
        };
        let moved = fresh.is_none();
        let incoming = fresh.unwrap_or_else(|| job.upper.clone());
        let mut levels = tree.version.levels.clone();
        let is_input = |table: &Arc<Table<P>>| {
            let mut inputs = job.upper.iter().chain(&job.lower);
            inputs.any(|input| Arc::ptr_eq(input, table))
        };
        // Inputs of level 0 stand side by side: nothing but newer tables came in, before them.
        let place = levels[0].iter().position(is_input).unwrap_or_default();
        levels[job.from].retain(|table| !is_input(table));
        levels[job.to].retain(|table| !is_input(table));
        if job.to == 0 {
            levels[0].splice(place..place, incoming.iter().cloned());
        } else {
            levels[job.to].extend(incoming.iter().cloned());
            levels[job.to].sort_unstable_by(|a, b| a.info().smallest.cmp(&b.info().smallest));
        }
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        let version = Version::new(levels);
        if let Some(keyspace) = manifest.keyspace(plan.keyspace) {
            keyspace.levels = version.infos();
            // Reads search levels below 0 by halves: rather no merge than one that breaks their order.
            if !compact::is_ordered(&keyspace.levels) {
                fresh_tables(&incoming, moved).for_each(|table| table.set_obsolete());
                return Err(Error::Invalid(
                    "a merge would have broken the order of a level",
                ));
            }
        }
        let made: &[_] = if moved { &[] } else { &incoming };
        self.switch(&mut state, manifest, made)?;
        let dropped = job.kind == JobKind::Drop;
        let mut reads = self.reads.lock();
        reads.counts.merges += u64::from(!moved && !dropped);
        reads.counts.drops += if dropped { job.upper.len() as u64 } else { 0 };
        reads.counts.moves += u64::from(moved);
        if !moved && !dropped {
            reads.counts.merge_bytes_read += compact::bytes(job.upper.iter().chain(&job.lower));
            let written = incoming.iter().map(|table| table.info().written_bytes());
            reads.counts.merge_bytes_written += written.sum::<u64>();
        }
        drop(reads);
        self.publish(|tree| {
            if tree.id == plan.keyspace {
                tree.version = Arc::new(Version::new(version.levels.clone()));
            }
        });
        if !moved {
            let inputs = job.upper.iter().chain(&job.lower);
            inputs.for_each(|table| table.set_obsolete());
        }
        Ok(Ended::Done)
    }
}
