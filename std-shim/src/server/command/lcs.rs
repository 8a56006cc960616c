//! `LCS`: the longest common subsequence of two strings, by the table of the lengths for all pairs of prefixes.
//!
//! Time and memory grow with the product of the lengths; over [`STRING_BYTES_MAX`] bytes of table the request is refused,
//! as in Redis.
#![forbid(unsafe_code)]

use super::Context;
use super::failure::{Failure, Outcome};
use super::option::{integer, is};
use crate::server::resp::{Args, Reply};
use crate::server::store::STRING_BYTES_MAX;
use core::ops::Range;
use underpin_core::platform::{Files, Reactor};

/// What is asked about the subsequence.
#[derive(Default)]
struct Asked {
    length: bool,
    places: bool,
    /// Shorter matches are not told.
    least: u32,
    match_lengths: bool,
}

impl Asked {
    fn read(args: Args<'_>) -> Result<Self, Failure> {
        let mut asked = Self::default();
        let mut rest = args.iter_from(3);
        while let Some(word) = rest.next() {
            if is(word, "LEN") {
                asked.length = true;
            } else if is(word, "IDX") {
                asked.places = true;
            } else if is(word, "WITHMATCHLEN") {
                asked.match_lengths = true;
            } else if is(word, "MINMATCHLEN") {
                let least = integer(rest.next().ok_or(Failure::SYNTAX)?)?;
                // A negative one asks for nothing.
                asked.least = u32::try_from(least.max(0)).unwrap_or(u32::MAX);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if asked.length && asked.places {
            return Err(Failure::fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(asked)
    }
}

/// The lengths of the longest common subsequences of all prefixes of two strings.
struct Lengths {
    cells: Vec<u32>,
    width: usize,
}

impl Lengths {
    fn new(a: &[u8], b: &[u8]) -> Result<Self, Failure> {
        let width = b.len() + 1;
        let count = (a.len() + 1)
            .checked_mul(width)
            .filter(|count| *count <= STRING_BYTES_MAX / size_of::<u32>())
            .ok_or(Failure::fixed(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ))?;
        let mut cells = Vec::new();
        cells.try_reserve_exact(count).map_err(|_| {
            Failure::fixed("ERR Insufficient memory, failed allocating transient memory for LCS")
        })?;
        cells.resize(width, 0);
        for x in a {
            let above = cells.len() - width;
            let mut left = 0;
            cells.push(0);
            for (column, y) in b.iter().enumerate() {
                let at = |column: usize| cells.get(above + column).copied().unwrap_or(0);
                left = match x == y {
                    true => at(column) + 1,
                    false => at(column + 1).max(left),
                };
                cells.push(left);
            }
        }
        Ok(Self { cells, width })
    }

    /// Of the first `i` bytes of one and the first `j` of the other.
    fn of(&self, i: usize, j: usize) -> u32 {
        self.cells.get(i * self.width + j).copied().unwrap_or(0)
    }
}

/// A stretch that both strings have: where it is in each.
struct Match {
    a: Range<usize>,
    b: Range<usize>,
}

/// The matches that make up the subsequence, from the strings' ends on, as Redis tells them; and its bytes.
fn trace(a: &[u8], b: &[u8], lengths: &Lengths) -> (Vec<Match>, Vec<u8>) {
    let (mut i, mut j) = (a.len(), b.len());
    let (mut matches, mut bytes) = (Vec::<Match>::new(), Vec::new());
    while i > 0 && j > 0 {
        if let Some(byte) = a.get(i - 1)
            && b.get(j - 1) == Some(byte)
        {
            bytes.push(*byte);
            match matches.last_mut() {
                Some(last) if last.a.start == i && last.b.start == j => {
                    last.a.start = i - 1;
                    last.b.start = j - 1;
                }
                _ => matches.push(Match {
                    a: i - 1..i,
                    b: j - 1..j,
                }),
            }
            (i, j) = (i - 1, j - 1);
        } else if lengths.of(i - 1, j) > lengths.of(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    bytes.reverse();
    (matches, bytes)
}

pub(super) fn lcs<P: Files + Reactor>(
    c: &mut Context<'_, P>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let asked = Asked::read(args)?;
    let mut copy = |index| -> Result<Vec<u8>, Failure> {
        let copied = c.store().copy(args.at(index))?;
        Ok(copied.map(|(bytes, _)| bytes).unwrap_or_default())
    };
    let (a, b) = (copy(1)?, copy(2)?);
    let lengths = Lengths::new(&a, &b)?;
    let length = i64::from(lengths.of(a.len(), b.len()));
    if asked.length {
        reply.integer(length);
        return Ok(());
    }
    let (mut matches, bytes) = trace(&a, &b, &lengths);
    if !asked.places {
        reply.bulk(&bytes);
        return Ok(());
    }
    let least = usize::try_from(asked.least).unwrap_or(usize::MAX);
    matches.retain(|found| found.a.len() >= least);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.len());
    for found in &matches {
        reply.array(if asked.match_lengths { 3 } else { 2 });
        for range in [&found.a, &found.b] {
            reply.array(2);
            for place in [range.start, range.end - 1] {
                reply.integer(i64::try_from(place).unwrap_or(i64::MAX));
            }
        }
        if asked.match_lengths {
            reply.integer(i64::try_from(found.a.len()).unwrap_or(i64::MAX));
        }
    }
    reply.bulk(b"len");
    reply.integer(length);
    Ok(())
}
