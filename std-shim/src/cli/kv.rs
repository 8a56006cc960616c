//! `underpin kv`: a database directory from the shell.
//!
//! Keys and values are bytes as given; `--served` reads and writes the values of a directory that `underpin serve` uses, which
//! start with a type and an expiry.

use super::console::{self, Failure};
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::ops::Bound;
use std::path::PathBuf;
use std::process::ExitCode;
use underpin::server::store::Value;
use underpin::sys::{Native, native, path_bytes};
use underpin_core::db::{self, Batch, Compaction, Db, Options, WriteLevel};

/// Arguments of `kv`.
#[derive(Args, Debug)]
pub(super) struct Kv {
    /// Directory of the database
    dir: PathBuf,
    /// Values have the header that `underpin serve` gives them
    #[arg(long)]
    served: bool,
    /// Write nothing, and read also what another process has open
    #[arg(long)]
    read_only: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the value of a key to stdout; exit code 1 if there is none
    Get { key: OsString },
    /// Give a key a value
    Put { key: OsString, value: OsString },
    /// Remove keys
    Del { keys: Vec<OsString> },
    /// Write keys and values, a tab between them and escaped as in `dump`
    Scan {
        /// First key
        #[arg(long)]
        from: Option<OsString>,
        /// Only keys that start with this
        #[arg(long)]
        prefix: Option<OsString>,
        /// At most so many
        #[arg(long)]
        limit: Option<usize>,
        /// Keys alone
        #[arg(long)]
        keys: bool,
    },
    /// Read lines `key<TAB>value` from stdin, escaped as `dump` writes them, and put them; `compact` merges the tables that come of it
    Load,
    /// Write every key and value to stdout; bytes that are not printable ASCII, and `\`, are escaped
    Dump,
    /// Write counts and sizes
    Stats,
    /// Read and check every file; exit code 2 if one is damaged
    Verify,
    /// Merge all tables: what was removed or overwritten leaves the disk
    Compact,
    /// Make a copy of the database in a new directory, which shares the space of its tables
    Checkpoint { to: PathBuf },
    /// Make a backup in a new directory: a database of its own whose tables were checked and copied
    Backup {
        to: PathBuf,
        /// An earlier backup of this database, to share unchanged tables with
        #[arg(long)]
        base: Option<PathBuf>,
    },
    /// Make the database that this backup or checkpoint holds in a new directory
    Restore { to: PathBuf },
    /// Make a damaged database one that opens, with what can still be read; exit code 1 if something was lost
    Repair,
}

impl Verb {
    /// Whether it is asked to merge tables.
    const fn merges(&self) -> bool {
        matches!(self, Self::Compact)
    }
}

/// Bytes of writes that `load` puts in one batch.
const LOAD_BATCH_BYTES: usize = 1 << 20;

impl Kv {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut options = Options::default();
        options.create = matches!(self.verb, Verb::Put { .. } | Verb::Load);
        options.read_only = self.read_only;
        if !self.verb.merges() {
            // How the database's program has its tables merged is in no file: nothing here must do it another way. What is written here
            // that program merges.
            options.compaction = Compaction::Fifo {
                bytes_max: u64::MAX,
                age_max: None,
            };
        }
        let describe = |error| Failure::new(format_args!("{}: {error}", self.dir.display()));
        if matches!(self.verb, Verb::Repair) {
            let report = db::repair(native(), path_bytes(&self.dir), &options).map_err(describe)?;
            console::say(&format!("{report:#?}"))?;
            return Ok(ExitCode::from(u8::from(!report.is_whole())));
        }
        if let Verb::Restore { to } = &self.verb {
            db::restore(native(), path_bytes(&self.dir), path_bytes(to)).map_err(describe)?;
            return Ok(ExitCode::SUCCESS);
        }
        let db = Db::open(native(), path_bytes(&self.dir), options).map_err(describe)?;
        let shell = Shell {
            db: &db,
            served: self.served,
        };
        let outcome = shell.run(self.verb);
        db.close().map_err(describe)?;
        outcome
    }
}

struct Shell<'a> {
    db: &'a Db<Native>,
    served: bool,
}

