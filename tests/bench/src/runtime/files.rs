//! Reads of a file that the system's memory has.

use super::process_cpu;
use super::subject::{Monoio, Runtime, Tokio, Underpin};
use crate::case::{Case, Sample, Settings, Subject, locked_version};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// Reads before the first one is repeated.
const PIECES: u64 = 64;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let reads = settings.operations(100_000, 20_000);
    vec![Case {
        name: "file: cached read of 64 KiB".into(),
        terms: format!(
            "{reads} reads of {READ_BYTES} bytes at different offsets of a file that was just written; CPU of all threads"
        ),
        ours: Subject::new(Underpin::NAME, env!("CARGO_PKG_VERSION"), move |dir| {
            let path = file(dir)?;
            Underpin::block_on(async {
                let file = underpin::rt::fs::File::open(path).await.map_err(text)?;
                let mut buffer = vec![0; READ_BYTES];
                let mut reads = Reads::begin(reads);
                while let Some(offset) = reads.next(&buffer)? {
                    let read = file.read_exact_at(&mut buffer, offset).await;
                    read.map_err(text)?;
                }
                Ok(reads.end())
            })
        }),
        peers: vec![
            Subject::new(Tokio::NAME, locked_version(Tokio::PACKAGE), move |dir| {
                // What Tokio does for a file, without its copy: a call on one of its threads.
                let path = file(dir)?;
                Tokio::block_on(async {
                    let file = std::sync::Arc::new(File::open(path).map_err(text)?);
                    let mut buffer = vec![0; READ_BYTES];
                    let mut reads = Reads::begin(reads);
                    while let Some(offset) = reads.next(&buffer)? {
                        let file = file.clone();
                        let reading = tokio::task::spawn_blocking(move || {
                            file.read_exact_at(&mut buffer, offset).map(|()| buffer)
                        });
                        buffer = reading.await.map_err(|e| e.to_string())?.map_err(text)?;
                    }
                    Ok(reads.end())
                })
            }),
            Subject::new(Monoio::NAME, locked_version(Monoio::PACKAGE), move |dir| {
                let path = file(dir)?;
                Monoio::block_on(async {
                    let file = monoio::fs::File::open(path).await.map_err(text)?;
                    let mut buffer = vec![0; READ_BYTES];
                    let mut reads = Reads::begin(reads);
                    while let Some(offset) = reads.next(&buffer)? {
                        let (result, filled) = file.read_exact_at(buffer, offset).await;
                        result.map_err(text)?;
                        buffer = filled;
                    }
                    Ok(reads.end())
                })
            }),
            Subject::new("limit: std", "", move |dir| {
                let file = File::open(file(dir)?).map_err(text)?;
                let mut buffer = vec![0; READ_BYTES];
                let mut reads = Reads::begin(reads);
                while let Some(offset) = reads.next(&buffer)? {
                    file.read_exact_at(&mut buffer, offset).map_err(text)?;
                }
                Ok(reads.end())
            }),
        ],
    }]
}

fn text(error: io::Error) -> String {
    error.to_string()
}

/// A file in which each piece begins with its number.
fn file(dir: &Path) -> Result<PathBuf, String> {
    let path = dir.join("pieces");
    let mut bytes = Vec::new();
    for piece in 0..PIECES {
        bytes.extend_from_slice(&piece.to_le_bytes());
        bytes.resize((piece as usize + 1) * READ_BYTES, piece as u8);
    }
    std::fs::write(&path, bytes).map_err(text)?;
    Ok(path)
}

/// Where to read, and whether what was read is right.
struct Reads {
    wanted: u64,
    done: u64,
    start: std::time::Duration,
}

impl Reads {
    fn begin(wanted: u64) -> Self {
        Self {
            wanted,
            done: 0,
            start: process_cpu(),
        }
    }

    /// The offset of the next read, `None` after the last. `bytes` are what the one before gave.
    fn next(&mut self, bytes: &[u8]) -> Result<Option<u64>, String> {
        let piece = |read: u64| read * 7 % PIECES;
        if self.done > 0 && bytes[..8] != piece(self.done - 1).to_le_bytes() {
            return Err("the wrong piece".into());
        }
        if self.done == self.wanted {
            return Ok(None);
        }
        self.done += 1;
        Ok(Some(piece(self.done - 1) * READ_BYTES as u64))
    }

    fn end(self) -> Sample {
        Sample {
            operations: self.wanted,
            elapsed: process_cpu() - self.start,
        }
    }
}
