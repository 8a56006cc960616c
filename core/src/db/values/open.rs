//! The values files of a directory that are open: each once, however many tables refer to it.
#![forbid(unsafe_code)]

use super::file::ValueFile;
use super::reference::Share;
use crate::db::directory::Directory;
use crate::db::error::Result;
use crate::platform::{Files, Mutex};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

#[derive(Debug)]
pub(in crate::db) struct OpenValues<P: Files> {
    files: Mutex<BTreeMap<u64, Weak<ValueFile<P>>>, P>,
}

impl<P: Files> OpenValues<P> {
    pub(in crate::db) fn new(platform: P) -> Self {
        Self {
            files: Mutex::new(BTreeMap::new(), platform),
        }
    }

    /// The open file, which is opened if nobody has it open.
    pub(in crate::db) fn open(
        &self,
        directory: &Directory<P>,
        stated: &Share,
        lenient: bool,
    ) -> Result<Arc<ValueFile<P>>> {
        let held = |files: &BTreeMap<u64, Weak<ValueFile<P>>>| files.get(&stated.file)?.upgrade();
        if let Some(file) = held(&self.files.lock()) {
            return Ok(file);
        }
        // Not under the lock, which a file that goes takes as well.
        let file = Arc::new(ValueFile::open(directory, stated, lenient)?);
        let mut files = self.files.lock();
        if let Some(other) = held(&files) {
            drop(files);
            return Ok(other);
        }
        files.insert(stated.file, Arc::downgrade(&file));
        Ok(file)
    }

    /// Takes a file that is gone from the list, unless it was opened anew.
    pub(super) fn forget(&self, number: u64) {
        let mut files = self.files.lock();
        if files
            .get(&number)
            .is_some_and(|file| file.strong_count() == 0)
        {
            files.remove(&number);
        }
    }
}
