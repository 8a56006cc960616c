//! `underpin grep` against ripgrep, ugrep and GNU grep: a tree of source code, and one large file.
//!
//! The tree is what cargo keeps of the crates it has fetched, so there is one wherever this compiles; the file is its text,
//! joined. Both are read before they are searched, so the disk has no part in it. Output goes to a pipe that is read to its
//! end: with the null device for output, GNU grep and ugrep stop at the first match.
//!
//! Each row is measured in processor time, the sum over all threads, and some in elapsed time too. In the round that doesn't
//! count, ripgrep must have written the same lines as we, in whatever order. The others, which read UTF-16 and what is no
//! UTF-8 in ways of their own, must have written as many, give or take one in a hundred, ugrep four. Later each must write as
//! many bytes again.

mod command;
mod corpus;

use crate::case::{Case, Settings, Subject};
use crate::program;
use command::{Clock, Program, Tool};
use corpus::Corpus;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

/// What is looked for.
struct Row {
    name: &'static str,
    flags: &'static [&'static str],
    what: What,
    /// Measured in elapsed time as well.
    elapsed: bool,
}

/// A pattern.
#[derive(Clone, Copy)]
pub(super) enum What {
    Literal(&'static str),
    Regex(&'static str),
    /// A file with a thousand words.
    Words,
}

const ROWS: &[Row] = &[
    row("no match", &[], What::Literal("zqxwvkjq")).timed(),
    row("rare", &["-n"], What::Literal("PhantomPinned")),
    row("rare, -i", &["-n", "-i"], What::Literal("phantompinned")),
    row("words, -w -c", &["-w", "-c"], What::Literal("self")),
    row("-c", &["-c"], What::Literal("unsafe")),
    row("-v -c", &["-v", "-c"], What::Literal("unsafe")),
    row("many matches", &["-n"], What::Literal("pub")).timed(),
    row("all lines, -c", &["-c"], What::Literal("")),
    row("regex", &["-n"], What::Regex("[A-Z][a-z]+Error::new")).timed(),
    row("1,000 words, -c", &["-c"], What::Words).timed(),
];

const fn row(name: &'static str, flags: &'static [&'static str], what: What) -> Row {
    Row {
        name,
        flags,
        what,
        elapsed: false,
    }
}

impl Row {
    const fn timed(mut self) -> Self {
        self.elapsed = true;
        self
    }
}

/// Every case.
pub(crate) fn cases(settings: &Settings) -> Result<Vec<Case>, String> {
    let programs = programs(settings)?;
    let corpus = Rc::new(Corpus::make(settings)?);
    let mut cases = Vec::new();
    for place in [Place::Tree, Place::File] {
        for row in ROWS {
            cases.push(case(&programs, &corpus, place, row, Clock::Processor));
            if row.elapsed {
                cases.push(case(&programs, &corpus, place, row, Clock::Elapsed));
            }
        }
    }
    // Rules of ignore files: the others have none, or others.
    let two: Vec<_> = programs.iter().take(2).cloned().collect();
    let none = &ROWS[0];
    cases.push(case(&two, &corpus, Place::Ruled, none, Clock::Processor));
    Ok(cases)
}

/// Where is searched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A tree, every file of it.
    Tree,
    /// A tree, but for what ignore files name and what is hidden.
    Ruled,
    /// One file.
    File,
}

/// Ours first.
fn programs(settings: &Settings) -> Result<Vec<Program>, String> {
    let given = |path: &Option<PathBuf>, flag: &str| {
        path.clone()
            .ok_or_else(|| format!("grep needs {flag} PATH; `cargo xtask bench` gives it"))
    };
    let installed = |name: &str| {
        program::find(name).ok_or_else(|| {
            format!("grep needs {name}; install it with: apt-get install -y --no-install-recommends {name}")
        })
    };
    Ok(vec![
        Program::new(Tool::Ours, given(&settings.server, "--server")?),
        Program::new(Tool::Ripgrep, given(&settings.ripgrep, "--ripgrep")?),
        Program::new(Tool::GnuGrep, installed("grep")?),
        Program::new(Tool::Ugrep, installed("ugrep")?),
    ])
}

fn case(programs: &[Program], corpus: &Rc<Corpus>, place: Place, row: &Row, clock: Clock) -> Case {
    let answer = Rc::new(Cell::new(None));
    let mut subjects = programs.iter().map(|program| {
        let arguments = program.arguments(corpus, place, row.flags, row.what);
        let (program, answer, corpus) = (program.clone(), Rc::clone(&answer), Rc::clone(corpus));
        let mut bytes_written = None;
        Subject::new(program.name(), program.version(), move |_| {
            let run = program.run(&arguments, bytes_written.is_none())?;
            if let Some(lines) = run.lines {
                let expected = answer.get().unwrap_or(lines);
                if !program.agrees(lines, expected) {
                    return Err(format!("writes {lines:?}, not {expected:?}"));
                }
                answer.set(Some(expected));
            }
            let before = *bytes_written.get_or_insert(run.bytes);
            if before != run.bytes {
                return Err(format!("writes {} bytes, and then {}", before, run.bytes));
            }
            Ok(run.sample(clock, corpus.bytes(place)))
        })
    });
    let ours = subjects.next().expect("ours is the first program");
    let (at, terms) = match place {
        Place::Tree => ("tree", corpus.terms()),
        Place::Ruled => ("tree, ignore files", corpus.terms()),
        Place::File => (
            "file",
            format!("{} MiB of text in one file", corpus.bytes(place) >> 20),
        ),
    };
    let by = match clock {
        Clock::Processor => "processor time",
        Clock::Elapsed => "elapsed time",
    };
    Case {
        name: format!("grep {at}: {}{}", row.name, clock.suffix()),
        terms: format!("bytes per second of {by}; {terms}, in the page cache"),
        ours,
        peers: subjects.collect(),
    }
}
