//! A fresh directory for the files of one test, removed when the test is over.

use core::sync::atomic::{AtomicU32, Ordering};
use std::path::PathBuf;

/// The directory.
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// A new directory, in `UNDERPIN_TEST_DIR` if that is set: so that other file systems can be tested.
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let parent =
            std::env::var_os("UNDERPIN_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = parent.join(format!("underpin-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for the test's files");
        Self(path)
    }

    /// The directory's path as the seam takes it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0
            .to_str()
            .expect("the path of the temporary directory is text")
            .as_bytes()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind after a failure is the system's to clean up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
