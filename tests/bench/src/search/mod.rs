//! Search: our kernels against the crates that people use for the same.
//!
//! Rates are bytes of haystack a second. Texts are made here or are this repository's own; times are CPU time of the thread, since the
//! machine may be shared.

mod byte;
mod glibc;
mod hyperscan;
mod near;
mod patterns;
mod prose;
mod substring;
mod task;
mod text;

use crate::case::{Case, Settings};

/// Every case.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let corpora = text::corpora(600 << 10);
    let mut tasks = byte::tasks(&corpora);
    tasks.extend(substring::tasks(&corpora));
    tasks.extend(prose::tasks(&corpora));
    tasks.extend(near::tasks(&corpora));
    tasks.extend(patterns::tasks(&corpora, settings));
    Ok(tasks
        .into_iter()
        .map(|task| task.into_case(settings))
        .collect())
}
