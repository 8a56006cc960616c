//! Running a grep, and what that took.

use super::corpus::Corpus;
use super::{Place, What};
use crate::case::Sample;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Which time counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Of all threads, in the program and in the system.
    Processor,
    /// From the start to the end of the output.
    Elapsed,
}

impl Clock {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Processor => "",
            Self::Elapsed => ", elapsed",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Ours,
    Ripgrep,
    GnuGrep,
    Ugrep,
}

/// A grep that is installed.
#[derive(Clone)]
pub(super) struct Program {
    tool: Tool,
    path: PathBuf,
}

/// The lines of an output, whatever their order. Counts of zero, which some leave out, are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    lines: u64,
    sum: u64,
}

/// One run.
pub(super) struct Run {
    pub(super) lines: Option<Digest>,
    pub(super) bytes: u64,
    processor: Duration,
    elapsed: Duration,
}

impl Run {
    pub(super) fn sample(&self, clock: Clock, operations: u64) -> Sample {
        Sample {
            operations,
            elapsed: match clock {
                Clock::Processor => self.processor,
                Clock::Elapsed => self.elapsed,
            },
        }
    }
}

impl Program {
    pub(super) fn new(tool: Tool, path: PathBuf) -> Self {
        Self { tool, path }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.tool {
            Tool::Ours => "underpin",
            Tool::Ripgrep => "ripgrep",
            Tool::GnuGrep => "GNU grep",
            Tool::Ugrep => "ugrep",
        }
    }

    /// Whether these lines are an answer where `expected` is ours.
    pub(super) fn agrees(&self, lines: Digest, expected: Digest) -> bool {
        match self.tool {
            Tool::Ours | Tool::Ripgrep => lines == expected,
            Tool::GnuGrep => lines.lines.abs_diff(expected.lines) <= expected.lines / 100,
            // With -v it doesn't count a last line that lacks its end, which is all that a crate's `.cargo-ok` has.
            Tool::Ugrep => lines.lines.abs_diff(expected.lines) <= expected.lines / 25,
        }
    }

    /// The first thing in `--version` that looks like one.
    pub(super) fn version(&self) -> String {
        crate::program::version(&self.path)
    }

    pub(super) fn arguments(
        &self,
        corpus: &Corpus,
        place: Place,
        flags: &[&str],
        what: What,
    ) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        match self.tool {
            Tool::Ours => add(&["grep"]),
            Tool::Ripgrep => add(&["--no-config"]),
            Tool::GnuGrep | Tool::Ugrep => {}
        }
        match (self.tool, place) {
            (Tool::Ours | Tool::Ripgrep, Place::Tree) => add(&["-uuu", "-a"]),
            (Tool::GnuGrep, Place::Tree) => add(&["-r", "-a"]),
            (Tool::Ugrep, Place::Tree) => add(&["-r", "-a", "--hidden", "--no-dereference"]),
            (_, Place::Ruled) => {}
            (_, Place::File) => add(&["-a"]),
        }
        add(flags);
        match what {
            What::Literal(text) => add(&["-F", "-e", text]),
            What::Regex(text) if matches!(self.tool, Tool::GnuGrep | Tool::Ugrep) => {
                add(&["-E", "-e", text]);
            }
            What::Regex(text) => add(&["-e", text]),
            What::Words => {
                add(&["-F", "-f"]);
                arguments.push(corpus.words.clone().into());
            }
        }
        arguments.push(match place {
            Place::Tree | Place::Ruled => corpus.tree.clone().into(),
            Place::File => corpus.file.clone().into(),
        });
        arguments
    }

    /// Runs to the end, and looks at the lines if that is wanted.
    pub(super) fn run(&self, arguments: &[OsString], wants_lines: bool) -> Result<Run, String> {
        let failed = |why: std::io::Error| format!("{}: {why}", self.path.display());
        let before = children_time();
        let start = Instant::now();
        let mut child = Command::new(&self.path)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut kept = Vec::new();
        let mut bytes = 0;
        if let Some(mut out) = child.stdout.take() {
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = out.read(&mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                bytes += read as u64;
                if wants_lines {
                    kept.extend_from_slice(&buffer[..read]);
                }
            }
        }
        let status = child.wait().map_err(failed)?;
        let elapsed = start.elapsed();
        let processor = children_time().saturating_sub(before);
        // One: nothing was found.
        if !matches!(status.code(), Some(0 | 1)) {
            return Err(format!("{} ends with {status}", self.path.display()));
        }
        Ok(Run {
            lines: wants_lines.then(|| digest(&kept)),
            bytes,
            processor,
            elapsed,
        })
    }
}

fn digest(output: &[u8]) -> Digest {
    let mut digest = Digest { lines: 0, sum: 0 };
    for line in output.split(|byte| *byte == b'\n') {
        if line.is_empty() || line == b"0" || line.ends_with(b":0") {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        digest.lines += 1;
        digest.sum = digest.sum.wrapping_add(hasher.finish());
    }
    digest
}

/// The processor time of all children that were waited for.
#[allow(unsafe_code, reason = "a call of the system that no crate here wraps")]
fn children_time() -> Duration {
    // SAFETY: all zeros is a value of this structure of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: it points to a structure that lives through the call.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|time| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000))
        .sum()
}
