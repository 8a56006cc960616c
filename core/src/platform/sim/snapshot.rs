//! A copy of a machine's disk, cheap to take (pages are shared until somebody writes) and to start machines from.
#![forbid(unsafe_code)]

use super::disk::Disk;
use super::rng::Rng;
use alloc::vec::Vec;

/// The disk at one moment, with what was unsynced then.
#[derive(Clone, Debug)]
pub struct DiskSnapshot(pub(super) Disk);

impl DiskSnapshot {
    /// The disk as a power loss at that moment could leave it; each `seed` gives one of the possible outcomes. So many
    /// outcomes of one moment can be tried without running the program again.
    #[must_use]
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let mut disk = self.0.clone();
        disk.lose_power(&mut Rng::new(seed));
        Self(disk)
    }

    /// The bytes of the file at `path`, if there is one.
    #[must_use]
    pub fn file(&self, path: &[u8]) -> Option<Vec<u8>> {
        let file = self.0.file(self.0.find(path).ok()?).ok()?;
        Some(file.volatile.to_vec(0, usize::MAX))
    }

    /// The names in the directory at `path`, if there is one, in their order.
    #[must_use]
    pub fn list(&self, path: &[u8]) -> Option<Vec<Vec<u8>>> {
        let entries = self.0.list(path).ok()?;
        Some(entries.into_iter().map(|(name, _)| name).collect())
    }

    /// Space that files take.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes()
    }
}
