//! Builds a block: entries in key order, each key without the start it shares with the one before.
//!
//! Every `restart_interval`-th key is stored whole and its place noted, so that a reader can search by halves.
#![forbid(unsafe_code)]

use crate::codec::varint;
use crate::db::entry::Kind;
use alloc::vec::Vec;

#[derive(Debug)]
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    restart_interval: usize,
    since_restart: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    pub(super) const fn new(restart_interval: usize) -> Self {
        Self {
            bytes: Vec::new(),
            restarts: Vec::new(),
            restart_interval,
            since_restart: 0,
            last_key: Vec::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// Bytes so far, without the restart places.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Adds an entry; `key` is greater than all before. The tag is eight times the sequence number, plus the kind.
    pub(super) fn push(&mut self, key: &[u8], sequence: u64, kind: Kind, value: &[u8]) {
        let shared = if self.is_empty() || self.since_restart == self.restart_interval {
            self.restarts.push(self.bytes.len() as u32);
            self.since_restart = 0;
            0
        } else {
            key.iter()
                .zip(&self.last_key)
                .take_while(|(a, b)| a == b)
                .count()
        };
        self.since_restart += 1;
        let suffix = &key[shared..];
        varint::push(&mut self.bytes, shared as u64);
        varint::push(&mut self.bytes, suffix.len() as u64);
        varint::push(&mut self.bytes, sequence << 3 | kind as u64);
        if kind != Kind::Remove {
            varint::push(&mut self.bytes, value.len() as u64);
        }
        self.bytes.extend_from_slice(suffix);
        self.bytes.extend_from_slice(value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }

    /// Completes the block in `out`, which is empty, and starts anew in its memory.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        core::mem::swap(out, &mut self.bytes);
        for restart in &self.restarts {
            out.extend_from_slice(&restart.to_le_bytes());
        }
        out.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        self.restarts.clear();
        self.since_restart = 0;
        self.last_key.clear();
    }
}
