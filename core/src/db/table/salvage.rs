//! Writes a table anew without its blocks, and its values, that cannot be read.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use super::block::Block;
use super::block_cursor::BlockCursor;
use super::builder::{TableBuilder, TableInfo};
use super::origin::Origin;
use super::reader::Table;
use crate::db::entry::{Entry, Kind};
use crate::db::error::{Error, Result};
use crate::db::operands::{Base, Operands};
use crate::db::options::Options;
use crate::platform::Files;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What is left of a damaged table.
#[derive(Debug)]
pub(in crate::db) struct Salvaged {
    /// The new table, if anything is left.
    pub(in crate::db) info: Option<TableInfo>,
    pub(in crate::db) blocks_lost: u64,
    pub(in crate::db) values_lost: u64,
}

/// What became of an entry.
enum Copied {
    Whole,
    Lost,
}

impl<P: Files> Table<P> {
    /// Copies what can be read to table `number`, and with it the values that are in `damaged` files.
    pub(in crate::db) fn salvage(
        &self,
        number: u64,
        options: &Options,
        compressed: bool,
        damaged: &BTreeSet<u64>,
        origin: Origin,
    ) -> Result<Salvaged> {
        let directory = self.directory();
        let mut builder = TableBuilder::new(directory, number, options, compressed, origin)?;
        builder.may_refer_to(&self.info().values);
        let (mut blocks_lost, mut values_lost) = (0u64, 0u64);
        let mut last: Option<Vec<u8>> = None;
        for at in 0..self.part_count() {
            let part = match self.part(at, false) {
                Ok(part) => part,
                Err(error) if error.is_lost() => {
                    // Where its blocks are, nothing else says.
                    blocks_lost = blocks_lost.saturating_add(self.blocks_stated(at));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let part = part.as_deref();
            for block in 0..self.block_count(part) {
                let copied = self
                    .place_in(part, block)
                    .and_then(|place| place.map(|place| self.read_data(place)).transpose());
                let whole = match copied {
                    Ok(None) => break,
                    Ok(Some(block)) => {
                        let into = (&mut builder, &mut last, &mut values_lost);
                        self.salvage_block(block, damaged, into)?
                    }
                    Err(error) if error.is_lost() => false,
                    Err(error) => return Err(error),
                };
                blocks_lost = blocks_lost.saturating_add(u64::from(!whole));
            }
        }
        let info = if builder.is_empty() && self.ranges().is_empty() {
            None
        } else {
            Some(builder.finish(self.ranges())?)
        };
        Ok(Salvaged {
            info,
            blocks_lost,
            values_lost,
        })
    }

    /// Copies a block up to the first entry that makes no sense; whether that was all of it.
    fn salvage_block(
        &self,
        block: Arc<Block>,
        damaged: &BTreeSet<u64>,
        (builder, last, values_lost): (&mut TableBuilder<P>, &mut Option<Vec<u8>>, &mut u64),
    ) -> Result<bool> {
        let mut data = BlockCursor::new(block);
        loop {
            match data.advance() {
                Ok(()) => {}
                Err(Error::Corrupt(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
            let Some(entry) = data.entry() else {
                return Ok(true);
            };
            if last.as_deref().is_some_and(|last| last >= entry.key) {
                return Ok(false);
            }
            *last = Some(entry.key.into());
            match self.salvage_entry(builder, entry, damaged)? {
                Copied::Whole => {}
                Copied::Lost => *values_lost = values_lost.saturating_add(1),
            }
        }
    }

    /// Copies an entry, with the value that it refers to if that is in a damaged file. Only what cannot be read is lost: an error of a write
    /// ends the repair.
    fn salvage_entry(
        &self,
        builder: &mut TableBuilder<P>,
        entry: Entry<'_>,
        damaged: &BTreeSet<u64>,
    ) -> Result<Copied> {
        let Some(bytes) = entry.reference() else {
            return builder.push(entry).map(|()| Copied::Whole);
        };
        let reference = match self.follow(bytes) {
            Ok((_, reference)) => reference,
            Err(error) if error.is_lost() => return Ok(Copied::Lost),
            Err(error) => return Err(error),
        };
        if !damaged.contains(&reference.file) {
            return builder.push(entry).map(|()| Copied::Whole);
        }
        let value = match self.value(bytes, false) {
            Ok(value) => value,
            Err(error) if error.is_lost() => return Ok(Copied::Lost),
            Err(error) => return Err(error),
        };
        let value = value.value();
        let mut refused = Vec::new();
        let (kind, value) = match entry.kind {
            Kind::Refused => {
                let mut operands = Operands::default();
                operands.push_refused(entry.value)?;
                operands.refuse(Base::Value(value), &mut refused);
                (Kind::Refused, &refused[..])
            }
            _ => (Kind::Put, value),
        };
        let whole = Entry {
            kind,
            value,
            ..entry
        };
        builder.push(whole).map(|()| Copied::Whole)
    }
}
