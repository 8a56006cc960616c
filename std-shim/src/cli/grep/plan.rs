//! From arguments to what the library wants.

use super::super::console::Failure;
use super::arguments::{By, Grep, When};
use std::collections::HashSet;
use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use underpin::grep::{
    Binary, Boundary, Case, Colors, Encoding, GrepOptions, LineTerminator, Matcher, Mode,
    OverrideBuilder, PatternOptions, Preprocessor, PrintOptions, SearchOptions, Sort, Types,
    TypesBuilder, WalkOptions,
};

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) matcher: Matcher,
    pub(super) options: GrepOptions,
    pub(super) roots: Vec<PathBuf>,
    /// There is no need to look.
    pub(super) nothing_can_match: bool,
}

impl Plan {
    pub(super) fn new(mut arguments: Grep) -> Result<Self, Failure> {
        if arguments.unrestricted > 3 {
            return Err(Failure::new("-u may be given three times at most"));
        }
        if let Some(why) = arguments.refused.why() {
            return Err(Failure::new(why));
        }
        let mut stdin_taken = false;
        let patterns = patterns(&mut arguments, &mut stdin_taken)?;
        let (roots, implicit_roots, one_file) = roots(&mut arguments, stdin_taken)?;
        let text = arguments.text || arguments.null_data;
        let matcher =
            Matcher::new(&patterns, &pattern_options(&arguments, text)).map_err(Failure::new)?;
        let directory = std::env::current_dir().unwrap_or_default();
        let binary = if text {
            Binary::Text
        } else if arguments.binary || arguments.unrestricted >= 3 {
            Binary::Convert
        } else {
            Binary::Quit
        };
        let print = print_options(&arguments, one_file)?;
        let nothing_can_match = !arguments.files
            && ((patterns.is_empty() && !arguments.invert_match) || arguments.max_count == Some(0));
        let mut options = GrepOptions::default();
        options.search = search_options(
            &arguments,
            &print,
            one_file && roots.iter().any(|root| root.as_os_str() == "-"),
        );
        encode(&mut options.search, &arguments)?;
        options.compressed = arguments.search_zip;
        options.preprocessor = preprocessor(&arguments, &directory)?;
        options.print = print;
        options.walk = walk_options(&arguments, directory)?;
        options.binary = binary;
        options.binary_named = if text { Binary::Text } else { Binary::Convert };
        options.list_files = arguments.files;
        options.sort = match arguments.sort.or(arguments.sortr) {
            None | Some(By::None | By::Path) => Sort::Path,
            Some(By::Modified) => Sort::Modified,
            Some(By::Accessed) => Sort::Accessed,
            Some(By::Created) => Sort::Created,
        };
        options.sort_reversed = arguments.sortr.is_some();
        options.threads = arguments.threads;
        options.implicit_roots = implicit_roots;
        Ok(Self {
            matcher,
            options,
            roots,
            nothing_can_match,
        })
    }
}

/// The patterns, each once.
fn patterns(arguments: &mut Grep, stdin_taken: &mut bool) -> Result<Vec<String>, Failure> {
    let explicit = !arguments.regexp.is_empty() || !arguments.file.is_empty();
    if explicit || arguments.files {
        // The first word is a path then.
        if let Some(first) = arguments.pattern.take() {
            arguments.paths.insert(0, first.into());
        }
    }
    if arguments.files {
        return Ok(Vec::new());
    }
    if !explicit {
        let pattern = arguments
            .pattern
            .take()
            .ok_or_else(|| Failure::new("a pattern is needed; see `underpin grep --help`"))?;
        let pattern = pattern.into_string();
        return Ok(vec![
            pattern.map_err(|_| Failure::new("the pattern is not UTF-8"))?,
        ]);
    }
    let mut seen = HashSet::new();
    let mut patterns = Vec::new();
    let mut add = |pattern: String| {
        if !seen.contains(&pattern) {
            seen.insert(pattern.clone());
            patterns.push(pattern);
        }
    };
    arguments.regexp.drain(..).for_each(&mut add);
    for path in arguments.file.drain(..) {
        let cannot = |error: io::Error| Failure::new(format_args!("{}: {error}", path.display()));
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            if std::mem::replace(stdin_taken, true) {
                return Err(Failure::new("-f -: the standard input was read already"));
            }
            io::stdin().lock().read_to_end(&mut bytes).map_err(cannot)?;
        } else {
            bytes = fs::read(&path).map_err(cannot)?;
        }
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        for (line, number) in lines.into_iter().zip(1..) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let text = std::str::from_utf8(line).map_err(|error| {
                Failure::new(format_args!(
                    "{}:{number}: not UTF-8 at byte {}; write it as a regular expression such as (?-u:\\xFF)",
                    path.display(),
                    error.valid_up_to()
                ))
            })?;
            add(text.to_owned());
        }
    }
    Ok(patterns)
}