impl Shell<'_> {
    fn run(&self, verb: Verb) -> Result<ExitCode, Failure> {
        match verb {
            Verb::Get { key } => return self.get(key.as_encoded_bytes()),
            Verb::Put { key, value } => {
                let mut batch = Batch::new();
                self.add(&mut batch, key.as_encoded_bytes(), value.as_encoded_bytes())?;
                self.write(&batch)?;
            }
            Verb::Del { keys } => {
                let mut batch = Batch::new();
                for key in &keys {
                    batch.remove(key.as_encoded_bytes()).map_err(Failure::new)?;
                }
                self.write(&batch)?;
            }
            Verb::Scan {
                from,
                prefix,
                limit,
                keys,
            } => {
                let prefix = prefix.unwrap_or_default();
                let from = from.unwrap_or_default().max(prefix.clone());
                let limit = limit.unwrap_or(usize::MAX);
                self.print(
                    from.as_encoded_bytes(),
                    prefix.as_encoded_bytes(),
                    limit,
                    keys,
                )?;
            }
            Verb::Load => self.load()?,
            Verb::Dump => self.print(b"", b"", usize::MAX, false)?,
            Verb::Stats => console::say(&format!("{:#?}", self.db.stats()))?,
            Verb::Verify => {
                let report = self.db.verify().map_err(Failure::new)?;
                console::say(&format!("{report:#?}"))?;
            }
            Verb::Compact => self.db.compact().map_err(Failure::new)?,
            Verb::Checkpoint { to } => {
                self.db.checkpoint(path_bytes(&to)).map_err(Failure::new)?;
            }
            Verb::Backup { to, base } => {
                let base = base.as_deref().map(path_bytes);
                let made = self.db.backup(path_bytes(&to), base);
                made.map_err(Failure::new)?;
            }
            Verb::Repair | Verb::Restore { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn get(&self, key: &[u8]) -> Result<ExitCode, Failure> {
        let Some(stored) = self.db.get(key).map_err(Failure::new)? else {
            return Ok(ExitCode::from(1));
        };
        let mut out = io::stdout().lock();
        out.write_all(self.decode(key, &stored)?)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    /// The value proper in what is stored.
    fn decode<'a>(&self, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], Failure> {
        if !self.served {
            return Ok(stored);
        }
        Value::decode(stored)
            .map(|value| value.bytes)
            .ok_or_else(|| {
                Failure::new(format_args!(
                    "the value of {} was not written by `underpin serve`; leave --served out",
                    key.escape_ascii()
                ))
            })
    }

    fn add(&self, batch: &mut Batch, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        if self.served {
            let mut stored = Vec::new();
            Value::new(value).encode(&mut stored);
            batch.put(key, &stored).map_err(Failure::new)
        } else {
            batch.put(key, value).map_err(Failure::new)
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), Failure> {
        self.db.write(batch, WriteLevel::Full).map_err(Failure::new)
    }

    fn print(&self, from: &[u8], prefix: &[u8], limit: usize, keys: bool) -> Result<(), Failure> {
        let mut out = console::out();
        let mut scan = self
            .db
            .scan(Bound::Included(from), Bound::Unbounded)
            .map_err(Failure::new)?;
        let mut left = limit;
        while left > 0
            && let Some((key, stored)) = scan.next().map_err(Failure::new)?
        {
            if !key.starts_with(prefix) {
                break;
            }
            left -= 1;
            write!(out, "{}", key.escape_ascii())?;
            if !keys {
                write!(out, "\t{}", self.decode(key, stored)?.escape_ascii())?;
            }
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn load(&self) -> Result<(), Failure> {
        let mut input = io::stdin().lock();
        let mut batch = Batch::new();
        let (mut line, mut number, mut bytes) = (Vec::new(), 0u64, 0);
        loop {
            line.clear();
            // A line is as long as its value; a value that is too long is refused by the batch.
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            number += 1;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let (key, value) = split(text).ok_or_else(|| {
                Failure::new(format_args!(
                    "line {number} is not `key<TAB>value` with escapes as `dump` writes them"
                ))
            })?;
            bytes += key.len() + value.len();
            self.add(&mut batch, &key, &value)?;
            if bytes >= LOAD_BATCH_BYTES {
                self.db
                    .write(&batch, WriteLevel::Buffered)
                    .map_err(Failure::new)?;
                batch.clear();
                bytes = 0;
            }
        }
        self.write(&batch)?;
        self.db.sync(WriteLevel::Full).map_err(Failure::new)
    }
}

/// Takes a line of `dump` apart.
fn split(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (key, value) = line.split_at_checked(tab)?;
    Some((unescape(key)?, unescape(value.get(1..)?)?))
}

/// Undoes `escape_ascii`.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Some(bytes),
            [b'\\', b'x', high, low, after @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high)? * 16 + digit(*low)?;
                bytes.push(u8::try_from(value).ok()?);
                after
            }
            [b'\\', escaped, after @ ..] => {
                bytes.push(match escaped {
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b'\'' | b'"' | b'\\' => *escaped,
                    _ => return None,
                });
                after
            }
            [b'\\'] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_dump_come_back() {
        let key: Vec<u8> = (0..=255).collect();
        let value = b"a\tb\\n\n";
        let line = format!("{}\t{}", key.escape_ascii(), value.escape_ascii());
        assert_eq!(split(line.as_bytes()), Some((key, value.to_vec())));
        for bad in [&b"no tab"[..], b"a\\\tb", b"\\q\tb", b"\\xg0\tb"] {
            assert_eq!(split(bad), None);
        }
    }
}
