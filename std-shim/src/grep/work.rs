//! The kinds of work, and the thread that does them.

use super::file::{BigFile, Scratch, Target};
use super::matcher::Matcher;
use super::order::{Key, Lead, Output};
use super::run::Shared;
use super::walk::{Found, Rules, without_dot};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A piece of work.
pub(super) enum Work {
    /// What the user named.
    Root(PathBuf),
    /// A directory to list.
    Directory(Directory),
    /// Files to search.
    Files(Vec<Target>),
    /// A part of a large file, and all parts after it.
    Part(Arc<BigFile>, u32),
    /// A large file of which all parts are over.
    Close(Arc<BigFile>),
}

/// A directory to list.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    depth: usize,
    rules: Rules,
}

/// How many files are one piece of work.
const BATCH_FILES: usize = 16;

/// A thread's state.
pub(super) struct Worker<'s, 'r, 'o> {
    shared: &'s Shared<'r, 'o>,
    scratch: Scratch,
    matcher: Matcher,
}

impl<'s, 'r, 'o> Worker<'s, 'r, 'o> {
    pub(super) fn new(shared: &'s Shared<'r, 'o>, matcher: Matcher) -> Self {
        Self {
            shared,
            scratch: Scratch::new(),
            matcher,
        }
    }

    /// Does a piece of work to its end.
    pub(super) fn run(&mut self, key: &Key, work: Work) {
        let queue = &self.shared.queue;
        let output = match work {
            Work::Root(path) => self.root(key, path),
            Work::Directory(directory) => {
                queue.push_all(keyed(key, self.list(directory)));
                Output::default()
            }
            Work::Files(files) => self.files(key, files),
            Work::Part(file, index) => {
                if let Some(next) = file.next_part(index) {
                    let mut next_key = key.clone();
                    if let Some(last) = next_key.last_mut() {
                        *last = next;
                    }
                    queue.push(next_key, Work::Part(Arc::clone(&file), next));
                }
                let output = self
                    .scratch
                    .part(self.shared, &self.matcher, key, &file, index);
                if file.part_is_over() {
                    let mut close_key = key.clone();
                    if let Some(last) = close_key.last_mut() {
                        *last = u32::MAX;
                    }
                    queue.push(close_key, Work::Close(file));
                }
                output
            }
            Work::Close(file) => self.scratch.close(self.shared, &self.matcher, &file),
        };
        queue.finish(key, output);
    }

    /// Lists what `work` stands for, all the way down; files go into `files`.
    pub(super) fn expand(&mut self, key: &Key, work: Work, files: &mut Vec<Target>) {
        match work {
            Work::Root(path) => {
                if let Some(work) = self.root_work(path) {
                    self.expand(key, work, files);
                }
            }
            Work::Directory(directory) => {
                self.shared.queue.push_all(keyed(key, self.list(directory)));
            }
            Work::Files(more) => files.extend(more),
            Work::Part(..) | Work::Close(_) => {}
        }
    }

    fn root(&mut self, key: &Key, path: PathBuf) -> Output {
        match self.root_work(path) {
            Some(Work::Files(files)) => self.files(key, files),
            Some(work) => {
                let mut below = key.clone();
                below.push(0);
                self.shared.queue.push(below, work);
                Output::default()
            }
            None => Output::default(),
        }
    }

