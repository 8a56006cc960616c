//! The kinds of work, and the thread that does them.

use super::file::{BigFile, Scratch};
use super::matcher::Matcher;
use super::order::{Key, Lead, Output};
use super::run::Shared;
use super::target::{Files, Folder, Target};
use super::walk::{Found, Rules, without_dot};
use crate::sys::listing::EntryKind;
use std::ffi::OsString;
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
    Files(Files),
    /// A part of a large file, and all parts after it.
    Part(Arc<BigFile>, u32),
    /// A large file of which all parts are over.
    Close(Arc<BigFile>),
}

/// A directory to list.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Its place in the directory above, if that was listed.
    within: Option<(Arc<Folder>, usize)>,
    depth: usize,
    rules: Rules,
    /// The file system to stay in.
    device: Option<u64>,
}

/// How many files are one piece of work.
const BATCH_FILES: usize = 16;

/// A thread's state.
pub(super) struct Worker<'s, 'r, 'o> {
    shared: &'s Shared<'r, 'o>,
    scratch: Scratch,
    matcher: Matcher,
    /// Memory for a path.
    path: OsString,
}

/// What to do with an entry of a directory.
enum Choice {
    Leave,
    Search,
    Descend,
}

impl<'s, 'r, 'o> Worker<'s, 'r, 'o> {
    pub(super) fn new(shared: &'s Shared<'r, 'o>, matcher: Matcher) -> Self {
        Self {
            shared,
            scratch: Scratch::new(),
            matcher,
            path: OsString::new(),
        }
    }

