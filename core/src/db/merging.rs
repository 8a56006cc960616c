//! Merging beside everything else.
//!
//! ```text
//! merging lock                                  one merge at a time
//!   maintenance lock: choose inputs I (the newest tables), take a number
//!   no lock: read I, build table T              flushes put newer tables before I; now and then: still wanted?
//!   maintenance lock: find I in the list, put T there in the manifest, publish; I are obsolete
//! ```
//! - I stay next to each other: flushes only add before them, no other merge runs, and a clear drops all. So at the end either
//!   all of I are in the list, in a row, or none is, and then T must not be: it would bring back what was cleared.
//! - If I reached the oldest table when they were chosen, they do at the end: flushes only add newer ones. So what was decided
//!   then of entries that say that a key is gone holds.
//! - T that never came into a manifest is a leftover that this merge removes, or after a crash the next open.
//!
//! A merge is cancelled when its inputs were cleared or the database is being closed. It notices after a few thousand entries, but
//! not while it makes the finished table durable. That is no error.
#![forbid(unsafe_code)]

use super::compact::{self, Built};
use super::error::{Error, Result};
use super::shared::Shared;
use super::table::Table;
use super::version::Manifest;
use crate::platform::{Files, MutexGuard};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

/// What a merge is to do.
struct Plan<P: Files> {
    /// Of the new table.
    number: u64,
    /// Newest first.
    inputs: Vec<Arc<Table<P>>>,
    /// Whether there is no older table.
    whole: bool,
}

impl<P: Files> Shared<P> {
    /// Merges tables if there are too many, unless another merge runs.
    pub(super) fn merge_if_needed(&self) -> Result<()> {
        self.merging
            .try_lock()
            .map_or(Ok(()), |turn| self.merge(&turn))
    }

    /// Waits for a running merge, and merges if there are too many tables to flush even then.
    pub(super) fn merge_for_room(&self) -> Result<()> {
        let turn = self.merging.lock();
        let room = self.has_table_room(&self.maintenance.lock());
        if room { Ok(()) } else { self.merge(&turn) }
    }

    fn merge(&self, _turn: &MutexGuard<'_, (), P>) -> Result<()> {
        let Some(plan) = self.plan_merge()? else {
            return Ok(());
        };
        // Whoever merges is often the only one who flushes, and writers wait if nobody does.
        let mut flushed = Ok(());
        let go_on = || {
            if self.is_pointless(&plan) {
                return ControlFlow::Break(());
            }
            if flushed.is_ok() {
                flushed = self.flush_beside_merge();
            }
            ControlFlow::Continue(())
        };
        let (number, sources) = (plan.number, compact::sources(&plan.inputs));
        let built = compact::build_while(
            &self.directory,
            number,
            &self.options,
            sources,
            plan.whole,
            go_on,
        )?;
        let fresh = match built {
            Built::Table(info) => Some(self.open_built(&info)?),
            Built::Empty => None,
            Built::Cancelled => return Ok(()),
        };
        self.install(&plan, fresh)?;
        flushed
    }

    /// Chooses what to merge, if there is something.
    fn plan_merge(&self) -> Result<Option<Plan<P>>> {
        let mut state = self.maintenance.lock();
        if self.closing.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        self.commit.lock().check()?;
        let mut inputs = self.reads.lock().view.version.tables.clone();
        let sizes: Vec<u64> = inputs.iter().map(|table| table.info().bytes).collect();
        let count = compact::choose(&sizes, self.options.tables_max);
        if count == 0 {
            return Ok(None);
        }
        inputs.truncate(count);
        Ok(Some(Plan {
            number: state.number(),
            inputs,
            whole: count == sizes.len(),
        }))
    }

    /// Whether a clear has dropped the inputs, which only it does during a merge, or the database is being closed.
    fn is_pointless(&self, plan: &Plan<P>) -> bool {
        let cleared = plan.inputs.iter().any(|table| table.is_obsolete());
        cleared || self.closing.load(Ordering::Relaxed)
    }

    /// Puts the new table in the place of the inputs, if they are still there.
    fn install(&self, plan: &Plan<P>, fresh: Option<Arc<Table<P>>>) -> Result<()> {
        let mut state = self.maintenance.lock();
        let mut tables = self.reads.lock().view.version.tables.clone();
        let numbers = |tables: &[Arc<Table<P>>]| -> Vec<u64> {
            tables.iter().map(|table| table.info().number).collect()
        };
        let inputs = numbers(&plan.inputs);
        let place = numbers(&tables)
            .windows(inputs.len())
            .position(|row| row == inputs);
        let Some(start) = place else {
            if let Some(table) = fresh {
                table.set_obsolete();
            }
            return Ok(());
        };
        let place = start..start + inputs.len();
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        let info = fresh.iter().map(|table| table.info().clone());
        manifest.tables.splice(place.clone(), info);
        self.switch(&mut state, manifest, fresh.as_deref())?;
        state.merges += 1;
        tables.splice(place, fresh);
        self.publish(tables, false);
        plan.inputs.iter().for_each(|table| table.set_obsolete());
        Ok(())
    }
}
