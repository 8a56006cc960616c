//! What `underpin grep` may be told: the one definition behind the parser, `--help`, completions and the manual page.

use super::refused::Refused;
use super::undo::Undo;
use clap::{ArgAction, Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Always, by ANSI sequences
    Ansi,
    /// Never
    Never,
}

/// Orders of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum By {
    /// By path, as always
    None,
    /// By path
    Path,
    /// By the time of the last change
    Modified,
    /// By the time of the last access
    Accessed,
    /// By the time of creation
    Created,
}

/// What `--generate` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in super::super) enum What {
    /// A manual page
    Man,
    /// Completions for bash
    CompleteBash,
    /// Completions for zsh
    CompleteZsh,
    /// Completions for fish
    CompleteFish,
    /// Completions for PowerShell
    CompletePowershell,
}

/// Arguments of `grep`.
#[derive(Args, Debug)]
#[command(
    version,
    disable_help_flag = true,
    args_override_self = true,
    after_help = "Exit status: 0 if something was found, 1 if not, 2 if something went wrong.\n\
                  Files that ignore files name, hidden files and binary files are left out; -u, -uu and -uuu search them too.\n\
                  Flags are ripgrep's, but for -h, -L and -z, which are GNU grep's.\n\
                  The file that UNDERPIN_GREP_CONFIG_PATH names has more flags, one a line, before those of the command line; \
                  lines that start with # are comments."
)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(in super::super) struct Grep {
    /// The pattern, unless -e or -f is given; then another path
    #[arg(value_name = "PATTERN")]
    pub(super) pattern: Option<OsString>,
    /// Files and directories; `-` is the standard input
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// A pattern; several are alternatives
    #[arg(short = 'e', long = "regexp", value_name = "PATTERN", allow_hyphen_values = true, action = ArgAction::Append, help_heading = "Patterns")]
    pub(super) regexp: Vec<String>,
    /// A file with a pattern on each line; `-` is the standard input
    #[arg(short = 'f', long = "file", value_name = "FILE", allow_hyphen_values = true, action = ArgAction::Append, help_heading = "Patterns")]
    pub(super) file: Vec<PathBuf>,
    /// Patterns are strings, not regular expressions
    #[arg(short = 'F', long, help_heading = "Patterns")]
    pub(super) fixed_strings: bool,
    /// Upper and lower case are the same
    #[arg(short = 'i', long, overrides_with_all = ["case_sensitive", "smart_case"], help_heading = "Patterns")]
    pub(super) ignore_case: bool,
    /// Upper and lower case differ: the default
    #[arg(short = 's', long, overrides_with_all = ["ignore_case", "smart_case"], help_heading = "Patterns")]
    pub(super) case_sensitive: bool,
    /// As -i if no letter of the pattern is upper case
    #[arg(short = 'S', long, overrides_with_all = ["ignore_case", "case_sensitive"], help_heading = "Patterns")]
    pub(super) smart_case: bool,
    /// Matches are whole words
    #[arg(
        short = 'w',
        long,
        overrides_with = "line_regexp",
        help_heading = "Patterns"
    )]
    pub(super) word_regexp: bool,
    /// Matches are whole lines
    #[arg(
        short = 'x',
        long,
        overrides_with = "word_regexp",
        help_heading = "Patterns"
    )]
    pub(super) line_regexp: bool,
    /// Lines that don't match
    #[arg(short = 'v', long, help_heading = "Patterns")]
    pub(super) invert_match: bool,
    /// Matches may span lines
    #[arg(short = 'U', long, help_heading = "Patterns")]
    pub(super) multiline: bool,
    /// With -U, `.` matches the end of a line as well
    #[arg(long, help_heading = "Patterns")]
    pub(super) multiline_dotall: bool,
    /// `\w`, `.`, case and the like know ASCII alone
    #[arg(long, help_heading = "Patterns")]
    pub(super) no_unicode: bool,
    /// Lines end with NUL, not with a line feed
    #[arg(short = 'z', long, overrides_with = "crlf", help_heading = "Patterns")]
    pub(super) null_data: bool,
    /// A carriage return before a line feed belongs to the end of the line
    #[arg(long, overrides_with = "null_data", help_heading = "Patterns")]
    pub(super) crlf: bool,
    /// Stop after so many lines of a file
    #[arg(short = 'm', long, value_name = "COUNT", help_heading = "Patterns")]
    pub(super) max_count: Option<u64>,
    /// Stop a file at the first line that doesn't match behind one that does
    #[arg(long, help_heading = "Patterns")]
    pub(super) stop_on_nonmatch: bool,
    /// With -U, search no larger file; K, M and G are units
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1G", help_heading = "Patterns")]
    pub(super) multiline_max: u64,
    /// Search no file on from a line that is longer; K, M and G are units
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1G", help_heading = "Patterns")]
    pub(super) line_max: u64,
    /// What the compiled pattern may take; K, M and G are units
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Patterns")]
    pub(super) regex_size_limit: Option<u64>,
    /// What the automaton of the pattern may take in each thread
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Patterns")]
    pub(super) dfa_size_limit: Option<u64>,

    /// Count the lines of each file
    #[arg(short = 'c', long, overrides_with_all = ["count_matches", "files_with_matches", "files_without_match", "json"], help_heading = "Output")]
    pub(super) count: bool,
    /// Count the matches of each file
    #[arg(long, overrides_with_all = ["count", "files_with_matches", "files_without_match", "json"], help_heading = "Output")]
    pub(super) count_matches: bool,
    /// Show counts of zero too
    #[arg(long, help_heading = "Output")]
    pub(super) include_zero: bool,
    /// Show the paths of files with a match
    #[arg(short = 'l', long, overrides_with_all = ["count", "count_matches", "files_without_match", "json"], help_heading = "Output")]
    pub(super) files_with_matches: bool,
    /// Show the paths of files without a match
    #[arg(short = 'L', long, overrides_with_all = ["count", "count_matches", "files_with_matches", "json"], help_heading = "Output")]
    pub(super) files_without_match: bool,
    /// Show JSON
    #[arg(long, overrides_with_all = ["count", "count_matches", "files_with_matches", "files_without_match"], help_heading = "Output")]
    pub(super) json: bool,
    /// Show nothing and stop at the first match
    #[arg(short = 'q', long, help_heading = "Output")]
    pub(super) quiet: bool,
    /// Show matches, not their lines
    #[arg(short = 'o', long, help_heading = "Output")]
    pub(super) only_matching: bool,
    /// Show each match replaced; `$1` and `${name}` are groups
    #[arg(
        short = 'r',
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "Output"
    )]
    pub(super) replace: Option<String>,
    /// Lines of context after a match
    #[arg(
        short = 'A',
        long,
        value_name = "LINES",
        overrides_with = "passthru",
        help_heading = "Output"
    )]
    pub(super) after_context: Option<usize>,
    /// Lines of context before a match
    #[arg(
        short = 'B',
        long,
        value_name = "LINES",
        overrides_with = "passthru",
        help_heading = "Output"
    )]
    pub(super) before_context: Option<usize>,
    /// Lines of context on both sides
    #[arg(
        short = 'C',
        long,
        value_name = "LINES",
        overrides_with = "passthru",
        help_heading = "Output"
    )]
    pub(super) context: Option<usize>,
    /// Show all lines
    #[arg(long, alias = "passthrough", overrides_with_all = ["after_context", "before_context", "context"], help_heading = "Output")]
    pub(super) passthru: bool,
    /// What separates runs of lines
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "--",
        allow_hyphen_values = true,
        help_heading = "Output"
    )]
    pub(super) context_separator: String,
    /// Runs of lines are not separated
    #[arg(long, help_heading = "Output")]
    pub(super) no_context_separator: bool,
    /// What follows paths and numbers on lines that match
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "Output"
    )]
    pub(super) field_match_separator: Option<String>,
    /// What follows paths and numbers on lines of context
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "Output"
    )]
    pub(super) field_context_separator: Option<String>,
    /// Show line numbers
    #[arg(
        short = 'n',
        long,
        overrides_with = "no_line_number",
        help_heading = "Output"
    )]
    pub(super) line_number: bool,
    /// Show no line numbers
    #[arg(
        short = 'N',
        long,
        overrides_with = "line_number",
        help_heading = "Output"
    )]
    pub(super) no_line_number: bool,
    /// Show the column of the first match
    #[arg(long, overrides_with = "no_column", help_heading = "Output")]
    pub(super) column: bool,
    /// Undoes --column
    #[arg(long, hide = true)]
    pub(super) no_column: bool,
    /// Show the offset in the file
    #[arg(short = 'b', long, help_heading = "Output")]
    pub(super) byte_offset: bool,
    /// Show paths
    #[arg(
        short = 'H',
        long,
        overrides_with = "no_filename",
        help_heading = "Output"
    )]
    pub(super) with_filename: bool,
    /// Show no paths
    #[arg(
        short = 'h',
        long,
        short_alias = 'I',
        overrides_with = "with_filename",
        help_heading = "Output"
    )]
    pub(super) no_filename: bool,
    /// Show a file's path above its lines
    #[arg(long, overrides_with = "no_heading", help_heading = "Output")]
    pub(super) heading: bool,
    /// Show the path on each line
    #[arg(long, overrides_with = "heading", help_heading = "Output")]
    pub(super) no_heading: bool,
    /// When to use colours
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        value_enum,
        help_heading = "Output"
    )]
    pub(super) color: When,
    /// What has which colour, such as `path:fg:blue`, `match:style:underline` or `line:none`
    #[arg(long, value_name = "SPEC", action = ArgAction::Append, help_heading = "Output")]
    pub(super) colors: Vec<String>,
    /// As --color always --heading -n
    #[arg(short = 'p', long, help_heading = "Output")]
    pub(super) pretty: bool,
    /// Show each line at once: the default on a terminal
    #[arg(long, overrides_with = "block_buffered", help_heading = "Output")]
    pub(super) line_buffered: bool,
    /// Show many lines at a time: the default elsewhere
    #[arg(long, overrides_with = "line_buffered", help_heading = "Output")]
    pub(super) block_buffered: bool,
    /// End paths with NUL
    #[arg(short = '0', long, help_heading = "Output")]
    pub(super) null: bool,
    /// Cut white space off the start of lines
    #[arg(long, help_heading = "Output")]
    pub(super) trim: bool,
    /// Leave out lines that are longer, in bytes
    #[arg(short = 'M', long, value_name = "BYTES", help_heading = "Output")]
    pub(super) max_columns: Option<u64>,
    /// Of those show as many characters, and how many matches are behind them
    #[arg(long, help_heading = "Output")]
    pub(super) max_columns_preview: bool,
    /// What stands between the names in paths; one byte
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub(super) path_separator: Option<String>,
    /// A line for each match, with path, line and column
    #[arg(long, help_heading = "Output")]
    pub(super) vimgrep: bool,
    /// End with figures
    #[arg(long, help_heading = "Output")]
    pub(super) stats: bool,
    /// Say nothing of files that can't be read
    #[arg(long, help_heading = "Output")]
    pub(super) no_messages: bool,

    /// Show the files that would be searched
    #[arg(long, help_heading = "Files")]
    pub(super) files: bool,
    /// Search files that match, or with `!` don't; the last that matches decides
    #[arg(short = 'g', long = "glob", value_name = "GLOB", allow_hyphen_values = true, action = ArgAction::Append, help_heading = "Files")]
    pub(super) glob: Vec<String>,
    /// As -g, whatever the case
    #[arg(long = "iglob", value_name = "GLOB", allow_hyphen_values = true, action = ArgAction::Append, help_heading = "Files")]
    pub(super) iglob: Vec<String>,
    /// -g as --iglob
    #[arg(long, help_heading = "Files")]
    pub(super) glob_case_insensitive: bool,
    /// Search files of a type; see --type-list
    #[arg(short = 't', long = "type", value_name = "TYPE", action = ArgAction::Append, help_heading = "Files")]
    pub(super) types: Vec<String>,
    /// Search no files of a type
    #[arg(short = 'T', long = "type-not", value_name = "TYPE", action = ArgAction::Append, help_heading = "Files")]
    pub(super) types_not: Vec<String>,
    /// Define a type, such as `web:*.{html,css}`
    #[arg(long, value_name = "TYPE:GLOB", action = ArgAction::Append, help_heading = "Files")]
    pub(super) type_add: Vec<String>,
    /// Forget a type
    #[arg(long, value_name = "TYPE", action = ArgAction::Append, help_heading = "Files")]
    pub(super) type_clear: Vec<String>,
    /// Show all types
    #[arg(long, help_heading = "Files")]
    pub(super) type_list: bool,
    /// Search hidden files too
    #[arg(short = '.', long, help_heading = "Files")]
    pub(super) hidden: bool,
    /// Heed no ignore files
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore: bool,
    /// Heed no .ignore and .rgignore
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_dot: bool,
    /// Heed no rules of git
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_vcs: bool,
    /// Heed no .git/info/exclude
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_exclude: bool,
    /// Heed no global rules of git
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_global: bool,
    /// Heed no ignore files above the roots
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_parent: bool,
    /// Heed no --ignore-file
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_files: bool,
    /// Heed git's rules outside of repositories too
    #[arg(long, help_heading = "Files")]
    pub(super) no_require_git: bool,
    /// A file with rules
    #[arg(long, value_name = "FILE", action = ArgAction::Append, help_heading = "Files")]
    pub(super) ignore_file: Vec<PathBuf>,
    /// Globs in files with rules match whatever the case
    #[arg(long, help_heading = "Files")]
    pub(super) ignore_file_case_insensitive: bool,
    /// Say nothing of what is wrong in files with rules
    #[arg(long, help_heading = "Files")]
    pub(super) no_ignore_messages: bool,
    /// Once: --no-ignore; twice: and --hidden; three times: and --binary
    #[arg(short = 'u', long, action = ArgAction::Count, help_heading = "Files")]
    pub(super) unrestricted: u8,
    /// Binary files are text
    #[arg(short = 'a', long, overrides_with = "binary", help_heading = "Files")]
    pub(super) text: bool,
    /// Search binary files, without showing their lines
    #[arg(long, overrides_with = "text", help_heading = "Files")]
    pub(super) binary: bool,
    /// What files without a byte order mark are in, such as latin1 or utf-16le; `none` takes even the marks for text
    #[arg(short = 'E', long, value_name = "ENCODING", help_heading = "Files")]
    pub(super) encoding: Option<String>,
    /// Search what is in compressed files, such as .gz, .xz, .bz2 and .zst, by the machine's own programs
    #[arg(long, overrides_with = "pre", help_heading = "Files")]
    pub(super) search_zip: bool,
    /// Search what this program writes, given a file's path and the file as its standard input
    #[arg(
        long,
        value_name = "COMMAND",
        overrides_with = "search_zip",
        help_heading = "Files"
    )]
    pub(super) pre: Option<OsString>,
    /// Give --pre files that match, or with `!` don't
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true, action = ArgAction::Append, help_heading = "Files")]
    pub(super) pre_glob: Vec<String>,
    /// Follow symbolic links
    #[arg(long, help_heading = "Files")]
    pub(super) follow: bool,
    /// Stay in the file system of each path
    #[arg(long, help_heading = "Files")]
    pub(super) one_file_system: bool,
    /// How many directories deep
    #[arg(short = 'd', long, value_name = "DEPTH", help_heading = "Files")]
    pub(super) max_depth: Option<usize>,
    /// Search no larger files; K, M and G are units
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Files")]
    pub(super) max_filesize: Option<u64>,
    /// The order of files
    #[arg(
        long,
        value_name = "BY",
        value_enum,
        overrides_with = "sortr",
        help_heading = "Files"
    )]
    pub(super) sort: Option<By>,
    /// The order of files, reversed
    #[arg(
        long,
        value_name = "BY",
        value_enum,
        overrides_with = "sort",
        help_heading = "Files"
    )]
    pub(super) sortr: Option<By>,

    /// Threads; 0 for one a processor
    #[arg(
        short = 'j',
        long,
        value_name = "COUNT",
        default_value_t = 0,
        help_heading = "Other"
    )]
    pub(super) threads: usize,
    /// Write a manual page or completions
    #[arg(long, value_name = "WHAT", value_enum, help_heading = "Other")]
    pub(super) generate: Option<What>,
    /// Show help
    #[arg(long, action = ArgAction::Help, help_heading = "Other")]
    pub(super) help: Option<bool>,

    #[command(flatten)]
    pub(super) undo: Undo,
    #[command(flatten)]
    pub(super) refused: Refused,
}

/// A size such as `10M`.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (text.get(..at), 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 30),
        _ => (Some(text), 0),
    };
    let count: u64 = digits
        .unwrap_or_default()
        .parse()
        .map_err(|_| format!("`{text}` is no size, such as 100, 10K or 2M"))?;
    count
        .checked_mul(1 << unit)
        .ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        assert_eq!(size("10"), Ok(10));
        assert_eq!(size("10K"), Ok(10 << 10));
        assert_eq!(size("3M"), Ok(3 << 20));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert!(size("").is_err() && size("K").is_err() && size("x").is_err());
        assert!(size("99999999999999999G").is_err());
    }
}
