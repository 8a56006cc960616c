//! Copies of the database that `SAVE` and `BGSAVE` make, each a directory `underpin-` and the time in milliseconds since
//! 1970, or more than any other's.
//!
//! A copy is made under a name that ends in `.part` and renamed when it is whole, so what a crash cut off is known by its name, and
//! the next copy removes it: its tables are second names of the database's own, whose space nothing else would give back.
#![forbid(unsafe_code)]

use super::options::Options;
use core::ops::ControlFlow;
use underpin_core::db::{self, Db};
use underpin_core::platform::{ClockId, Files};

const NAME: &[u8] = b"underpin-";
const UNFINISHED: &[u8] = b".part";

/// Where copies go, and how many stay.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    pub(crate) directory: Vec<u8>,
    /// With more of them the oldest go; 0: all stay.
    pub(crate) kept: usize,
}

impl Copies {
    /// Where these options say that copies go, if they do.
    pub(crate) fn of(options: &Options) -> Option<Self> {
        let directory = options.backups.clone()?;
        let kept = options.backups_kept;
        Some(Self { directory, kept })
    }

    /// Makes a copy of `db` as it is now.
    ///
    /// # Errors
    /// The database's; then there is no copy.
    pub(crate) fn make<P: Files>(&self, platform: &P, db: &Db<P>) -> db::Result<()> {
        db::create_directory(platform, &self.directory)?;
        for name in self.names(platform) {
            if name.ends_with(UNFINISHED) {
                remove(platform, &self.path(&name));
            }
        }
        let now_ms = platform.now(ClockId::Real).as_ns() / 1_000_000;
        // The newest also when the clock was set back since: by these numbers the oldest are known.
        let names = self.names(platform);
        let newest = names.iter().filter_map(|name| Self::time_of(name)).max();
        let number = newest.map_or(now_ms, |newest| now_ms.max(newest.saturating_add(1)));
        let whole = self.path(&[NAME, number.to_string().as_bytes()].concat());
        let part = [&whole, UNFINISHED].concat();
        db.checkpoint(&part)?;
        if let Err(error) = db::rename_directory(platform, &part, &whole) {
            remove(platform, &part);
            return Err(error);
        }
        self.remove_oldest(platform);
        Ok(())
    }

    /// The time in the name of a whole copy.
    fn time_of(name: &[u8]) -> Option<u64> {
        let digits = name.strip_prefix(NAME)?;
        str::from_utf8(digits).ok()?.parse().ok()
    }

    fn remove_oldest<P: Files>(&self, platform: &P) {
        if self.kept == 0 {
            return;
        }
        let names = self.names(platform).into_iter();
        let mut copies: Vec<_> = names
            .filter_map(|name| Some((Self::time_of(&name)?, name)))
            .collect();
        copies.sort();
        let surplus = copies.len().saturating_sub(self.kept);
        for (_, name) in copies.drain(..surplus) {
            remove(platform, &self.path(&name));
        }
    }

    fn path(&self, name: &[u8]) -> Vec<u8> {
        [&self.directory, &b"/"[..], name].concat()
    }

    /// Names of the copies, whole or not. None if the directory cannot be read, which making a copy will tell.
    fn names<P: Files>(&self, platform: &P) -> Vec<Vec<u8>> {
        let mut names = list(platform, &self.directory);
        names.retain(|name| Self::time_of(name.strip_suffix(UNFINISHED).unwrap_or(name)).is_some());
        names
    }
}

fn list<P: Files>(platform: &P, directory: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    // What was read before an error is as good as nothing more being there.
    let _ = platform.list(directory, &mut |entry| {
        names.push(entry.name.to_vec());
        ControlFlow::Continue(())
    });
    names
}

/// Removes a copy; the manifest first, so that what a crash leaves is no database. What cannot be removed stays.
fn remove<P: Files>(platform: &P, copy: &[u8]) {
    let mut names = list(platform, copy);
    names.sort_by_key(|name| name != b"MANIFEST");
    for name in names {
        let _ = platform.remove_file(&[copy, b"/", &name].concat());
    }
    let _ = platform.remove_directory(copy);
}
