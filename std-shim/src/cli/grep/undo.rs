//! Flags that take others back, and those that ask for what is so anyway: no help shows them, scripts use them.
//!
//! The later of two counts: the earlier is dropped by the parser, and nobody asks these.

use clap::Args;

/// See the module.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(in super::super) struct Undo {
    #[arg(long, hide = true, overrides_with = "fixed_strings")]
    no_fixed_strings: bool,
    #[arg(long, hide = true, overrides_with = "invert_match")]
    no_invert_match: bool,
    #[arg(long, hide = true, overrides_with = "multiline")]
    no_multiline: bool,
    #[arg(long, hide = true, overrides_with = "multiline_dotall")]
    no_multiline_dotall: bool,
    #[arg(long, hide = true, overrides_with = "no_unicode")]
    unicode: bool,
    #[arg(long, hide = true, overrides_with = "json")]
    no_json: bool,
    #[arg(long, hide = true, overrides_with = "include_zero")]
    no_include_zero: bool,
    #[arg(long, hide = true, overrides_with = "byte_offset")]
    no_byte_offset: bool,
    #[arg(long, hide = true, overrides_with = "trim")]
    no_trim: bool,
    #[arg(long, hide = true, overrides_with = "stats")]
    no_stats: bool,
    #[arg(long, hide = true, overrides_with = "no_messages")]
    messages: bool,
    #[arg(long, hide = true, overrides_with = "glob_case_insensitive")]
    no_glob_case_insensitive: bool,
    #[arg(long, hide = true, overrides_with = "hidden")]
    no_hidden: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore")]
    ignore: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_dot")]
    ignore_dot: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_vcs")]
    ignore_vcs: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_exclude")]
    ignore_exclude: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_global")]
    ignore_global: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_parent")]
    ignore_parent: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_files")]
    ignore_files: bool,
    #[arg(long, hide = true, overrides_with = "no_require_git")]
    require_git: bool,
    #[arg(long, hide = true, overrides_with = "ignore_file_case_insensitive")]
    no_ignore_file_case_insensitive: bool,
    #[arg(long, hide = true, overrides_with = "no_ignore_messages")]
    ignore_messages: bool,
    #[arg(long, hide = true, overrides_with = "text")]
    no_text: bool,
    #[arg(long, hide = true, overrides_with = "binary")]
    no_binary: bool,
    #[arg(long, hide = true, overrides_with = "encoding")]
    no_encoding: bool,
    #[arg(long, hide = true, overrides_with = "search_zip")]
    no_search_zip: bool,
    #[arg(long, hide = true, overrides_with = "follow")]
    no_follow: bool,
    #[arg(long, hide = true, overrides_with = "one_file_system")]
    no_one_file_system: bool,
    #[arg(long, hide = true, overrides_with = "line_buffered")]
    no_line_buffered: bool,
    #[arg(long, hide = true, overrides_with = "block_buffered")]
    no_block_buffered: bool,
    #[arg(long, hide = true, overrides_with = "sort")]
    no_sort_files: bool,

    #[arg(long, hide = true, overrides_with = "crlf")]
    no_crlf: bool,
    #[arg(long, hide = true, overrides_with = "pre")]
    no_pre: bool,
    #[arg(long, hide = true, overrides_with = "max_columns_preview")]
    no_max_columns_preview: bool,

    /// Read no file of flags
    #[arg(long, help_heading = "Other")]
    pub(super) no_config: bool,

    // Files are always read, never mapped, and in the order of paths; the rest is about what is refused.
    #[arg(long, hide = true)]
    mmap: bool,
    #[arg(long, hide = true)]
    no_mmap: bool,
    #[arg(long, hide = true)]
    sort_files: bool,
    #[arg(long, hide = true)]
    no_pcre2: bool,
    #[arg(long, hide = true)]
    no_pcre2_unicode: bool,
    #[arg(long, hide = true)]
    pcre2_unicode: bool,
    #[arg(long, hide = true)]
    no_auto_hybrid_regex: bool,
    #[arg(long, hide = true)]
    auto_hybrid_regex: bool,
}
