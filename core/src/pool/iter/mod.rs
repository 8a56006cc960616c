//! Parallel iteration: sources that split, adaptors over them, and the loop that runs them on a worker.
//!
//! This is the part without names for people: the shim puts Rayon's methods on it. [`drive`] runs any [`Source`] through any
//! [`Consumer`]; [`collect`] writes an exact source's items into place.

mod adapt;
mod collect;
mod drive;
mod owned;
mod source;
mod text;

pub use adapt::{
    Bounded, Chain, Cloned, Enumerate, EnumerateSeq, Filter, FilterMap, FilterMapSeq, FilterSeq,
    FlatMap, FlatMapSeq, Map, MapSeq, Rev, Zip,
};
pub use collect::collect;
pub use drive::{Consumer, drive, drive_fixed};
pub use owned::{OwnedIter, OwnedSeq};
pub use source::{
    Chunks, ChunksMut, ExactSource, RangeIter, SliceIter, SliceIterMut, Source, Windows,
};
pub use text::{CharIter, LineIter};
