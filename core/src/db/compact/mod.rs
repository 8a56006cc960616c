//! Compaction: fewer, larger tables, without what is shadowed.
//!
//! `pick` says which tables sink from one level to the next, `build` writes the tables that come out.
#![forbid(unsafe_code)]

mod build;
mod pick;

pub(super) use build::{Build, build};
pub(super) use pick::{Job, is_ordered, manual, pick};
