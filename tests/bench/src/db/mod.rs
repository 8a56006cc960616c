//! The database: embedded against embedded stores, served against a server.

mod child;
mod embedded;
mod resp;
#[cfg(all(target_os = "linux", not(feature = "rocksdb")))]
mod rocks_library;
mod served;
mod store;
mod subjects;
mod workloads;

use crate::case::{Case, Settings};
pub(crate) use child::{ARGUMENT as CHILD_ARGUMENT, serve as serve_child};

/// Every case of the part.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let mut cases = child::apart(settings, embedded_cases(settings));
    cases.extend(served::cases(settings)?);
    Ok(cases)
}

/// The cases of embedded stores, to be done in this process.
fn embedded_cases(settings: &Settings) -> Vec<Case> {
    let mut cases = embedded::cases(settings);
    cases.extend(workloads::cases(settings));
    cases
}
