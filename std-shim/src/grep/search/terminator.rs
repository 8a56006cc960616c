//! What ends a line.
#![forbid(unsafe_code)]

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineTerminator {
    /// A line feed.
    #[default]
    Lf,
    /// A line feed, to which a carriage return before it belongs.
    Crlf,
    /// A NUL.
    Nul,
}

impl LineTerminator {
    /// The byte that ends lines.
    #[inline]
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Lf | Self::Crlf => b'\n',
            Self::Nul => 0,
        }
    }

    /// What is written at the end of a line.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::Nul => b"\0",
        }
    }

    /// What of `line` is matched where lines are matched one by one: a line feed without a carriage return stays.
    #[inline]
    pub(in super::super) fn matched(self, line: &[u8]) -> &[u8] {
        line.strip_suffix(self.bytes()).unwrap_or(line)
    }

    /// `line` without its end.
    #[inline]
    pub(in super::super) fn bare(self, line: &[u8]) -> &[u8] {
        let Some(bare) = line.strip_suffix(&[self.byte()]) else {
            return line;
        };
        match self {
            Self::Crlf => bare.strip_suffix(b"\r").unwrap_or(bare),
            Self::Lf | Self::Nul => bare,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LineTerminator::{Crlf, Lf, Nul};

    #[test]
    fn the_end_of_a_line() {
        for (terminator, line, matched, bare) in [
            (Lf, "a\r\n", "a\r", "a\r"),
            (Lf, "a", "a", "a"),
            (Crlf, "a\r\n", "a", "a"),
            (Crlf, "a\n", "a\n", "a"),
            (Crlf, "a\r", "a\r", "a\r"),
            (Crlf, "\r\n", "", ""),
            (Nul, "a\n\0", "a\n", "a\n"),
        ] {
            let both = (
                terminator.matched(line.as_bytes()),
                terminator.bare(line.as_bytes()),
            );
            assert_eq!(both, (matched.as_bytes(), bare.as_bytes()), "{line:?}");
        }
    }
}
