//! What is searched.

use super::Place;
use crate::case::Settings;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A tree, one large file, and a file of words. The latter two go with the value.
pub(super) struct Corpus {
    pub(super) tree: PathBuf,
    pub(super) file: PathBuf,
    pub(super) words: PathBuf,
    tree_files: u64,
    tree_bytes: u64,
    file_bytes: u64,
}

const WORDS: usize = 1_000;

impl Corpus {
    pub(super) fn make(settings: &Settings) -> Result<Self, String> {
        let tree = tree()?;
        let directory = &settings.scratch;
        let number = std::process::id();
        let mut corpus = Self {
            tree,
            file: directory.join(format!("grep-{number}.txt")),
            words: directory.join(format!("grep-{number}.words")),
            tree_files: 0,
            tree_bytes: 0,
            file_bytes: settings.operations(512 << 20, 128 << 20),
        };
        corpus
            .fill()
            .map_err(|why| format!("a corpus in {}: {why}", directory.display()))?;
        Ok(corpus)
    }

    fn fill(&mut self) -> io::Result<()> {
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut paths = Vec::new();
        collect(&self.tree, &mut paths)?;
        paths.sort_unstable();
        let mut out = io::BufWriter::new(File::create(&self.file)?);
        let (mut written, mut words, mut text) = (0, Vec::new(), Vec::new());
        for path in paths.iter().cycle() {
            text.clear();
            File::open(path)?.read_to_end(&mut text)?;
            if self.tree_files < paths.len() as u64 {
                self.tree_files += 1;
                self.tree_bytes += text.len() as u64;
            }
            if written < self.file_bytes && !text.contains(&0) {
                let rest = usize::try_from(self.file_bytes - written).unwrap_or(usize::MAX);
                let part = text.get(..rest).unwrap_or(&text);
                out.write_all(part)?;
                written += part.len() as u64;
                choose_words(part, &mut words);
            }
            if written == self.file_bytes && self.tree_files == paths.len() as u64 {
                break;
            }
        }
        out.flush()?;
        words.truncate(WORDS);
        fs::write(&self.words, words.join("\n"))
    }

    pub(super) fn bytes(&self, place: Place) -> u64 {
        match place {
            Place::Tree | Place::Ruled => self.tree_bytes,
            Place::File => self.file_bytes,
        }
    }

    pub(super) fn terms(&self) -> String {
        format!(
            "{} files of source code, {} MiB",
            self.tree_files,
            self.tree_bytes >> 20
        )
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_file(&self.words);
    }
}

/// Where cargo keeps the sources of crates.
fn tree() -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            let home = std::env::var_os("HOME")?;
            Some(Path::new(&home).join(".cargo"))
        });
    let tree = home
        .ok_or("neither CARGO_HOME nor HOME is set")?
        .join("registry/src");
    if tree.is_dir() {
        Ok(tree)
    } else {
        Err(format!(
            "{}: no sources of crates to search",
            tree.display()
        ))
    }
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// Words that are new, one from each piece of text, so that they are as common as words are.
fn choose_words(text: &[u8], words: &mut Vec<String>) {
    const PIECE_BYTES: usize = 4_000;
    for piece in text.chunks(PIECE_BYTES) {
        if words.len() >= WORDS {
            return;
        }
        let word = piece
            .split(|byte| !byte.is_ascii_lowercase())
            .find(|word| (6..=12).contains(&word.len()));
        if let Some(word) = word.and_then(|word| std::str::from_utf8(word).ok())
            && !words.iter().any(|known| known == word)
        {
            words.push(word.to_owned());
        }
    }
}
