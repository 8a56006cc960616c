//! What the allocator needs of its process and the seam does not have: words per thread, fork handlers, a thread that can be started
//! from within `malloc`; and how a program is run under another allocator.
#![allow(unsafe_code, reason = "C's fork handlers")]
#![allow(
    clippy::std_instead_of_core,
    reason = "paths and processes come from std"
)]

use std::ffi::OsString;
use std::io;
use std::path::Path;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) use super::thread_words::StdThreadWords as Words;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) use underpin_linux::LinuxThreadWords as Words;

/// A handler around fork.
pub(crate) type ForkHandler = unsafe extern "C" fn();

/// Runs `before` before each fork, and `parent` or `child` after it, on the thread that forks. Where processes do not fork, nothing.
pub(crate) fn at_fork(before: ForkHandler, parent: ForkHandler, child: ForkHandler) {
    #[cfg(unix)]
    {
        unsafe extern "C" {
            fn pthread_atfork(before: ForkHandler, parent: ForkHandler, child: ForkHandler) -> i32;
        }
        // SAFETY: functions without arguments, of a program that is not unloaded. Should it fail for want of memory, children that
        // allocate may wait for a lock.
        let _ = unsafe { pthread_atfork(before, parent, child) };
    }
    #[cfg(not(unix))]
    let _ = (before, parent, child);
}

/// Starts a thread without allocating; false where that cannot be done. `entry` makes system calls and nothing else.
pub(crate) fn spawn_service(entry: fn()) -> bool {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return underpin_linux::spawn_service(entry);
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = entry;
        false
    }
}

/// Becomes `program`, with `library` loaded before its own libraries; returns only if that fails.
#[must_use]
pub fn exec_preloaded(library: &Path, program: &OsString, arguments: &[OsString]) -> io::Error {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt as _;
        let mut preload = library.as_os_str().to_owned();
        if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
            preload.push(":");
            preload.push(others);
        }
        std::process::Command::new(program)
            .args(arguments)
            .env("LD_PRELOAD", preload)
            .exec()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (library, program, arguments);
        io::Error::new(
            io::ErrorKind::Unsupported,
            "libraries are loaded before others on Linux only",
        )
    }
}
