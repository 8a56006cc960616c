//! The thread that flushes and merges beside the program's own.
#![forbid(unsafe_code)]

use crate::sys::Native;
use std::thread::{self, JoinHandle};
use underpin_core::db;

/// The thread, which ends with the last handle.
#[derive(Debug)]
pub(super) struct Keeper {
    db: db::Db<Native>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// `None` if the system has no room for a thread: writers then do without.
    pub(super) fn start(db: &db::Db<Native>) -> Option<Self> {
        let kept = db.clone();
        let thread = thread::Builder::new()
            .name("underpin-kv".into())
            .spawn(move || kept.keep());
        Some(Self {
            db: db.clone(),
            thread: Some(thread.ok()?),
        })
    }
}

impl Drop for Keeper {
    /// Ends the thread first, so that nothing is left to change the directory.
    fn drop(&mut self) {
        self.db.dismiss_keepers();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, and a panic in it was told already.
            let _ = thread.join();
        }
    }
}
