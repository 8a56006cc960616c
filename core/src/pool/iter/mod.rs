//! Parallel iteration: sources that split, adaptors over them, and the loop that runs them on a worker.
//!
//! This is the part without names for people: the shim puts Rayon's methods on it. [`drive`] runs any [`Source`] through any
//! [`Consumer`]; [`collect`] writes an exact source's items into place.

mod adapt;
mod attempt;
mod blocks;
mod bridge;
mod collect;
mod combine;
mod drive;
mod function;
mod grow;
mod nest;
mod owned;
mod pace;
mod pieces;
mod regroup;
mod source;
mod state;
mod stop;
mod text;
mod tuple;

pub use adapt::{
    Accepted, Adapted, Adaptor, Bounded, Cloned, Copied, Each, Enumerate, Filter, FilterMap,
    FlatMapIter, Given, Listed, ListedSeq, Map, Numbered, NumberedSeq, OneForOne, Stepped, Within,
};
pub use attempt::Attempt;
pub use blocks::Blocks;
pub use bridge::{Bridge, BridgeSeq};
pub use collect::collect;
pub use combine::{Chain, Rev, Zip};
pub use drive::{Consumer, Cuts, Pass, drive, drive_fixed};
pub use function::{Divide, Function};
pub use grow::{Split, Tree, TreeSeq, Visit};
pub use nest::{FlatMap, FlatMapSeq};
pub use owned::{OwnedIter, OwnedSeq};
pub use pieces::{Cut, Pieces, PiecesSeq, Runs, Separator, Sequence, Where};
pub use regroup::{Groups, GroupsSeq, Interleave, InterleaveSeq, StepBy};
pub use source::{
    Chunks, ChunksMut, ExactSource, Limits, RChunks, RChunksMut, RangeIter, Single, SliceIter,
    SliceIterMut, Source, Windows,
};
pub use state::{
    Copies, EachWith, EachWithSeq, Fold, FoldSeq, Folded, Made, Maker, MapWith, TryFold,
    TryFoldSeq, TryFolded,
};
pub use stop::{Accepting, CancelToken, Fused, FusedSeq, PanicFuse, Until};
pub use text::{CharIndexIter, CharIndexSeq, CharIter, LineIter};
pub use tuple::{Flat, Flattened};
