//! `underpin kv`: a database directory from the shell.
//!
//! Keys and values are bytes as given; `--served` reads and writes the values of a directory that `underpin serve` uses, which
//! start with a type and an expiry.

use super::console::{self, Failure};
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::io::{self, BufRead as _, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use underpin::kv::create_directories;
use underpin::server::store::Value;
use underpin::sys::{Native, native, path_bytes, raise_handle_limit};
use underpin_core::db::{self, Batch, Compaction, Db, Error, Options, WriteLevel};

/// Arguments of `kv`.
#[derive(Args, Debug)]
pub(super) struct Kv {
    /// Directory of the database
    dir: PathBuf,
    /// Values have the header that `underpin serve` gives them: what has expired is left out, and `dump`, `scan` and `load` have a third
    /// column for when a value expires, in milliseconds since 1970
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
    Del {
        #[arg(required = true)]
        keys: Vec<OsString>,
    },
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
    /// Read lines `key<TAB>value` from stdin, escaped as `dump` writes them, and put them; `compact` merges the tables that come of it.
    /// At a bad line it stops; those before it stay
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
    /// Sets how tables become fewer meanwhile. How the database's own program has its tables merged is in no file, and nothing here must
    /// do it another way: what is written here that program merges. Only small tables that were written last are merged, when they
    /// get many: each run of a verb that writes leaves one.
    fn choose_compaction(&self, options: &mut Options, handles: u64) {
        match self {
            Self::Compact => {}
            Self::Put { .. } | Self::Del { .. } | Self::Load => {
                let tables_max = handles.saturating_sub(HANDLES_RESERVED) / 2;
                let tables_max = usize::try_from(tables_max).unwrap_or(usize::MAX);
                options.tables_max = tables_max.clamp(2, TABLES_MAX);
                options.compaction = Compaction::Newest;
            }
            _ => {
                options.compaction = Compaction::Fifo {
                    bytes_max: u64::MAX,
                    age_max: None,
                };
            }
        }
    }
}

/// Handles that a large database needs: one for each table, and some beside them.
const HANDLES: u64 = 1 << 16;
const HANDLES_RESERVED: u64 = 32;
/// Small tables from which on verbs that write merge them, unless there are too few handles for so many.
const TABLES_MAX: usize = 100;
/// Bytes of writes that `load` puts in one batch.
const LOAD_BATCH_BYTES: usize = 1 << 20;

impl Kv {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut options = Options::default();
        options.create = matches!(self.verb, Verb::Put { .. } | Verb::Load);
        options.read_only = self.read_only;
        self.verb
            .choose_compaction(&mut options, raise_handle_limit(HANDLES));
        if options.create
            && let Some(parent) = self.dir.parent()
        {
            create_directories(parent).map_err(|error| {
                Failure::new(format_args!("cannot make {}: {error}", parent.display()))
            })?;
        }
        let describe = |error| failure(&self.dir, &error);
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
            dir: &self.dir,
            served: self.served,
            now_ms: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
        };
        let outcome = shell.run(self.verb);
        match (outcome, db.close()) {
            // Why the command gave up says more than that its database could not be closed after that.
            (Err(Failure::Message(message)), _) => Err(Failure::Message(message)),
            (outcome, closed) => closed.map_err(describe).and(outcome),
        }
    }
}

/// What is wrong with the database in `dir`, and what the caller of this command can do about it.
fn failure(dir: &Path, error: &Error) -> Failure {
    let dir_name = dir.display();
    match error {
        Error::NotADatabase if dir.exists() && !dir.is_dir() => Failure::new(format_args!(
            "{dir_name}: not a directory; name that of a database"
        )),
        Error::NotADatabase => Failure::new(format_args!(
            "{dir_name}: no database in this directory; name another one, or make one by `put` or `load`"
        )),
        Error::Locked => Failure::new(format_args!(
            "{dir_name}: {error}; --read-only reads beside it"
        )),
        _ => Failure::new(format_args!("{dir_name}: {error}")),
    }
}

