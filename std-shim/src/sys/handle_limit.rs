//! How many handles this process may have open.
#![forbid(unsafe_code)]

/// Raises the process's limit of open handles towards `wanted`; returns what it is then.
#[cfg(unix)]
#[must_use]
pub fn raise_handle_limit(wanted: u64) -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(limit.maximum.unwrap_or(u64::MAX));
    limit.current = Some(raised);
    // Refused: then it is as it was.
    setrlimit(Resource::Nofile, limit).map_or(current, |()| raised)
}

/// How many handles the process may have open.
#[cfg(unix)]
#[must_use]
pub fn handle_limit() -> u64 {
    raise_handle_limit(0)
}

/// Windows has no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn handle_limit() -> u64 {
    u64::MAX
}

/// Windows has no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn raise_handle_limit(wanted: u64) -> u64 {
    wanted
}
