//! Keyspaces come and go: each time a manifest says so before anything else does.
//!
//! A drop leaves records of the keyspace in the logs. Recovery passes over them: no number is used twice, so a number that is no
//! keyspace's and smaller than the next one was dropped.
#![forbid(unsafe_code)]

use super::error::{Error, Result};
use super::keyspace::{KEYSPACE_NAME_BYTES_MAX, KEYSPACES_MAX, KeyspaceId};
use super::shared::Shared;
use super::version::{KeyspaceInfo, Manifest, Tree, Version, View};
use crate::platform::Files;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl<P: Files> Shared<P> {
    /// The keyspace of a name, made if there is none.
    pub(super) fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        if let Some(tree) = self.snapshot()?.0.named(name) {
            return Ok(tree.id);
        }
        if name.len() > KEYSPACE_NAME_BYTES_MAX {
            return Err(Error::Limit {
                what: "name of a keyspace",
                found: name.len() as u64,
                max: KEYSPACE_NAME_BYTES_MAX as u64,
            });
        }
        let mut state = self.maintenance.lock();
        if let Some(tree) = self.snapshot()?.0.named(name) {
            return Ok(tree.id);
        }
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        if manifest.keyspaces.len() >= KEYSPACES_MAX {
            return Err(Error::Limit {
                what: "number of keyspaces",
                found: manifest.keyspaces.len() as u64 + 1,
                max: KEYSPACES_MAX as u64,
            });
        }
        let id = KeyspaceId(manifest.next_keyspace);
        manifest.next_keyspace += 1;
        manifest.keyspaces.push(KeyspaceInfo {
            id,
            name: name.into(),
            ..KeyspaceInfo::default()
        });
        self.switch(&mut state, manifest, &[])?;
        let tree = Tree::new(id, name, Version::empty());
        self.commit.lock().memtables.push((id, tree.active.clone()));
        self.change_trees(|trees| trees.push(Arc::new(tree)));
        Ok(id)
    }

    /// Drops a keyspace with all its keys. A merge in it finds its tables gone, and stops.
    pub(super) fn drop_keyspace(&self, id: KeyspaceId) -> Result<()> {
        if id == KeyspaceId::DEFAULT {
            return Err(Error::Invalid(
                "the default keyspace cannot be dropped; clear it",
            ));
        }
        let mut state = self.maintenance.lock();
        let tree = self.snapshot()?.0.tree(id)?.clone();
        // The manifest is durable at once. What was written before the drop must be too, and nothing may come in between: history has no
        // gaps.
        let mut commit = self.lock_durable()?;
        let mut manifest = Manifest {
            next_number: state.next_number,
            ..state.manifest.clone()
        };
        manifest.keyspaces.retain(|keyspace| keyspace.id != id);
        self.switch_held(&mut state, &mut commit, manifest)?;
        commit.memtables.retain(|(held, _)| *held != id);
        // There may be room now.
        self.wake_sleepers(&commit);
        drop(commit);
        self.change_trees(|trees| trees.retain(|tree| tree.id != id));
        state.turns.remove(&id);
        tree.version.tables().for_each(|table| table.set_obsolete());
        Ok(())
    }

    fn change_trees(&self, change: impl FnOnce(&mut Vec<Arc<Tree<P>>>)) {
        let mut trees = self.reads.lock().view.trees.clone();
        change(&mut trees);
        self.set_view(Arc::new(View { trees }));
    }
}
