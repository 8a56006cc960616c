//! What a user may choose, in one table: the code, the help text and the documents read the same rows.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// A row of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionRow {
    /// The environment variable.
    pub name: &'static str,
    /// Its meaning, unit, default and bounds.
    pub help: &'static str,
    /// Takes a value; false if it cannot be one.
    set: fn(&mut Options, &str) -> bool,
}

/// Every option that the environment can set.
pub const OPTIONS: &[OptionRow] = &[
    OptionRow {
        name: "UNDERPIN_RESERVE_MIB",
        help: "address space to reserve, in MiB; halved until the system grants it (default 131072; 4 to 1048576)",
        set: |options, text| {
            let mib = number(text).filter(|mib| (4..=1 << 20).contains(mib));
            let bytes = mib.and_then(|mib| mib.checked_mul(1 << 20));
            bytes
                .inspect(|bytes| options.reserve_bytes = *bytes)
                .is_some()
        },
    },
    OptionRow {
        name: "UNDERPIN_PURGE_DELAY_MS",
        help: "memory that is free for this long, in milliseconds, goes back to the system (default 1000; 0 to 1000000)",
        set: |options, text| {
            let ms = number(text).filter(|ms| *ms <= 1_000_000);
            ms.inspect(|ms| options.purge_delay_ms = *ms as u32)
                .is_some()
        },
    },
    OptionRow {
        name: "UNDERPIN_BACKGROUND",
        help: "whether a thread may return memory while the program does nothing: 1 or 0 (default 1); 0 for programs that must have one thread only, as for unshare(CLONE_NEWUSER), or that forbid themselves clone",
        set: |options, text| flag(text).inspect(|on| options.background = *on).is_some(),
    },
    OptionRow {
        name: "UNDERPIN_PROFILE_INTERVAL",
        help: "bytes allocated between two samples of the heap profile, on average (default 0, no profile; 1 takes every block; at most 1073741824)",
        set: |options, text| {
            let bytes = number(text).filter(|bytes| *bytes <= 1 << 30);
            bytes
                .inspect(|bytes| options.profile_interval_bytes = *bytes)
                .is_some()
        },
    },
    OptionRow {
        name: "UNDERPIN_HUGE_PAGES",
        help: "whether the system is asked for huge pages: 1 or 0 (default 0); fewer misses of the address cache in programs with much memory, which then takes more of it, and what is free goes back less easily",
        set: |options, text| flag(text).inspect(|on| options.huge_pages = *on).is_some(),
    },
    OptionRow {
        name: "UNDERPIN_SECURE",
        help: "guard pages, random places, blocks cleared when freed, every free checked: 1 or 0 (default 0); slow, one lock for all threads",
        set: |options, text| flag(text).inspect(|on| options.secure = *on).is_some(),
    },
];

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// Choices that hold for an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Address space to reserve, in bytes; halved until the system grants it. Rounded up to a power of two. Without effect after the
    /// first allocation.
    pub reserve_bytes: usize,
    /// Memory that is free for this long, in milliseconds, goes back to the system.
    pub purge_delay_ms: u32,
    /// Whether the purger may be started: a thread, also in a program that has no other, from the first MiB that could be given back on.
    /// Without it, memory goes back when the program allocates or frees.
    pub background: bool,
    /// Mean distance of two samples of the heap profile, in bytes allocated; 0 for none.
    pub profile_interval_bytes: usize,
    /// Whether the system is asked for huge pages ([`Memory::advise_huge`](crate::platform::Memory::advise_huge)), for memory that is committed
    /// from then on.
    pub huge_pages: bool,
    /// Whether blocks are made and freed the secure way. Then there is no profile, and heaps that are values go on as before.
    pub secure: bool,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            // 128 GiB where addresses have 64 bits, else 256 MiB.
            reserve_bytes: if usize::BITS == 64 {
                1 << (usize::BITS - 27)
            } else {
                1 << 28
            },
            purge_delay_ms: 1_000,
            background: true,
            profile_interval_bytes: 0,
            huge_pages: false,
            secure: false,
        }
    }

    const fn is_careful(&self) -> bool {
        self.profile_interval_bytes != 0 || self.secure
    }

    /// The defaults, changed by what `value` says of each variable of [`OPTIONS`]. Values that make no sense are passed over.
    pub fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut options = Self::new();
        for row in OPTIONS {
            if let Some(text) = value(row.name) {
                (row.set)(&mut options, text);
            }
        }
        options
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// The options in force.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) reserve_bytes: AtomicUsize,
    pub(super) purge_delay_ms: AtomicU32,
    pub(super) background: AtomicBool,
    pub(super) profile_interval_bytes: AtomicUsize,
    pub(super) huge_pages: AtomicBool,
    pub(super) secure: AtomicBool,
    /// Whether there is an interval, or the secure way.
    pub(super) careful: AtomicBool,
}

impl Settings {
    pub(super) const fn new(options: &Options) -> Self {
        Self {
            reserve_bytes: AtomicUsize::new(options.reserve_bytes),
            purge_delay_ms: AtomicU32::new(options.purge_delay_ms),
            background: AtomicBool::new(options.background),
            profile_interval_bytes: AtomicUsize::new(options.profile_interval_bytes),
            huge_pages: AtomicBool::new(options.huge_pages),
            secure: AtomicBool::new(options.secure),
            careful: AtomicBool::new(options.is_careful()),
        }
    }

    pub(super) fn set(&self, options: &Options) {
        self.reserve_bytes.store(options.reserve_bytes, Relaxed);
        self.purge_delay_ms.store(options.purge_delay_ms, Relaxed);
        self.background.store(options.background, Relaxed);
        self.profile_interval_bytes
            .store(options.profile_interval_bytes, Relaxed);
        self.huge_pages.store(options.huge_pages, Relaxed);
        self.secure.store(options.secure, Relaxed);
        self.careful.store(options.is_careful(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_nonsense_is_passed_over() {
        let read = |name: &'static str, text: &'static str| {
            Options::read(move |asked| (asked == name).then_some(text))
        };
        assert_eq!(read("UNDERPIN_RESERVE_MIB", "64").reserve_bytes, 64 << 20);
        assert_eq!(read("UNDERPIN_PURGE_DELAY_MS", "0").purge_delay_ms, 0);
        assert!(!read("UNDERPIN_BACKGROUND", "0").background);
        assert!(read("UNDERPIN_HUGE_PAGES", "1").huge_pages);
        let interval = read("UNDERPIN_PROFILE_INTERVAL", "4096").profile_interval_bytes;
        assert_eq!(interval, 4096);
        for (name, text) in [
            ("UNDERPIN_RESERVE_MIB", "0"),
            ("UNDERPIN_RESERVE_MIB", "99999999999999999999"),
            ("UNDERPIN_PURGE_DELAY_MS", "-1"),
            ("UNDERPIN_BACKGROUND", "yes"),
            ("UNDERPIN_OTHER", "1"),
        ] {
            assert_eq!(read(name, text), Options::new(), "{name}={text}");
        }
    }
}
