//! Searching files for lines: the library behind `underpin grep`.
//!
//! | file | what it does |
//! |---|---|
//! | `pattern`, `literal`, `matcher` | what is looked for, and the quickest way to lines that may have it |
//! | `search/` | one input: windows of whole lines, context, NUL, byte order marks, parts of large files |
//! | `print/` | text, counts, JSON |
//! | `walk` | which files of a tree |
//! | `order`, `crew` | many threads of the pool, one order of output |
//! | `run`, `work`, `target`, `file` | the whole |
//!
//! Output is what ripgrep writes with `--sort path`, byte for byte. Files are read, not mapped: a file that is truncated
//! meanwhile just ends.
//!
//! ```
//! use underpin::grep::{GrepOptions, Matcher, PatternOptions, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let path = std::env::temp_dir().join(format!("underpin-grep-doc-{}", std::process::id()));
//! std::fs::write(&path, "one\ntwo\nthree\n")?;
//! let matcher = Matcher::new(&["t[a-z]+"], &PatternOptions::default())?;
//! let mut out = Vec::new();
//! let outcome = run(&matcher, &GrepOptions::default(), &[path.clone()], &mut out, &|_| ())?;
//! assert!(outcome.matched);
//! assert_eq!(out, b"two\nthree\n");
//! # std::fs::remove_file(path)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "it needs std throughout"
)]

mod crew;
mod file;
mod kernel;
mod literal;
mod matcher;
mod order;
mod pattern;
mod preprocess;
mod print;
mod run;
mod search;
mod sync;
mod target;
mod walk;
mod work;

pub use ignore::overrides::{Override, OverrideBuilder};
pub use ignore::types::{Types, TypesBuilder};
pub use matcher::Matcher;
pub use pattern::{Boundary, Case, PatternError, PatternOptions};
pub use preprocess::Preprocessor;
pub use print::{ColorError, Colors, Mode, PrintOptions, Stats};
pub use run::{GrepOptions, Outcome, Sort, run};
pub use search::{Binary, Encoding, LineTerminator, SearchOptions};
pub use walk::WalkOptions;
