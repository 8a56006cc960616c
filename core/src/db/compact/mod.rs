//! Compaction: fewer, larger tables, without what is shadowed.
//!
//! `pick` says which tables sink from one level to the next, `tiers` which become one in level 0 or go, `build` writes the tables that come out.
#![forbid(unsafe_code)]

mod build;
mod pick;
mod tiers;

pub(super) use build::{Build, build};
pub(super) use pick::{Job, JobKind, bytes, garbage, is_ordered, manual, overlap, pays_off, pick};
pub(super) use tiers::is_oldest_run;
