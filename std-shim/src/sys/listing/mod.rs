//! What is in a directory, and opening it by name: by a handle of the directory where the system has that.
//!
//! With handles no path is resolved again from its start for each file, and no file is asked for its kind. The portable
//! form goes by paths; it is built on other systems, and for the tests everywhere.
//!
//! Each [`Listing`] that is kept open has a handle: whoever keeps many says so by `keep_open`.
#![forbid(unsafe_code)]

#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::Listing;
#[cfg(unix)]
pub(crate) use unix::Listing;

/// What an entry is, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    File,
    Link,
    Other,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::{EntryKind, portable, unix};
    use std::fs::{self, File};
    use std::io::{self, Read as _};
    use std::path::Path;

    type Seen = Vec<(String, EntryKind, Option<String>)>;

    fn text(file: io::Result<File>) -> Option<String> {
        let mut text = String::new();
        file.ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn by_handle(directory: &Path, keep_open: bool) -> Seen {
        let listing = unix::Listing::read(None, directory, keep_open).unwrap();
        assert!(listing.error.is_none());
        (0..listing.len())
            .map(|index| {
                let name = listing.name(index);
                let below = directory.join(name);
                (
                    name.to_str().unwrap().to_owned(),
                    listing.kind(index),
                    text(listing.open(index, &below)),
                )
            })
            .collect()
    }

    fn by_path(directory: &Path) -> Seen {
        let listing = portable::Listing::read(None, directory, true).unwrap();
        assert!(listing.error.is_none());
        (0..listing.len())
            .map(|index| {
                let name = listing.name(index);
                let below = directory.join(name);
                (
                    name.to_str().unwrap().to_owned(),
                    listing.kind(index),
                    text(listing.open(index, &below)),
                )
            })
            .collect()
    }

    #[test]
    fn both_forms_see_the_same_in_the_order_of_names() {
        let directory =
            std::env::temp_dir().join(format!("underpin-listing-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("inner/deeper")).unwrap();
        let names = [
            "b",
            "a",
            "a longer name",
            "a longer one",
            "a-",
            "B",
            ".hidden",
            "ü",
        ];
        for name in names {
            fs::write(directory.join(name), name).unwrap();
        }
        for number in 0..2000 {
            // More than one call of the system returns.
            fs::write(directory.join(format!("inner/{number:040}")), "").unwrap();
        }
        std::os::unix::fs::symlink("b", directory.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", directory.join("dangling")).unwrap();

        let seen = by_handle(&directory, true);
        assert_eq!(seen, by_handle(&directory, false));
        assert_eq!(seen, by_path(&directory));
        let names: Vec<_> = seen.iter().map(|entry| entry.0.as_str()).collect();
        assert_eq!(
            names,
            [
                ".hidden",
                "B",
                "a",
                "a longer name",
                "a longer one",
                "a-",
                "b",
                "dangling",
                "inner",
                "link",
                "ü"
            ]
        );
        assert_eq!(seen[6].2.as_deref(), Some("b"));
        assert_eq!(seen[7].1, EntryKind::Link);
        assert_eq!(seen[8].1, EntryKind::Directory);

        let top = unix::Listing::read(None, &directory, true).unwrap();
        let inner = unix::Listing::read(Some((&top, 8)), &directory.join("inner"), true).unwrap();
        assert_eq!(inner.len(), 2001);
        assert_eq!(inner.kind(2000), EntryKind::Directory);
        assert!(unix::Listing::read(Some((&top, 6)), &directory.join("b"), true).is_err());
        assert!(unix::Listing::read(None, &directory.join("none"), true).is_err());

        // One that is removed while it is open has nothing in it; that is no error.
        fs::create_dir(directory.join("gone")).unwrap();
        let gone = File::open(directory.join("gone")).unwrap();
        fs::remove_dir(directory.join("gone")).unwrap();
        let gone = unix::Listing::of(gone.into(), false);
        assert!(gone.error.is_none() && gone.len() == 0);
        fs::remove_dir_all(&directory).unwrap();
    }
}
