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
    engine: Option<String>,
    #[arg(long, hide = true)]
    hyperlink_format: Option<OsString>,
    #[arg(long, hide = true)]
    hostname_bin: Option<OsString>,
    #[arg(long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    trace: bool,
}

impl Refused {
    /// What was asked for, and why it can't be had.
    pub(super) fn why(&self) -> Option<&'static str> {
        // With "auto", patterns that need another engine are errors.
        let other_engine = !matches!(self.engine.as_deref(), None | Some("default" | "auto"));
        let any_links = self
            .hyperlink_format
            .as_ref()
            .is_some_and(|format| !format.is_empty() && format != "none");
        [
            (
                self.pcre2 || self.pcre2_version || other_engine,
                "there is no PCRE2 here, so no look-around and no back references: \
                 -P, --pcre2-version, --engine",
            ),
            (
                any_links || self.hostname_bin.is_some(),
                "there are no links in the output: --hyperlink-format, --hostname-bin",
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
