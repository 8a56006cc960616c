//! Versions: which tables make up the database at one moment, and how that is switched.
//!
//! A version is never changed: a flush or merge makes a new one, stores it as the manifest, and publishes it. Reads that
//! began on the old one keep its tables open.
#![forbid(unsafe_code)]

mod manifest;

pub(super) use manifest::{Manifest, StoreError};

use super::cache::BlockCache;
use super::directory::Directory;
use super::error::Result;
use super::memtable::Memtable;
use super::table::{Table, TableInfo};
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The tables, newest first: of two entries of a key, the one in the earlier table counts.
#[derive(Debug)]
pub(super) struct Version<P: Files> {
    pub(super) tables: Vec<Arc<Table<P>>>,
}

impl<P: Files> Version<P> {
    pub(super) fn open(
        directory: &Directory<P>,
        tables: &[TableInfo],
        cache: &Arc<BlockCache<P>>,
    ) -> Result<Self> {
        let open = |info| Table::open(directory, info, cache).map(Arc::new);
        Ok(Self {
            tables: tables.iter().map(open).collect::<Result<_>>()?,
        })
    }
}

/// All that a read looks at: newest first the active memtable, the one being flushed, and the tables.
#[derive(Debug)]
pub(super) struct View<P: Files> {
    pub(super) active: Arc<Memtable>,
    pub(super) frozen: Option<Arc<Memtable>>,
    pub(super) version: Arc<Version<P>>,
}
