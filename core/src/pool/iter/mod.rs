//! Parallel iteration: sources that split, adaptors over them, and the loop that runs them on a worker.
//!
//! This is the part without names for people: the shim puts Rayon's methods on it. [`drive`] runs any [`Source`] through any
//! [`Consumer`]; [`collect`] writes an exact source's items into place.

mod adapt;
mod attempt;
mod bridge;
mod collect;
mod drive;
mod owned;
mod pieces;
mod regroup;
mod source;
mod state;
mod stop;
mod text;

pub use adapt::{
    Bounded, Chain, Cloned, Enumerate, EnumerateSeq, Filter, FilterMap, FilterMapSeq, FilterSeq,
    FlatMap, FlatMapSeq, Map, MapSeq, Rev, Zip,
};
pub use attempt::Attempt;
pub use bridge::{Bridge, BridgeSeq};
pub use collect::collect;
pub use drive::{Consumer, drive, drive_fixed};
pub use owned::{OwnedIter, OwnedSeq};
pub use pieces::{Cut, Pieces, PiecesSeq, Runs, Separator, Sequence, Where};
pub use regroup::{Groups, GroupsSeq, Interleave, InterleaveSeq, StepBy};
pub use source::{
    Chunks, ChunksMut, ExactSource, RChunks, RChunksMut, RangeIter, SliceIter, SliceIterMut,
    Source, Windows,
};
pub use state::{Copies, Fold, FoldSeq, Made, Maker, MapWith, MapWithSeq, TryFold, TryFoldSeq};
pub use stop::{CancelToken, PanicFuse, PanicFuseSeq, Until, UntilSeq};
pub use text::{CharIndexIter, CharIndexSeq, CharIter, LineIter};
