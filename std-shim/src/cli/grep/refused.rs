//! Flags of ripgrep that are known and not there: the error says so, and what to do instead.

use clap::Args;
use std::ffi::OsString;

/// See the module.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(in super::super) struct Refused {
    #[arg(short = 'P', long, hide = true)]
    pcre2: bool,
    #[arg(long, hide = true)]
    pcre2_version: bool,
    #[arg(long, hide = true)]
    auto_hybrid_regex: bool,
    #[arg(long, hide = true)]
    engine: Option<String>,
    #[arg(long, hide = true)]
    crlf: bool,
    #[arg(long, hide = true)]
    pre: Option<OsString>,
    #[arg(long, hide = true)]
    pre_glob: Vec<OsString>,
    #[arg(long, hide = true)]
    colors: Vec<OsString>,
    #[arg(long, hide = true)]
    hyperlink_format: Option<OsString>,
    #[arg(long, hide = true)]
    hostname_bin: Option<OsString>,
    #[arg(long, hide = true)]
    path_separator: Option<OsString>,
    #[arg(long, hide = true)]
    max_columns_preview: bool,
    #[arg(long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    trace: bool,
}

impl Refused {
    /// What was asked for, and why it can't be had.
    pub(super) fn why(&self) -> Option<&'static str> {
        let other_engine = !matches!(self.engine.as_deref(), None | Some("default"));
        [
            (
                self.pcre2 || self.pcre2_version || self.auto_hybrid_regex || other_engine,
                "there is no PCRE2 here, so no look-around and no back references: \
                 -P, --pcre2-version, --auto-hybrid-regex, --engine",
            ),
            (
                self.crlf,
                "lines end with a line feed here: write `\\r?$` instead of --crlf",
            ),
            (
                self.pre.is_some() || !self.pre_glob.is_empty(),
                "no other program prepares files here: --pre, --pre-glob; \
                 for compressed ones there is --search-zip",
            ),
            (!self.colors.is_empty(), "the colours are fixed: --colors"),
            (
                self.hyperlink_format.is_some() || self.hostname_bin.is_some(),
                "there are no links in the output: --hyperlink-format, --hostname-bin",
            ),
            (
                self.path_separator.is_some(),
                "paths are shown as the system has them: --path-separator",
            ),
            (
                self.max_columns_preview,
                "long lines are left out as a whole: --max-columns-preview",
            ),
            (
                self.debug || self.trace,
                "there is no log: --debug, --trace",
            ),
        ]
        .into_iter()
        .find_map(|(asked, why)| asked.then_some(why))
    }
}
