//! Which files of a tree are searched: hidden ones, globs, types, and the rules of ignore files.
//!
//! Rules come in layers, one for each directory that has any, the directories above the root included. The order of who is
//! asked is git's and ripgrep's: globs of the command line; `.rgignore`; `.ignore`; `.gitignore`, `.git/info/exclude` and the
//! user's global rules, the last three only within a repository; then types. In each kind the nearest layer that has an
//! opinion decides.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::Override;
use ignore::types::Types;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Larger ignore files that were found are left alone, as git leaves them.
const RULES_BYTES_MAX: u64 = 100 << 20;

/// What a line with a path may take.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What is searched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Hidden files too.
    pub hidden: bool,
    /// Heed `.ignore` and `.rgignore`.
    pub ignore_dot: bool,
    /// Heed `.gitignore`.
    pub ignore_vcs: bool,
    /// Heed `.git/info/exclude`.
    pub ignore_exclude: bool,
    /// Heed the user's global git rules.
    pub ignore_global: bool,
    /// Heed the ignore files above the root.
    pub ignore_parent: bool,
    /// Heed git's rules only in a repository.
    pub require_git: bool,
    /// Say what is wrong in ignore files.
    pub ignore_messages: bool,
    /// Globs in ignore files match whatever the case.
    pub ignore_case: bool,
    /// Stay in the file system of the root, where the system names those.
    pub one_file_system: bool,
    /// Follow symbolic links.
    pub follow: bool,
    /// How deep; 0 is the root itself.
    pub depth_max: Option<usize>,
    /// Larger files are left out, in bytes.
    pub file_bytes_max: Option<u64>,
    /// Globs of the command line.
    pub globs: Override,
    /// Types of the command line.
    pub types: Types,
    /// More files with rules, the later the stronger.
    pub ignore_files: Vec<PathBuf>,
    /// The working directory, to which globs refer.
    pub directory: PathBuf,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            hidden: false,
            ignore_dot: true,
            ignore_vcs: true,
            ignore_exclude: true,
            ignore_global: true,
            ignore_parent: true,
            require_git: true,
            ignore_messages: true,
            ignore_case: false,
            one_file_system: false,
            follow: false,
            depth_max: None,
            file_bytes_max: None,
            globs: Override::empty(),
            types: Types::empty(),
            ignore_files: Vec::new(),
            directory: PathBuf::new(),
        }
    }
}

/// The rules of one directory.
#[derive(Debug)]
pub(super) struct Layer {
    parent: Option<Arc<Layer>>,
    custom: Gitignore,
    dot: Gitignore,
    git: Gitignore,
    exclude: Gitignore,
    has_git: bool,
    /// It is above the root: its rules refer to absolute paths.
    above: bool,
}

impl Layer {
    fn is_empty(&self) -> bool {
        !self.has_rules() && !self.has_git
    }

    fn has_rules(&self) -> bool {
        !(self.custom.is_empty()
            && self.dot.is_empty()
            && self.git.is_empty()
            && self.exclude.is_empty())
    }
}

/// The rules that hold in a directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    nearest: Option<Arc<Layer>>,
    any_git: bool,
    /// Some layer has rules, not only a word about a repository.
    any_rules: bool,
    root: Option<Arc<Root>>,
}

#[derive(Debug)]
struct Root {
    /// As it was named, without `./`.
    named: PathBuf,
    absolute: PathBuf,
    above_has_rules: bool,
}

/// The names in a directory that say something about rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    rgignore: bool,
    ignore: bool,
    gitignore: bool,
    git: bool,
    jj: bool,
}

impl Found {
    const ALL: Self = Self {
        rgignore: true,
        ignore: true,
        gitignore: true,
        git: true,
        jj: true,
    };

    /// Takes note of a name.
    #[inline]
    pub(super) fn note(&mut self, name: &OsStr) {
        match name.as_encoded_bytes() {
            b".rgignore" => self.rgignore = true,
            b".ignore" => self.ignore = true,
            b".gitignore" => self.gitignore = true,
            b".git" => self.git = true,
            b".jj" => self.jj = true,
            _ => {}
        }
    }

    fn any(self) -> bool {
        self.rgignore || self.ignore || self.gitignore || self.git || self.jj
    }
}

/// Decides.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) options: WalkOptions,
    /// The user's rules for all repositories, read when the first is met.
    global: OnceLock<Gitignore>,
    explicit: Vec<Gitignore>,
}

impl Walk {
    /// Reads the files that the command line names; what is wrong with them goes to `complain`.
    pub(super) fn new(options: WalkOptions, complain: &dyn Fn(&str)) -> Self {
        let mut walk = Self {
            options,
            global: OnceLock::new(),
            explicit: Vec::new(),
        };
        let files = walk.options.ignore_files.iter();
        let read = |path| walk.read_rules(Path::new(""), path, complain);
        walk.explicit = files.map(|path| read(path)).collect();
        walk
    }

