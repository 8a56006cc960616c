//! Operations on files that a ring of completions may do; a ring of readiness cannot, since files are always ready.
#![forbid(unsafe_code)]

use super::buffer::Buffer;
use super::file::{Durability, OpenOptions};

/// An operation on a file, for [`Op::File`](super::Op::File). Those on one file complete in no order, so that several reads can be under way.
///
/// What is cancelled may have happened all the same, in part too: a write that was given up before its completion came may be found in
/// the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileOp<S> {
    /// Opens a file for the other operations here, and brings [`Outcome::Opened`](super::Outcome::Opened). As with
    /// [`Files::open`](super::Files::open), but not for appending, which has no offsets: `InvalidInput`.
    Open {
        /// Its path, as bytes; comes back with the completion.
        path: Buffer,
        /// In which manner.
        options: OpenOptions,
    },
    /// Reads at an offset into the buffer's spare capacity; may be short, 0 bytes are the end of the file. An offset that no file has is
    /// `InvalidInput`.
    ReadAt {
        /// The file.
        file: S,
        /// Where to; comes back with the completion.
        buffer: Buffer,
        /// From where.
        offset: u64,
    },
    /// Writes the buffer's bytes from `start` on at an offset; may be short. An offset that no file has is `InvalidInput`.
    WriteAt {
        /// The file.
        file: S,
        /// What; comes back with the completion.
        buffer: Buffer,
        /// Index of the first byte to write.
        start: usize,
        /// Where to.
        offset: u64,
    },
    /// Makes durable what was written before it was submitted, and brings [`Outcome::Synced`](super::Outcome::Synced).
    Sync {
        /// The file.
        file: S,
        /// How durable; as [`Files::sync`](super::Files::sync).
        level: Durability,
    },
}

impl<S> FileOp<S> {
    /// The buffer that was lent, if one was.
    pub fn into_buffer(self) -> Option<Buffer> {
        match self {
            Self::Open { path: buffer, .. }
            | Self::ReadAt { buffer, .. }
            | Self::WriteAt { buffer, .. } => Some(buffer),
            Self::Sync { .. } => None,
        }
    }
}