/// The roots, whether they are the user's words, and whether what is searched is one file.
fn roots(arguments: &mut Grep, stdin_taken: bool) -> Result<(Vec<PathBuf>, bool, bool), Failure> {
    let is_stdin = |path: &Path| path.as_os_str() == "-";
    if !arguments.paths.is_empty() {
        let roots = std::mem::take(&mut arguments.paths);
        if stdin_taken && roots.iter().any(|path| is_stdin(path)) {
            return Err(Failure::new(
                "-f - and the path `-` both want the standard input",
            ));
        }
        let one_file = matches!(roots.as_slice(), [one] if is_stdin(one) || !one.is_dir());
        return Ok((roots, false, one_file));
    }
    if stdin_taken || arguments.files || !underpin::sys::stdin_is_readable() {
        Ok((vec![PathBuf::from("./")], true, false))
    } else {
        Ok((vec![PathBuf::from("-")], true, true))
    }
}

fn pattern_options(arguments: &Grep, text: bool) -> PatternOptions {
    let mut options = PatternOptions::default();
    options.fixed = arguments.fixed_strings;
    options.case = if arguments.ignore_case {
        Case::Insensitive
    } else if arguments.smart_case {
        Case::Smart
    } else {
        Case::Sensitive
    };
    options.boundary = if arguments.line_regexp {
        Boundary::Line
    } else if arguments.word_regexp {
        Boundary::Word
    } else {
        Boundary::None
    };
    options.multi_line = arguments.multiline;
    options.dot_all = arguments.multiline_dotall;
    options.line_terminator = line_terminator(arguments);
    options.ban_nul = !text;
    options.unicode = !arguments.no_unicode;
    let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    if let Some(limit) = arguments.regex_size_limit {
        options.compiled_bytes_max = bytes(limit);
    }
    if let Some(limit) = arguments.dfa_size_limit {
        options.cache_bytes_max = bytes(limit);
    }
    options
}

fn line_terminator(arguments: &Grep) -> LineTerminator {
    if arguments.null_data {
        LineTerminator::Nul
    } else if arguments.crlf {
        LineTerminator::Crlf
    } else {
        LineTerminator::Lf
    }
}

/// What `--pre` and `--pre-glob` say.
fn preprocessor(arguments: &Grep, directory: &Path) -> Result<Option<Preprocessor>, Failure> {
    let mut builder = OverrideBuilder::new(directory);
    for glob in &arguments.pre_glob {
        builder.add(glob).map_err(Failure::new)?;
    }
    let globs = builder.build().map_err(Failure::new)?;
    arguments
        .pre
        .as_ref()
        .filter(|program| !program.is_empty())
        .map(Path::new)
        .map(|program| {
            Preprocessor::new(program, globs)
                .map_err(|error| Failure::new(format_args!("{}: {error}", program.display())))
        })
        .transpose()
}

fn search_options(arguments: &Grep, print: &PrintOptions, stdin: bool) -> SearchOptions {
    let mut options = SearchOptions::default();
    options.line_terminator = line_terminator(arguments);
    options.invert = arguments.invert_match;
    options.count_max = arguments.max_count;
    options.passthru = arguments.passthru;
    options.stop_on_nonmatch = arguments.stop_on_nonmatch;
    options.whole_bytes_max = arguments.multiline_max;
    options.line_bytes_max = arguments.line_max;
    let both = arguments.context.unwrap_or(0);
    options.before = arguments.before_context.unwrap_or(both);
    options.after = arguments.after_context.unwrap_or(both);
    options.line_numbers = if arguments.line_number || arguments.no_line_number {
        arguments.line_number
    } else {
        !print.quiet
            && match print.mode {
                Mode::Json => true,
                Mode::Standard => {
                    (io::stdout().is_terminal() && !stdin)
                        || arguments.pretty
                        || arguments.column
                        || arguments.vimgrep
                }
                _ => false,
            }
    };
    options
}

/// What `-E` says.
fn encode(options: &mut SearchOptions, arguments: &Grep) -> Result<(), Failure> {
    match arguments.encoding.as_deref() {
        None | Some("auto") => {}
        Some("none") => options.sniff_bom = false,
        Some(label) => {
            let encoding = Encoding::for_label(label)
                .ok_or_else(|| Failure::new(format_args!("`{label}` is no encoding")))?;
            options.encoding = Some(encoding);
        }
    }
    Ok(())
}

