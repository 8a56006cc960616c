//! The database: embedded against embedded stores, served against a server.

mod embedded;
mod resp;
mod served;
mod store;
mod subjects;
mod workloads;

use crate::case::{Case, Settings};

/// Every case of the part.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let mut cases = embedded::cases(settings);
    cases.extend(workloads::cases(settings));
    cases.extend(served::cases(settings)?);
    Ok(cases)
}
