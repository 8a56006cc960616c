//! Counters that are always on. None is touched on the paths that most calls take: what they would count is found by walking
//! the table of lines when somebody asks.
#![forbid(unsafe_code)]

use super::size_class::{CLASSES, bytes_of};
use super::slab::{SLICE_SHIFT, kind};
use super::space::Space;
use crate::platform::Platform;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counters of the shared part; bytes unless their names say otherwise.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) reserved: AtomicUsize,
    pub(super) committed: AtomicUsize,
    /// In slabs, runs and heaps' caches.
    pub(super) in_use: AtomicUsize,
    /// Given back to the system so far.
    pub(super) purged: AtomicUsize,
    /// Chains spliced onto other threads' slabs.
    pub(super) remote_chains_count: AtomicUsize,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            reserved: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            in_use: AtomicUsize::new(0),
            purged: AtomicUsize::new(0),
            remote_chains_count: AtomicUsize::new(0),
        }
    }
}

/// One size class at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Size of the class's blocks.
    pub block_bytes: usize,
    /// Slabs of 64 KiB.
    pub slab_count: usize,
    /// Blocks that are out: with the program, or in a thread's list of blocks at hand.
    pub used_count: usize,
}

/// A picture of an allocator at a moment. Other threads go on while it is taken, so the parts need not add up to the last block.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Address space reserved.
    pub reserved_bytes: usize,
    /// Of it made usable; the system backs what has been touched.
    pub committed_bytes: usize,
    /// In slabs, large blocks and threads' caches, at 64 KiB each.
    pub in_use_bytes: usize,
    /// Free, backed by memory, and not yet given back.
    pub dirty_bytes: usize,
    /// Given back to the system so far.
    pub purged_bytes: usize,
    /// Chains of blocks that threads returned to other threads' slabs.
    pub remote_chains_count: usize,
    /// Slabs whose threads have ended.
    pub abandoned_count: usize,
    /// Live large blocks.
    pub large_count: usize,
    /// Their bytes.
    pub large_bytes: usize,
    /// By size class.
    pub classes: [ClassStats; CLASSES],
}

impl Stats {
    /// Walks the table: O(slices).
    pub(super) fn read<P: Platform>(space: &Space<P>) -> Self {
        let counters = &space.counters;
        let mut stats = Self {
            reserved_bytes: counters.reserved.load(Relaxed),
            committed_bytes: counters.committed.load(Relaxed),
            in_use_bytes: counters.in_use.load(Relaxed),
            dirty_bytes: space.dirty_bytes.load(Relaxed),
            purged_bytes: counters.purged.load(Relaxed),
            remote_chains_count: counters.remote_chains_count.load(Relaxed),
            abandoned_count: space.abandoned.load(Relaxed),
            large_count: 0,
            large_bytes: 0,
            classes: core::array::from_fn(|class| ClassStats {
                block_bytes: bytes_of(class),
                ..ClassStats::default()
            }),
        };
        let state = space.lock();
        let mut index = 0;
        while index < state.top {
            let line = space.line(index);
            match line.kind.load(Relaxed) {
                kind::SLAB | kind::SECURE => {
                    let class = usize::from(line.class.load(Relaxed)).min(CLASSES - 1);
                    stats.classes[class].slab_count += 1;
                    stats.classes[class].used_count += line.used() as usize;
                }
                kind::RUN => {
                    stats.large_count += 1;
                    stats.large_bytes += space.bytes_of_run(line);
                }
                _ => {}
            }
            index += line.slices().load(Relaxed).max(1);
        }
        drop(state);
        stats
    }

    /// Bytes in blocks that are out, by class size, and in large blocks.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let small = self
            .classes
            .iter()
            .map(|class| class.used_count * class.block_bytes);
        small.sum::<usize>() + self.large_bytes
    }

    /// Bytes of slabs.
    #[must_use]
    pub fn slab_bytes(&self) -> usize {
        self.classes
            .iter()
            .map(|class| class.slab_count << SLICE_SHIFT)
            .sum()
    }

    fn totals(&self) -> [(&'static str, usize); 10] {
        [
            ("reserved_bytes", self.reserved_bytes),
            ("committed_bytes", self.committed_bytes),
            ("in_use_bytes", self.in_use_bytes),
            ("used_bytes", self.used_bytes()),
            ("dirty_bytes", self.dirty_bytes),
            ("purged_bytes", self.purged_bytes),
            ("remote_chains", self.remote_chains_count),
            ("abandoned_slabs", self.abandoned_count),
            ("large_blocks", self.large_count),
            ("large_bytes", self.large_bytes),
        ]
    }

    /// Writes one JSON object.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("{")?;
        for (name, value) in self.totals() {
            write!(out, "\"{name}\":{value},")?;
        }
        out.write_str("\"classes\":[")?;
        let mut comma = "";
        for class in self.classes.iter().filter(|class| class.slab_count > 0) {
            write!(
                out,
                "{comma}{{\"block_bytes\":{},\"slabs\":{},\"used_blocks\":{}}}",
                class.block_bytes, class.slab_count, class.used_count
            )?;
            comma = ",";
        }
        out.write_str("]}")
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.totals() {
            writeln!(f, "{name:<20} {value:>16}")?;
        }
        writeln!(
            f,
            "{:>11} {:>8} {:>12}",
            "block bytes", "slabs", "used blocks"
        )?;
        for class in self.classes.iter().filter(|class| class.slab_count > 0) {
            writeln!(
                f,
                "{:>11} {:>8} {:>12}",
                class.block_bytes, class.slab_count, class.used_count
            )?;
        }
        Ok(())
    }
}
