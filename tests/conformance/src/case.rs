//! What a case is made of: a verdict, the macros that reach it, and the context that a case runs in.
//!
//! A case is `fn(&Context<P>) -> Verdict`. It stops at the first broken contract with the place and a sentence, held
//! in a fixed buffer because a board has no allocator; a longer sentence is cut.
#![forbid(unsafe_code)]

use crate::{Effort, Report};
use core::fmt::{self, Write};
use core::panic::Location;
use core::time::Duration;
use underpin_core::Error;
#[cfg(feature = "alloc")]
use underpin_core::platform::RingOptions;
use underpin_core::platform::{Caps, ClockId, Instant, Platform};
use underpin_core::sync::atomic::AtomicU32;

/// Longest sentence about a failure. Keeps [`Stop`] within 128 bytes, what is cheap to return.
const SENTENCE_BYTES_MAX: usize = 110;

/// Longest path that a case makes, within `limits::PATH_BYTES_MAX` and small enough for a board's stack.
const PATH_BYTES_MAX: usize = 700;

/// `Ok` if the contract was kept.
pub(crate) type Verdict = Result<(), Stop>;

/// Why a case ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The contract was broken.
    Failed {
        at: &'static Location<'static>,
        sentence: Sentence,
    },
    /// The case does not apply, for this reason.
    Skipped(&'static str),
}

impl Stop {
    #[track_caller]
    pub(crate) fn failed(sentence: fmt::Arguments<'_>) -> Self {
        let mut text = Sentence {
            bytes: [0; SENTENCE_BYTES_MAX],
            len: 0,
        };
        // A sentence that does not fit is cut; its beginning says enough.
        let _ = text.write_fmt(sentence);
        Self::Failed {
            at: Location::caller(),
            sentence: text,
        }
    }
}

/// An error of the platform where none may be.
impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::failed(format_args!("unexpected error: {error}"))
    }
}

/// Text in a fixed buffer.
#[derive(Debug)]
pub(crate) struct Sentence {
    bytes: [u8; SENTENCE_BYTES_MAX],
    len: u8,
}

impl Sentence {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("")
    }
}

impl Write for Sentence {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.len);
        let mut count = text.len().min(SENTENCE_BYTES_MAX - start);
        while !text.is_char_boundary(count) {
            count -= 1;
        }
        self.bytes[start..start + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += u8::try_from(count).unwrap_or(0);
        if count < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Runs one case and tells the report.
pub(crate) fn run(report: &mut dyn Report, name: &'static str, case: impl FnOnce() -> Verdict) {
    report.begin(name);
    match case() {
        Ok(()) => report.pass(name),
        Err(Stop::Skipped(reason)) => report.skip(name, reason),
        Err(Stop::Failed { at, sentence }) => {
            let file = at.file().rsplit(['/', '\\']).next().unwrap_or_default();
            report.fail(
                name,
                format_args!("{file}:{}: {}", at.line(), sentence.as_str()),
            );
        }
    }
}

/// Declares a group: the names of its cases, and `run`, which runs them in order.
macro_rules! cases {
    ($group:literal, $($bound:path)|+: $($case:ident,)*) => {
        /// The group's cases, as reports name them.
        #[cfg(test)]
        pub(crate) const NAMES: &[&str] = &[$(concat!($group, "::", stringify!($case)),)*];

        /// Runs the group.
        pub(crate) fn run<P: $($bound +)+>(
            cx: &$crate::case::Context<'_, P>,
            report: &mut dyn $crate::Report,
        ) {
            $($crate::case::run(report, concat!($group, "::", stringify!($case)), || $case(cx));)*
        }
    };
}

/// Fails the case with a sentence.
macro_rules! fail {
    ($($sentence:tt)+) => {
        return Err($crate::case::Stop::failed(format_args!($($sentence)+)))
    };
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            fail!("not so: {}", stringify!($condition));
        }
    };
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            fail!($($sentence)+);
        }
    };
}

/// Fails the case unless both are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => ensure!(
                left == right,
                "{}: {left:?}, expected {right:?}",
                stringify!($left)
            ),
        }
    };
}

