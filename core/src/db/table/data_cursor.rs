//! A place in a data block, as it is on disk or laid out flat.
#![forbid(unsafe_code)]

use super::block::Block;
use super::block_cursor::BlockCursor;
use super::flat::FlatCursor;
use crate::db::entry::{Entry, Kind};
use crate::db::error::Result;
use alloc::sync::Arc;

#[derive(Debug)]
pub(super) enum DataCursor {
    Packed(BlockCursor),
    Flat(FlatCursor),
}

impl DataCursor {
    /// A cursor before the first entry of a block, in the memory of the last one if there was one.
    pub(super) fn new(block: Arc<Block>, last: Option<Self>) -> Self {
        match last {
            _ if block.is_flat() => Self::Flat(FlatCursor::new(block)),
            Some(Self::Packed(last)) => Self::Packed(last.into_block(block)),
            _ => Self::Packed(BlockCursor::new(block)),
        }
    }

    /// Goes to the first entry whose key is not less than `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<()> {
        match self {
            Self::Packed(cursor) => cursor.seek(key),
            Self::Flat(cursor) => {
                cursor.seek(key);
                Ok(())
            }
        }
    }

    /// Goes to the last entry.
    pub(super) fn seek_last(&mut self) -> Result<()> {
        match self {
            Self::Packed(cursor) => cursor.seek_last(),
            Self::Flat(cursor) => {
                cursor.seek_last();
                Ok(())
            }
        }
    }

    /// Goes to the next entry, or to the one before.
    #[inline]
    pub(super) fn step(&mut self, reverse: bool) -> Result<()> {
        match self {
            Self::Flat(cursor) => {
                cursor.step(reverse);
                Ok(())
            }
            Self::Packed(cursor) if reverse => cursor.retreat(),
            Self::Packed(cursor) => cursor.advance(),
        }
    }

    #[inline]
    pub(super) fn is_at_entry(&self) -> bool {
        match self {
            Self::Packed(cursor) => cursor.is_at_entry(),
            Self::Flat(cursor) => cursor.is_at_entry(),
        }
    }

    /// The key and the kind of the entry here.
    #[inline]
    pub(super) fn here(&self) -> Option<(&[u8], Kind)> {
        match self {
            Self::Packed(cursor) => cursor.here(),
            Self::Flat(cursor) => cursor.here(),
        }
    }

    /// The key here.
    #[inline]
    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Packed(cursor) => cursor.key(),
            Self::Flat(cursor) => cursor.key(),
        }
    }

    /// The key and the value here.
    #[inline]
    pub(super) fn pair(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Packed(cursor) => cursor.pair(),
            Self::Flat(cursor) => cursor.pair(),
        }
    }

    /// The entry here.
    pub(super) fn entry(&self) -> Option<Entry<'_>> {
        match self {
            Self::Packed(cursor) => cursor.entry(),
            Self::Flat(cursor) => cursor.entry(),
        }
    }
}