fn print_options(arguments: &Grep, one_file: bool) -> Result<PrintOptions, Failure> {
    let terminal = io::stdout().is_terminal();
    let mut options = PrintOptions::default();
    options.mode = if arguments.json {
        Mode::Json
    } else if arguments.files_with_matches {
        Mode::FilesWith
    } else if arguments.files_without_match {
        Mode::FilesWithout
    } else if arguments.count_matches {
        if arguments.invert_match {
            Mode::Count
        } else {
            Mode::CountMatches
        }
    } else if arguments.count {
        if arguments.only_matching {
            Mode::CountMatches
        } else {
            Mode::Count
        }
    } else {
        Mode::Standard
    };
    options.quiet = arguments.quiet;
    let colors = Colors::new(&arguments.colors).map_err(Failure::new)?;
    let is_colored = match arguments.color {
        When::Auto if arguments.pretty => true,
        When::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        When::Always | When::Ansi => true,
        When::Never => false,
    };
    options.colors = is_colored.then_some(colors);
    options.path = if arguments.with_filename || arguments.no_filename {
        arguments.with_filename
    } else {
        arguments.vimgrep || !one_file
    };
    options.heading = !arguments.vimgrep
        && if arguments.heading || arguments.no_heading {
            arguments.heading
        } else {
            terminal || arguments.pretty
        };
    options.line_buffered = if arguments.line_buffered || arguments.block_buffered {
        arguments.line_buffered
    } else {
        terminal
    };
    options.column = if arguments.no_column {
        false
    } else {
        arguments.column || arguments.vimgrep
    };
    options.byte_offset = arguments.byte_offset;
    options.only_matching = arguments.only_matching;
    options.per_match = arguments.vimgrep;
    options.replacement = arguments.replace.clone().map(String::into_bytes);
    options.null = arguments.null;
    options.trim = arguments.trim;
    options.columns_max = arguments.max_columns.filter(|max| *max > 0);
    options.columns_preview = arguments.max_columns_preview;
    options.path_separator = match arguments.path_separator.as_deref().map(grep_cli::unescape) {
        None => None,
        Some(separator) => match *separator.as_slice() {
            [] => None,
            [byte] => Some(byte),
            _ => return Err(Failure::new("--path-separator is one byte")),
        },
    };
    options.stats = arguments.stats || arguments.json;
    options.include_zero = arguments.include_zero;
    options.gap =
        (!arguments.no_context_separator).then(|| grep_cli::unescape(&arguments.context_separator));
    if let Some(separator) = &arguments.field_match_separator {
        options.separator = grep_cli::unescape(separator);
    }
    if let Some(separator) = &arguments.field_context_separator {
        options.context_separator_field = grep_cli::unescape(separator);
    }
    Ok(options)
}

fn walk_options(arguments: &Grep, directory: PathBuf) -> Result<WalkOptions, Failure> {
    let unrestricted = arguments.unrestricted;
    let heed = !arguments.no_ignore && unrestricted == 0;
    let mut options = WalkOptions::default();
    options.hidden = arguments.hidden || unrestricted >= 2;
    options.ignore_dot = heed && !arguments.no_ignore_dot;
    options.ignore_vcs = heed && !arguments.no_ignore_vcs;
    options.ignore_exclude = heed && !arguments.no_ignore_vcs && !arguments.no_ignore_exclude;
    options.ignore_global = heed && !arguments.no_ignore_vcs && !arguments.no_ignore_global;
    options.ignore_parent = heed && !arguments.no_ignore_parent;
    options.require_git = !arguments.no_require_git;
    options.follow = arguments.follow;
    options.ignore_messages = !arguments.no_ignore_messages;
    options.ignore_case = arguments.ignore_file_case_insensitive;
    options.one_file_system = arguments.one_file_system;
    options.depth_max = arguments.max_depth;
    options.file_bytes_max = arguments.max_filesize;
    if !arguments.no_ignore_files {
        options.ignore_files.clone_from(&arguments.ignore_file);
    }
    if !arguments.glob.is_empty() || !arguments.iglob.is_empty() {
        let mut builder = OverrideBuilder::new(&directory);
        builder
            .case_insensitive(arguments.glob_case_insensitive)
            .map_err(Failure::new)?;
        for glob in &arguments.glob {
            builder.add(glob).map_err(Failure::new)?;
        }
        builder.case_insensitive(true).map_err(Failure::new)?;
        for glob in &arguments.iglob {
            builder.add(glob).map_err(Failure::new)?;
        }
        options.globs = builder.build().map_err(Failure::new)?;
    }
    let says_types = [
        &arguments.types,
        &arguments.types_not,
        &arguments.type_add,
        &arguments.type_clear,
    ];
    if says_types.into_iter().any(|said| !said.is_empty()) {
        options.types = types(arguments)?;
    }
    options.directory = directory;
    Ok(options)
}

/// The known types and those that were chosen.
pub(super) fn types(arguments: &Grep) -> Result<Types, Failure> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    for name in &arguments.type_clear {
        builder.clear(name);
    }
    for definition in &arguments.type_add {
        builder.add_def(definition).map_err(Failure::new)?;
    }
    for name in &arguments.types {
        builder.select(name);
    }
    for name in &arguments.types_not {
        builder.negate(name);
    }
    builder.build().map_err(Failure::new)
}
