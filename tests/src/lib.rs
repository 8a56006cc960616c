//! Tests of underpin that need more than one file of it; see the files beside `src`.

pub mod search;
pub mod seeds;
