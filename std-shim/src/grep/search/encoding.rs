//! What an input is in: what its byte order mark says, or else what the user names.

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use std::fmt;
use std::io::Read;

/// An encoding of text, such as `latin1`, `shift_jis` or `utf-16le`.
///
/// ```
/// use underpin::grep::Encoding;
/// assert_eq!(Encoding::for_label("latin1").unwrap().to_string(), "windows-1252");
/// assert!(Encoding::for_label("latin0").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// The encoding that browsers know by this name.
    #[must_use]
    pub fn for_label(label: &str) -> Option<Self> {
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }
}

/// Reads `input` as UTF-8: by the byte order mark at its start if marks are heeded, else as what `named` says, else as it is.
/// What is no text becomes U+FFFD where something is decoded.
///
/// The first read without a mark yields the three bytes in which it might have been: ripgrep's windows begin so, and what a
/// NUL hides depends on them.
pub(super) fn decoded<R: Read>(
    input: R,
    named: Option<Encoding>,
    heeds_marks: bool,
) -> DecodeReaderBytes<R, Vec<u8>> {
    DecodeReaderBytesBuilder::new()
        .encoding(named.map(|named| named.0))
        .utf8_passthru(true)
        .strip_bom(heeds_marks)
        .bom_override(true)
        .bom_sniffing(heeds_marks)
        .build(input)
}

/// Whether an input that begins so has a byte order mark.
pub(in super::super) fn has_mark(head: &[u8]) -> bool {
    head.starts_with(&[0xEF, 0xBB, 0xBF])
        || head.starts_with(&[0xFF, 0xFE])
        || head.starts_with(&[0xFE, 0xFF])
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}