    /// Does a piece of work; `wants` is told of pieces that others could begin meanwhile.
    pub(super) fn run(&mut self, key: &Key, work: Work, wants: &dyn Fn()) -> Output {
        let queue = &self.shared.queue;
        match work {
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
                    wants();
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
        }
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
            return first.then(|| Work::Files(Files::One(Some(Target::Stdin))));
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
            let device = options.walk.one_file_system.then(|| device(&metadata));
            return Some(Work::Directory(Directory {
                path,
                within: None,
                depth: 1,
                rules,
                device: device.flatten(),
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
        Some(Work::Files(Files::One(Some(Target::Named {
            path: self.shown(&path).to_path_buf(),
            regular: metadata.is_file(),
        }))))
    }

    /// A path without the `./` that nobody wrote.
    fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        if self.shared.options.implicit_roots {
            without_dot(path)
        } else {
            path
        }
    }

    /// The pieces of work in a directory, in the order of names.
    fn list(&mut self, directory: Directory) -> Vec<Work> {
        let Directory {
            path,
            within,
            depth,
            rules,
            device,
        } = directory;
        let shared = self.shared;
        let walk = &shared.walk;
        // All directories are alive at once if the walk comes first.
        let handles = (!shared.walks_first()).then_some(&shared.handles);
        let mut folder = match Folder::read(&path, self.shown(&path), within.as_ref(), handles) {
            Ok(folder) => folder,
            Err(error) => {
                shared.fail(&path, &error);
                return Vec::new();
            }
        };
        if let Some(error) = folder.listing.error.take() {
            shared.fail(&path, &error);
        }
        let mut found = Found::default();
        let entries = 0..folder.listing.len();
        entries
            .clone()
            .for_each(|index| found.note(folder.listing.name(index)));
        let complain = |message: &str| shared.remark(message);
        let rules = walk.rules_inside(&rules, &path, found, &complain);
        // Files up to the next directory, or so many, are a piece; a directory is one.
        let (mut pieces, mut begun) = (Vec::new(), 0);
        for index in entries {
            match self.choose(&folder, index, &rules, depth, device) {
                Choice::Leave => {}
                Choice::Search => {
                    folder.wanted.push(u32::try_from(index).unwrap_or(u32::MAX));
                    if folder.wanted.len() - begun == BATCH_FILES {
                        pieces.push((begun..folder.wanted.len(), None));
                        begun = folder.wanted.len();
                    }
                }
                Choice::Descend => {
                    pieces.push((begun..folder.wanted.len(), Some(index)));
                    begun = folder.wanted.len();
                }
            }
        }
        pieces.push((begun..folder.wanted.len(), None));
        let folder = Arc::new(folder);
        let mut listed = Vec::with_capacity(pieces.len() * 2);
        for (files, directory) in pieces {
            if !files.is_empty() {
                listed.push(Work::Files(Files::Found(Arc::clone(&folder), files)));
            }
            if let Some(index) = directory {
                listed.push(Work::Directory(Directory {
                    path: folder.path(index, &mut self.path).to_path_buf(),
                    within: Some((Arc::clone(&folder), index)),
                    depth: depth + 1,
                    rules: rules.clone(),
                    device,
                }));
            }
        }
        listed
    }

    /// What to do with an entry of a directory.
    fn choose(
        &mut self,
        folder: &Folder,
        index: usize,
        rules: &Rules,
        depth: usize,
        device: Option<u64>,
    ) -> Choice {
        let shared = self.shared;
        let walk = &shared.walk;
        let kind = folder.kind(index);
        let (mut is_dir, mut is_file) = (kind == EntryKind::Directory, kind == EntryKind::File);
        if kind == EntryKind::Link && walk.options.follow {
            let below = folder.path(index, &mut self.path);
            match fs::metadata(below) {
                Ok(metadata) => (is_dir, is_file) = (metadata.is_dir(), metadata.is_file()),
                Err(error) => {
                    shared.fail(below, &error);
                    return Choice::Leave;
                }
            }
            if is_dir && let Some(ancestor) = loops(below) {
                let why = format!(
                    "File system loop found: {} points to an ancestor {}",
                    below.display(),
                    ancestor.display()
                );
                shared.fail(below, &why);
                return Choice::Leave;
            }
        }
        if !(is_dir || is_file) {
            return Choice::Leave;
        }
        let left_out = if walk.asks_names_only(rules) {
            walk.is_hidden_out(folder.listing.name(index))
        } else {
            walk.leaves_out(rules, folder.path(index, &mut self.path), is_dir)
        };
        if left_out {
            return Choice::Leave;
        }
        if is_dir
            && device.is_some()
            && fs::metadata(folder.path(index, &mut self.path))
                .is_ok_and(|metadata| self::device(&metadata) != device)
        {
            return Choice::Leave;
        }
        if is_dir {
            return if walk.options.depth_max.is_none_or(|max| depth < max) {
                Choice::Descend
            } else {
                Choice::Leave
            };
        }
        if let Some(max) = walk.options.file_bytes_max
            && fs::metadata(folder.path(index, &mut self.path))
                .is_ok_and(|metadata| metadata.len() > max)
        {
            return Choice::Leave;
        }
        Choice::Search
    }

    /// Searches files one after the other, or shows their paths.
    fn files(&mut self, key: &Key, mut files: Files) -> Output {
        let shared = self.shared;
        let mut output = Output {
            lead: Lead::File,
            ..Output::default()
        };
        if shared.options.list_files {
            self.scratch.list(shared, files, &mut output);
            return output;
        }
        while let Some(target) = files.next() {
            if shared.queue.is_stopped() {
                break;
            }
            if !shared.searched.load(Ordering::Relaxed) {
                shared.searched.store(true, Ordering::Relaxed);
            }
            match self
                .scratch
                .search(shared, &self.matcher, key, &target, &mut output)
            {
                Ok(None) => {}
                Ok(Some(big)) => {
                    // Its parts come next, and whatever was behind it after them.
                    let under = |numbers: &[u32]| [key.as_slice(), numbers].concat();
                    shared.queue.push(under(&[0, 0]), Work::Part(big, 0));
                    if files.len() > 0 {
                        shared.queue.push(under(&[1]), Work::Files(files));
                    }
                    break;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => break,
                Err(error) => shared.fail(target.path(&mut self.path), &error),
            }
        }
        output
    }
}

/// The file system that something is in.
fn device(metadata: &fs::Metadata) -> Option<u64> {
    crate::sys::file_identity(metadata).map(|(device, _)| device)
}

fn keyed(key: &Key, works: Vec<Work>) -> impl Iterator<Item = (Key, Work)> {
    works.into_iter().zip(0..).map(|(work, index)| {
        let mut below = Vec::with_capacity(key.len() + 1);
        below.extend_from_slice(key);
        below.push(index);
        (below, work)
    })
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