    fn root_work(&mut self, path: PathBuf) -> Option<Work> {
        let options = self.shared.options;
        if path.as_os_str() == "-" {
            let first = !self.shared.stdin_taken.swap(true, Ordering::Relaxed);
            return first.then(|| Work::Files(vec![Target::stdin()]));
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.shared.fail(&path, &error);
                return None;
            }
        };
        if metadata.is_dir() {
            if options.walk.depth_max == Some(0) {
                return None;
            }
            let complain = |message: &str| self.shared.remark(message);
            let rules = self.shared.walk.rules_above(&path, &complain);
            return Some(Work::Directory(Directory {
                path,
                depth: 1,
                rules,
            }));
        }
        if metadata.is_file()
            && options
                .walk
                .file_bytes_max
                .is_some_and(|max| metadata.len() > max)
        {
            return None;
        }
        Some(Work::Files(vec![Target::named(
            self.shown(path),
            metadata.is_file(),
        )]))
    }

    /// A path without the `./` that nobody wrote.
    fn shown(&self, path: PathBuf) -> PathBuf {
        if self.shared.options.implicit_roots {
            without_dot(&path).to_path_buf()
        } else {
            path
        }
    }

    /// The pieces of work in a directory, in the order of names.
    fn list(&mut self, directory: Directory) -> Vec<Work> {
        let Directory { path, depth, rules } = directory;
        let shared = self.shared;
        let walk = &shared.walk;
        let reader = match fs::read_dir(&path) {
            Ok(reader) => reader,
            Err(error) => {
                shared.fail(&path, &error);
                return Vec::new();
            }
        };
        let mut found = Found::default();
        let mut entries = Vec::new();
        for entry in reader {
            match entry {
                Ok(entry) => {
                    let name = entry.file_name();
                    found.note(&name);
                    entries.push((name, entry));
                }
                Err(error) => shared.fail(&path, &error),
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let complain = |message: &str| shared.remark(message);
        let rules = walk.rules_inside(&rules, &path, found, &complain);
        let mut listed = Vec::new();
        let mut batch = Vec::new();
        for (name, entry) in entries {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let (mut is_dir, mut is_file) = (kind.is_dir(), kind.is_file());
            let below = path.join(&name);
            if kind.is_symlink() && walk.options.follow {
                match fs::metadata(&below) {
                    Ok(metadata) => (is_dir, is_file) = (metadata.is_dir(), metadata.is_file()),
                    Err(error) => {
                        shared.fail(&below, &error);
                        continue;
                    }
                }
                if is_dir && let Some(ancestor) = loops(&below) {
                    let why = format!(
                        "File system loop found: {} points to an ancestor {}",
                        below.display(),
                        ancestor.display()
                    );
                    shared.fail(&below, &why);
                    continue;
                }
            }
            if !(is_dir || is_file) || walk.leaves_out(&rules, &below, is_dir) {
                continue;
            }
            if is_dir {
                if walk.options.depth_max.is_none_or(|max| depth < max) {
                    if !batch.is_empty() {
                        listed.push(Work::Files(std::mem::take(&mut batch)));
                    }
                    listed.push(Work::Directory(Directory {
                        path: below,
                        depth: depth + 1,
                        rules: rules.clone(),
                    }));
                }
                continue;
            }
            if let Some(max) = walk.options.file_bytes_max
                && fs::metadata(&below).is_ok_and(|metadata| metadata.len() > max)
            {
                continue;
            }
            if shared.stdout.is_some() && is_same(&below, shared.stdout) {
                continue;
            }
            batch.push(Target::found(self.shown(below)));
            if batch.len() == BATCH_FILES {
                listed.push(Work::Files(std::mem::take(&mut batch)));
            }
        }
        if !batch.is_empty() {
            listed.push(Work::Files(batch));
        }
        listed
    }

    /// Searches files one after the other, or shows their paths.
    fn files(&mut self, key: &Key, files: Vec<Target>) -> Output {
        let shared = self.shared;
        let mut output = Output {
            lead: Lead::File,
            ..Output::default()
        };
        if shared.options.list_files {
            self.scratch.list(shared, &files, &mut output);
            return output;
        }
        let mut rest: VecDeque<Target> = files.into();
        while let Some(target) = rest.pop_front() {
            if shared.queue.is_stopped() {
                break;
            }
            shared.searched.store(true, Ordering::Relaxed);
            match self
                .scratch
                .search(shared, &self.matcher, key, &target, &mut output)
            {
                Ok(None) => {}
                Ok(Some(big)) => {
                    // Its parts come next, and whatever was behind it after them.
                    let under = |numbers: &[u32]| [key.as_slice(), numbers].concat();
                    shared.queue.push(under(&[0, 0]), Work::Part(big, 0));
                    if !rest.is_empty() {
                        shared.queue.push(under(&[1]), Work::Files(rest.into()));
                    }
                    break;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => break,
                Err(error) => shared.fail(&target.path, &error),
            }
        }
        output
    }
}

fn keyed(key: &Key, works: Vec<Work>) -> impl Iterator<Item = (Key, Work)> {
    works.into_iter().zip(0..).map(|(work, index)| {
        let mut below = Vec::with_capacity(key.len() + 1);
        below.extend_from_slice(key);
        below.push(index);
        (below, work)
    })
}

fn is_same(path: &Path, stdout: Option<(u64, u64)>) -> bool {
    fs::metadata(path).is_ok_and(|metadata| crate::sys::file_identity(&metadata) == stdout)
}

/// The ancestor of `link` that `link` leads to.
fn loops(link: &Path) -> Option<PathBuf> {
    let target = link.canonicalize().ok()?;
    link.ancestors()
        .skip(1)
        .find(|ancestor| {
            let ancestor = if ancestor.as_os_str().is_empty() {
                Path::new(".")
            } else {
                ancestor
            };
            ancestor
                .canonicalize()
                .is_ok_and(|ancestor| ancestor == target)
        })
        .map(Path::to_path_buf)
}
