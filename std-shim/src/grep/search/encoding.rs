//! The encoding that the user names, where no byte order mark says another.

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

    /// Reads `input`, which is in this encoding unless it begins with the mark of another, as UTF-8. What is no text in
    /// it becomes U+FFFD; what is said to be UTF-8 stays as it is.
    pub(super) fn decoded<R: Read>(self, input: R) -> DecodeReaderBytes<R, Vec<u8>> {
        DecodeReaderBytesBuilder::new()
            .encoding(Some(self.0))
            .utf8_passthru(true)
            .strip_bom(true)
            .bom_override(true)
            .bom_sniffing(true)
            .build(input)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}