struct Shell<'a> {
    db: &'a Db<Native>,
    dir: &'a Path,
    served: bool,
    /// What has expired by then is not there.
    now_ms: u64,
}

impl Shell<'_> {
    fn failure(&self, error: &Error) -> Failure {
        failure(self.dir, error)
    }

    /// What is wrong with a copy of the database in `to`.
    fn copy_failure(&self, to: &Path, error: &Error) -> Failure {
        let (dir, to) = (self.dir.display(), to.display());
        Failure::new(format_args!("{dir}, copied to {to}: {error}"))
    }

    fn run(&self, verb: Verb) -> Result<ExitCode, Failure> {
        match verb {
            Verb::Get { key } => return self.get(key.as_encoded_bytes()),
            Verb::Put { key, value } => {
                let mut batch = Batch::new();
                let value = Value::new(value.as_encoded_bytes());
                let added = self.add(&mut batch, key.as_encoded_bytes(), value);
                added.map_err(|error| self.failure(&error))?;
                self.write(&batch)?;
            }
            Verb::Del { keys } => {
                let mut batch = Batch::new();
                for key in &keys {
                    batch
                        .remove(key.as_encoded_bytes())
                        .map_err(|error| self.failure(&error))?;
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
                let report = self.db.verify().map_err(|error| self.failure(&error))?;
                console::say(&format!("{report:#?}"))?;
            }
            Verb::Compact => self.db.compact().map_err(|error| self.failure(&error))?,
            Verb::Checkpoint { to } => {
                let made = self.db.checkpoint(path_bytes(&to));
                made.map_err(|error| self.copy_failure(&to, &error))?;
            }
            Verb::Backup { to, base } => {
                let base = base.as_deref().map(path_bytes);
                let made = self.db.backup(path_bytes(&to), base);
                made.map_err(|error| self.copy_failure(&to, &error))?;
            }
            Verb::Repair | Verb::Restore { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    fn get(&self, key: &[u8]) -> Result<ExitCode, Failure> {
        let Some(stored) = self.db.get(key).map_err(|error| self.failure(&error))? else {
            return Ok(ExitCode::from(1));
        };
        let Some(value) = self.decode(key, &stored)? else {
            return Ok(ExitCode::from(1));
        };
        let mut out = io::stdout().lock();
        out.write_all(value.bytes)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    /// The value in what is stored, unless it has expired.
    fn decode<'a>(&self, key: &[u8], stored: &'a [u8]) -> Result<Option<Value<'a>>, Failure> {
        if !self.served {
            return Ok(Some(Value::new(stored)));
        }
        let value = Value::decode(stored).ok_or_else(|| {
            Failure::new(format_args!(
                "the value of {} was not written by `underpin serve`; leave --served out",
                key.escape_ascii()
            ))
        })?;
        Ok((!value.is_expired(self.now_ms)).then_some(value))
    }

    fn add(&self, batch: &mut Batch, key: &[u8], value: Value<'_>) -> Result<(), Error> {
        if self.served {
            let mut stored = Vec::new();
            value.encode(&mut stored);
            batch.put(key, &stored)
        } else {
            batch.put(key, value.bytes)
        }
    }

    fn write(&self, batch: &Batch) -> Result<(), Failure> {
        self.db
            .write(batch, WriteLevel::Full)
            .map_err(|error| self.failure(&error))
    }

    fn print(&self, from: &[u8], prefix: &[u8], limit: usize, keys: bool) -> Result<(), Failure> {
        let mut out = console::out();
        let mut scan = self
            .db
            .scan(Bound::Included(from), Bound::Unbounded)
            .map_err(|error| self.failure(&error))?;
        let mut left = limit;
        while left > 0
            && let Some((key, stored)) = scan.next().map_err(|error| self.failure(&error))?
        {
            if !key.starts_with(prefix) {
                break;
            }
            let Some(value) = self.decode(key, stored)? else {
                continue;
            };
            left -= 1;
            write!(out, "{}", key.escape_ascii())?;
            if !keys {
                write!(out, "\t{}", value.bytes.escape_ascii())?;
                if let Some(expires_ms) = value.expires_ms {
                    write!(out, "\t{expires_ms}")?;
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    fn load(&self) -> Result<(), Failure> {
        let mut batch = Batch::new();
        let mut refused = false;
        let outcome = self.load_lines(&mut batch, &mut refused);
        let sync = |()| self.db.sync(WriteLevel::Full);
        let kept = self.db.write(&batch, WriteLevel::Full).and_then(sync);
        let kept = kept.map_err(|error| self.failure(&error));
        match (outcome, kept) {
            // After a write that failed the database refuses all others, which says less. But a bad line does not say that those before it,
            // which are to stay, do not.
            (Err(Failure::Message(bad)), Err(Failure::Message(lost))) if !refused => {
                Err(Failure::new(format_args!(
                    "{bad}; and the lines before it may not be kept: {lost}"
                )))
            }
            (outcome, kept) => outcome.and(kept),
        }
    }

    /// Puts each line; the last of them are left in `batch`. Sets `refused` if it ends because the database refused a write.
    fn load_lines(&self, batch: &mut Batch, refused: &mut bool) -> Result<(), Failure> {
        let mut input = io::stdin().lock();
        let (mut line, mut number, mut bytes) = (Vec::new(), 0u64, 0);
        loop {
            line.clear();
            number += 1;
            // A line is as long as its value; a value that is too long is refused by the batch.
            let read = input.read_until(b'\n', &mut line);
            if read.map_err(|error| Failure::new(format_args!("stdin: line {number}: {error}")))?
                == 0
            {
                return Ok(());
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let (key, bytes_of_value, expires_ms) = split(text).ok_or_else(|| {
                Failure::new(format_args!(
                    "stdin: line {number} is not `key<TAB>value` with escapes as `dump` writes them"
                ))
            })?;
            if expires_ms.is_some() && !self.served {
                return Err(Failure::new(format_args!(
                    "stdin: line {number} says when the value expires, which only values of `underpin serve` do; say --served"
                )));
            }
            bytes += key.len() + bytes_of_value.len();
            let value = Value {
                bytes: &bytes_of_value,
                expires_ms,
            };
            self.add(batch, &key, value)
                .map_err(|error| Failure::new(format_args!("stdin: line {number}: {error}")))?;
            if bytes >= LOAD_BATCH_BYTES {
                if let Err(error) = self.db.write(batch, WriteLevel::Buffered) {
                    *refused = true;
                    return Err(self.failure(&error));
                }
                batch.clear();
                bytes = 0;
            }
        }
    }
}

/// Takes a line of `dump` apart: key, value, and when the value expires.
fn split(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>, Option<u64>)> {
    let mut columns = line.split(|byte| *byte == b'\t');
    let (key, value) = (columns.next()?, columns.next()?);
    let expires_ms = match columns.next() {
        Some(text) => Some(str::from_utf8(text).ok()?.parse().ok()?),
        None => None,
    };
    let is_over = columns.next().is_none();
    is_over.then_some((unescape(key)?, unescape(value)?, expires_ms))
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
        let split_line = split(line.as_bytes());
        assert_eq!(split_line, Some((key, value.to_vec(), None)));
        let expiring = split(b"a\tb\t17");
        assert_eq!(expiring, Some((b"a".to_vec(), b"b".to_vec(), Some(17))));
        for bad in [
            &b"no tab"[..],
            b"a\\\tb",
            b"\\q\tb",
            b"\\xg0\tb",
            b"a\tb\tc",
            b"a\tb\t1\t2",
        ] {
            assert_eq!(split(bad), None);
        }
    }
}
