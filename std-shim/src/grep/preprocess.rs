//! Programs that make text of files, as `pdftotext` does: what they write is searched in place of the file.

use grep_cli::{CommandReader, CommandReaderBuilder};
use ignore::overrides::Override;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, which is given a file's path, and the file as its standard input.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    program: PathBuf,
    globs: Override,
}

impl Preprocessor {
    /// `program` for the files that `globs` choose, or for all if there are none.
    ///
    /// # Errors
    ///
    /// On Windows, that there is no such program in `PATH`.
    pub fn new(program: &Path, globs: Override) -> io::Result<Self> {
        let program = grep_cli::resolve_binary(program).map_err(io::Error::from)?;
        Ok(Self { program, globs })
    }

    /// Whether the file at `path` is for the program.
    pub(super) fn wants(&self, path: &Path) -> bool {
        self.globs.is_empty() || !self.globs.matched(path, false).is_ignore()
    }

    /// Starts the program on a file. What it writes to its standard error is part of the error if it fails, and else nobody's.
    pub(super) fn start(&self, path: &Path) -> io::Result<CommandReader> {
        let mut command = Command::new(&self.program);
        command
            .arg(&*no_flag(path))
            .stdin(Stdio::from(File::open(path)?));
        let mut builder = CommandReaderBuilder::new();
        // Else a program that complains much would wait for a reader.
        builder.async_stderr(true);
        builder.build(&mut command).map_err(|error| {
            io::Error::other(format!(
                "{} could not be started: {error}",
                self.program.display()
            ))
        })
    }

    /// What is said of a file of which the program made nothing; that all is to end stays what it is.
    pub(super) fn failed(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        io::Error::other(format!("{} failed: {error}", self.program.display()))
    }
}

/// `path`, so that no program takes it for a flag.
pub(super) fn no_flag(path: &Path) -> Cow<'_, Path> {
    if crate::sys::path_bytes(path).first() == Some(&b'-') {
        Cow::Owned(Path::new(".").join(path))
    } else {
        Cow::Borrowed(path)
    }
}