/// Fails the case unless the call failed with one of the kinds.
macro_rules! ensure_kind {
    ($call:expr, $($kind:ident)|+ $(,)?) => {
        match $call {
            Ok(_) => fail!("succeeded, expected {}: {}", stringify!($($kind)|+), stringify!($call)),
            Err(error) => ensure!(
                matches!(error.kind(), $(underpin_core::Kind::$kind)|+),
                "{error}, expected {}",
                stringify!($($kind)|+)
            ),
        }
    };
}

/// Skips the case with a reason.
macro_rules! skip {
    ($reason:expr) => {
        return Err($crate::case::Stop::Skipped($reason))
    };
}

/// Skips the case unless the platform has the ability.
macro_rules! needs {
    ($cx:expr, $cap:ident) => {
        if !$cx.caps.contains(underpin_core::platform::Caps::$cap) {
            skip!(concat!("the platform lacks Caps::", stringify!($cap)));
        }
    };
}

/// What a case runs in.
pub(crate) struct Context<'a, P> {
    pub(crate) p: &'a P,
    pub(crate) caps: Caps,
    pub(crate) effort: Effort,
    directory: &'a [u8],
}

impl<'a, P: Platform> Context<'a, P> {
    /// How rings are made.
    #[cfg(feature = "alloc")]
    pub(crate) fn ring_options(&self) -> RingOptions {
        let mut options = RingOptions::default();
        options.backend = self.effort.ring;
        options
    }

    pub(crate) fn new(p: &'a P, directory: &'a [u8], effort: Effort) -> Self {
        Self {
            p,
            caps: p.caps(),
            effort,
            directory,
        }
    }

    /// Whether the platform has the ability that a whole group needs; if not, the group is reported as skipped.
    pub(crate) fn group_is_there(
        &self,
        cap: Caps,
        group: &'static str,
        report: &mut dyn Report,
    ) -> bool {
        let there = self.caps.contains(cap);
        if !there {
            report.begin(group);
            report.skip(group, "the platform lacks the capability");
        }
        there
    }

    pub(crate) fn now(&self) -> Instant {
        self.p.now(ClockId::Monotonic)
    }

    /// When to call something lost.
    pub(crate) fn deadline(&self) -> Instant {
        self.now().saturating_add(self.effort.patience)
    }

    /// Sleeps on a word that nobody wakes.
    pub(crate) fn sleep(&self, duration: Duration) {
        let word = AtomicU32::new(0);
        let until = self.now().saturating_add(duration);
        while self.now() < until {
            self.p.wait(&word, 0, Some(until));
        }
    }

    /// Polls until `done` says so; false when the patience is at its end.
    pub(crate) fn poll(&self, mut done: impl FnMut() -> bool) -> bool {
        let deadline = self.deadline();
        loop {
            if done() {
                return true;
            }
            if self.now() >= deadline {
                return false;
            }
            self.sleep(Duration::from_micros(500));
        }
    }

    /// The path of `name` in the directory that was given for the cases.
    pub(crate) fn path(&self, name: &str) -> Path {
        Path::new(self.directory).join(name.as_bytes())
    }
}

/// A path in a fixed buffer.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    bytes: [u8; PATH_BYTES_MAX],
    len: usize,
}

impl Path {
    fn new(path: &[u8]) -> Self {
        let mut bytes = [0; PATH_BYTES_MAX];
        bytes[..path.len()].copy_from_slice(path);
        Self {
            bytes,
            len: path.len(),
        }
    }

    /// The path of `name` in the directory that this path names.
    pub(crate) fn join(mut self, name: &[u8]) -> Self {
        let end = self.len + 1 + name.len();
        self.bytes[self.len] = b'/';
        self.bytes[self.len + 1..end].copy_from_slice(name);
        self.len = end;
        self
    }

    /// As [`join`](Self::join), with a number behind the name.
    pub(crate) fn join_numbered(self, name: &str, number: usize) -> Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = number;
        loop {
            start -= 1;
            digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let mut path = self.join(name.as_bytes());
        let end = path.len + digits.len() - start;
        path.bytes[path.len..end].copy_from_slice(&digits[start..]);
        path.len = end;
        path
    }
}

impl core::ops::Deref for Path {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, seeded, good enough to choose operations.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}
