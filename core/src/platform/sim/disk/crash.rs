//! What a power loss does to the unsynced changes of one file.
//!
//! The durable image holds what was synced. On a power loss each change made since is kept, dropped, or torn at
//! sectors of 512 bytes, and changes may be applied although earlier ones were not (a disk writes its cache back in any
//! order). Drawing every fate independently would make the plain outcomes, "all arrived" and "none did", vanishingly
//! rare for a file with many changes, so a crash first draws a [`Style`] for each file.
//!
//! # Invariants
//! I1: bytes that no unsynced change touched are as they were at the last sync.
//! I2: within one change, bytes of one sector share one fate.
//! I3: bytes of a hole that a kept change leaves before itself read as zeros, never as other files' old data.
#![forbid(unsafe_code)]

use super::content::Content;
use crate::platform::sim::rng::Rng;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes that the disk writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// A change of a file that is not durable yet.
#[derive(Clone, Debug)]
pub(in super::super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLength(u64),
    Preallocate { offset: u64, bytes: u64 },
    Punch { offset: u64, bytes: u64 },
}

/// How the fates of one file's changes hang together.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// All arrived.
    Kept,
    /// None did.
    Dropped,
    /// The disk wrote in order and stopped within one change.
    Prefix,
    /// Each change is kept, dropped or torn for itself.
    Independent,
    /// Each sector was last written back at some moment of its own, as by a page cache.
    Sectors,
}

impl Change {
    /// Applies the whole change.
    pub(in super::super) fn apply(&self, content: &mut Content) {
        match self {
            Self::Write { offset, bytes } => content.write(*offset, bytes),
            Self::SetLength(bytes) => content.set_length(*bytes),
            Self::Preallocate { offset, bytes } => content.preallocate(*offset, *bytes),
            Self::Punch { offset, bytes } => content.punch(*offset, *bytes),
        }
    }

    /// Bytes that the change carries.
    pub(in super::super) fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::SetLength(_) | Self::Preallocate { .. } | Self::Punch { .. } => 0,
        }
    }

    /// Applies the sectors of a write that `keep` picks; other changes whole or not at all, by sector 0.
    fn apply_sectors(&self, content: &mut Content, mut keep: impl FnMut(u64) -> bool) {
        let Self::Write { offset, bytes } = self else {
            if keep(0) {
                self.apply(content);
            }
            return;
        };
        let mut at = *offset;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let sector = at / SECTOR_BYTES;
            let count = rest.len().min(((sector + 1) * SECTOR_BYTES - at) as usize);
            let (now, later) = rest.split_at(count);
            if keep(sector) {
                content.write(at, now);
            }
            at += count as u64;
            rest = later;
        }
    }

    /// A change that was lost may still have made the file longer: the inode is written apart from the data.
    fn apply_length_only(&self, content: &mut Content) {
        if let Self::Write { offset, bytes } = self {
            content.grow(offset + bytes.len() as u64);
        }
    }
}

/// Applies what survives of `changes` to the durable image.
pub(in super::super) fn lose(durable: &mut Content, changes: &[Change], rng: &mut Rng) {
    if changes.is_empty() {
        return;
    }
    let style = match rng.below(8) {
        0 => Style::Kept,
        1 => Style::Dropped,
        2 | 3 => Style::Prefix,
        4 | 5 => Style::Independent,
        _ => Style::Sectors,
    };
    match style {
        Style::Kept => changes.iter().for_each(|change| change.apply(durable)),
        Style::Dropped => {}
        Style::Prefix => {
            let (kept, rest) = changes.split_at(rng.index(changes.len()));
            kept.iter().for_each(|change| change.apply(durable));
            if let Some(torn) = rest.first() {
                tear(torn, durable, rng);
            }
        }
        Style::Independent => {
            for change in changes {
                match rng.below(3) {
                    0 => change.apply(durable),
                    1 => tear(change, durable, rng),
                    _ if rng.below(4) == 0 => change.apply_length_only(durable),
                    _ => {}
                }
            }
        }
        Style::Sectors => {
            let all = changes.len() as u64 + 1;
            let inode_cut = rng.below(all);
            let mut cuts = BTreeMap::new();
            for (index, change) in (0..).zip(changes) {
                let written = matches!(change, Change::Write { .. });
                change.apply_sectors(durable, |sector| {
                    let cut = if written {
                        *cuts.entry(sector).or_insert_with(|| rng.below(all))
                    } else {
                        inode_cut
                    };
                    index < cut
                });
                if index < inode_cut {
                    change.apply_length_only(durable);
                }
            }
        }
    }
}

/// Keeps some sectors of a change: a run from the start (the usual case) or any of them.
fn tear(change: &Change, durable: &mut Content, rng: &mut Rng) {
    if rng.coin() {
        change.apply_sectors(durable, |_| rng.coin());
    } else {
        let mut going = true;
        change.apply_sectors(durable, |_| {
            going = going && rng.below(4) != 0;
            going
        });
    }
}