    fn read_rules(&self, directory: &Path, path: &Path, complain: &dyn Fn(&str)) -> Gitignore {
        let complain = |error: &ignore::Error| {
            if self.options.ignore_messages {
                complain(&error.to_string());
            }
        };
        let mut builder = GitignoreBuilder::new(directory);
        // It only fails once a glob was added.
        let _ = builder.case_insensitive(self.options.ignore_case);
        if let Some(error) = builder.add(path) {
            complain(&error);
        }
        builder.build().unwrap_or_else(|error| {
            complain(&error);
            Gitignore::empty()
        })
    }

    /// [`read_rules`](Self::read_rules) of a file that nobody named: not of a pipe or a device, which may have no end.
    fn read_found_rules(
        &self,
        directory: &Path,
        path: &Path,
        complain: &dyn Fn(&str),
    ) -> Gitignore {
        let why = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > RULES_BYTES_MAX => {
                "too large for a file with rules"
            }
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => "not a regular file",
            // What else is wrong is said by who opens it.
            _ => return self.read_rules(directory, path, complain),
        };
        if self.options.ignore_messages {
            complain(&format!("{}: {why}, so not heeded", path.display()));
        }
        Gitignore::empty()
    }

    fn global(&self) -> &Gitignore {
        self.global.get_or_init(|| {
            if self.options.ignore_vcs && self.options.ignore_global {
                GitignoreBuilder::new(&self.options.directory)
                    .build_global()
                    .0
            } else {
                Gitignore::empty()
            }
        })
    }

    fn heeds_none(&self) -> bool {
        let options = &self.options;
        !options.ignore_dot && !options.ignore_vcs && self.explicit.is_empty()
    }

    /// The rules above a root directory.
    pub(super) fn rules_above(&self, root: &Path, complain: &dyn Fn(&str)) -> Rules {
        let mut rules = Rules {
            any_git: !self.options.require_git,
            ..Rules::default()
        };
        // Whether the root is in a repository matters even if the rules above it don't.
        if self.heeds_none() || !(self.options.ignore_parent || self.options.ignore_vcs) {
            return rules;
        }
        let Ok(absolute) = root.canonicalize() else {
            return rules;
        };
        let mut parents: Vec<&Path> = absolute.ancestors().skip(1).collect();
        parents.reverse();
        let mut above_has_rules = false;
        for parent in parents {
            let layer = self.layer(&rules, parent, Found::ALL, true, complain);
            if !layer.is_empty() {
                above_has_rules |= layer.has_rules();
                rules.any_git |= layer.has_git;
                rules.nearest = Some(Arc::new(layer));
            }
        }
        rules.any_rules = above_has_rules;
        rules.root = Some(Arc::new(Root {
            named: without_dot(root).to_path_buf(),
            absolute,
            above_has_rules: above_has_rules && self.options.ignore_parent,
        }));
        rules
    }

    /// The rules inside `directory`, in which `found` was found.
    pub(super) fn rules_inside(
        &self,
        rules: &Rules,
        directory: &Path,
        found: Found,
        complain: &dyn Fn(&str),
    ) -> Rules {
        if !found.any() || self.heeds_none() {
            return rules.clone();
        }
        let layer = self.layer(rules, directory, found, false, complain);
        if layer.is_empty() {
            return rules.clone();
        }
        Rules {
            any_git: rules.any_git || layer.has_git,
            any_rules: rules.any_rules || layer.has_rules(),
            nearest: Some(Arc::new(layer)),
            root: rules.root.clone(),
        }
    }

    fn layer(
        &self,
        rules: &Rules,
        directory: &Path,
        found: Found,
        above: bool,
        complain: &dyn Fn(&str),
    ) -> Layer {
        let options = &self.options;
        let heed = |name: &str, wanted: bool| -> Gitignore {
            if !wanted {
                return Gitignore::empty();
            }
            let path = directory.join(name);
            if above && !path.is_file() {
                return Gitignore::empty();
            }
            self.read_found_rules(directory, &path, complain)
        };
        let uses_git = options.ignore_vcs;
        let dot_git = if found.git && uses_git {
            fs::metadata(directory.join(".git")).ok()
        } else {
            None
        };
        let has_jj = found.jj && uses_git && directory.join(".jj").exists();
        let exclude = match &dot_git {
            Some(metadata) if options.ignore_exclude => git_directory(
                &directory.join(".git"),
                metadata,
            )
            .map_or_else(Gitignore::empty, |git| {
                let path = git.join("info/exclude");
                if path.is_file() {
                    self.read_found_rules(directory, &path, complain)
                } else {
                    Gitignore::empty()
                }
            }),
            _ => Gitignore::empty(),
        };
        Layer {
            parent: rules.nearest.clone(),
            custom: heed(".rgignore", found.rgignore && options.ignore_dot),
            dot: heed(".ignore", found.ignore && options.ignore_dot),
            git: heed(".gitignore", found.gitignore && uses_git),
            exclude,
            has_git: options.require_git && (dot_git.is_some() || has_jj),
            above,
        }
    }

    /// Whether nothing but an entry's name decides, and only if it is hidden.
    pub(super) fn asks_names_only(&self, rules: &Rules) -> bool {
        !rules.any_rules
            && self.options.globs.is_empty()
            && self.options.types.is_empty()
            && self.explicit.is_empty()
            && (!rules.any_git || self.global().is_empty())
    }

    /// Whether an entry is left out because it is hidden.
    pub(super) fn is_hidden_out(&self, name: &OsStr) -> bool {
        !self.options.hidden && name.as_encoded_bytes().first() == Some(&b'.')
    }

    /// Whether the entry at `path` is left out.
    pub(super) fn leaves_out(&self, rules: &Rules, path: &Path, is_dir: bool) -> bool {
        let is_hidden = || {
            path.file_name()
                .is_some_and(|name| self.is_hidden_out(name))
        };
        let path = without_dot(path);
        if !self.options.globs.is_empty() {
            match self.options.globs.matched(path, is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        let mut wanted = false;
        match self.ignored(rules, path, is_dir) {
            Some(true) => return true,
            Some(false) => wanted = true,
            None => {}
        }
        if !self.options.types.is_empty() {
            match self.options.types.matched(path, is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => wanted = true,
                Match::None => {}
            }
        }
        !wanted && is_hidden()
    }

    /// What the ignore files say: to ignore, not to, or nothing.
    fn ignored(&self, rules: &Rules, path: &Path, is_dir: bool) -> Option<bool> {
        let mut opinions = Opinions {
            any_git: rules.any_git,
            ..Opinions::default()
        };
        let mut layer = rules.nearest.as_ref();
        while let Some(here) = layer.filter(|layer| !layer.above) {
            opinions.ask(here, path, is_dir);
            layer = here.parent.as_ref();
        }
        if let (Some(_), Some(root)) = (layer, &rules.root)
            && root.above_has_rules
        {
            let below = if root.named.as_os_str() == "." {
                path
            } else {
                path.strip_prefix(&root.named).unwrap_or(path)
            };
            let absolute = root.absolute.join(below);
            while let Some(here) = layer {
                opinions.ask(here, &absolute, is_dir);
                layer = here.parent.as_ref();
            }
        }
        let global = if rules.any_git {
            opinion(self.global(), path, is_dir)
        } else {
            None
        };
        let explicit = || {
            self.explicit
                .iter()
                .rev()
                .find_map(|rules| opinion(rules, path, is_dir))
        };
        opinions
            .custom
            .or(opinions.dot)
            .or(opinions.git)
            .or(opinions.exclude)
            .or(global)
            .or_else(explicit)
    }
}

#[derive(Default)]
struct Opinions {
    custom: Option<bool>,
    dot: Option<bool>,
    git: Option<bool>,
    exclude: Option<bool>,
    any_git: bool,
    saw_git: bool,
}

impl Opinions {
    fn ask(&mut self, layer: &Layer, path: &Path, is_dir: bool) {
        self.custom = self.custom.or_else(|| opinion(&layer.custom, path, is_dir));
        self.dot = self.dot.or_else(|| opinion(&layer.dot, path, is_dir));
        if self.any_git && !self.saw_git {
            self.git = self.git.or_else(|| opinion(&layer.git, path, is_dir));
            self.exclude = self
                .exclude
                .or_else(|| opinion(&layer.exclude, path, is_dir));
        }
        self.saw_git |= layer.has_git;
    }
}

fn opinion(rules: &Gitignore, path: &Path, is_dir: bool) -> Option<bool> {
    if rules.is_empty() {
        return None;
    }
    match rules.matched(path, is_dir) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

/// Where a repository keeps what its worktrees share.
fn git_directory(dot_git: &Path, metadata: &fs::Metadata) -> Option<PathBuf> {
    if !metadata.is_file() {
        return Some(dot_git.to_path_buf());
    }
    let pointer = first_line(dot_git)?;
    let git = PathBuf::from(pointer.strip_prefix("gitdir: ")?);
    let common = PathBuf::from(first_line(&git.join("commondir"))?);
    Some(if common.is_absolute() {
        common
    } else {
        git.join(common)
    })
}

/// The first line of a regular file, if it is no longer than a path may be.
fn first_line(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut line = String::new();
    let mut reader = BufReader::new(File::open(path).ok()?.take(LINE_BYTES_MAX));
    reader.read_line(&mut line).ok()?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// A path without `./` at its start.
pub(super) fn without_dot(path: &Path) -> &Path {
    path.strip_prefix("./").unwrap_or(path)
}
