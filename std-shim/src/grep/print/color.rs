//! Colours, as ANSI sequences: magenta paths, green line numbers, bold red matches, unless the user has others.

use super::{Out, PrintOptions};
use std::fmt;
use termcolor::{Ansi, Color, ColorSpec, WriteColor as _};

pub(super) const RESET: &[u8] = b"\x1b[0m";

/// What a colour is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Path,
    Line,
    Column,
    Match,
}

/// The sequences that colours start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    path: Vec<u8>,
    line: Vec<u8>,
    column: Vec<u8>,
    /// `None` if a match looks like what is around it.
    matched: Option<Vec<u8>>,
    /// Of the rest of a line with a match.
    highlight: Option<Vec<u8>>,
}

/// Why what a user says of colours can't be followed.
#[derive(Clone, Debug)]
pub struct ColorError(String);

impl fmt::Display for ColorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ColorError {}

/// What holds without a word of the user.
const DEFAULTS: [&str; 4] = [
    "path:fg:magenta",
    "line:fg:green",
    "match:fg:red",
    "match:style:bold",
];

#[derive(Default)]
struct Specs {
    path: ColorSpec,
    line: ColorSpec,
    column: ColorSpec,
    matched: ColorSpec,
    highlight: ColorSpec,
}

impl Colors {
    /// The defaults, changed by `changes` one after the other: `path`, `line`, `column`, `match` or `highlight`, then `fg` or
    /// `bg` and a colour, `style` and a style, or `none`, with colons between.
    ///
    /// # Errors
    ///
    /// A change that is none.
    pub fn new<S: AsRef<str>>(changes: &[S]) -> Result<Self, ColorError> {
        let mut specs = Specs::default();
        let changes = changes.iter().map(AsRef::as_ref);
        for change in DEFAULTS.into_iter().chain(changes) {
            specs.apply(change)?;
        }
        let unless_plain = |spec: &ColorSpec| (!spec.is_none()).then(|| sequence(spec));
        Ok(Self {
            path: sequence(&specs.path),
            line: sequence(&specs.line),
            column: sequence(&specs.column),
            matched: unless_plain(&specs.matched),
            highlight: unless_plain(&specs.highlight),
        })
    }

    /// Whether a match looks like what is around it.
    pub(super) fn hides_matches(&self) -> bool {
        self.matched.is_none()
    }

    /// What the parts of a line with a match that don't match start with.
    pub(super) fn highlight(&self) -> Option<&[u8]> {
        self.highlight.as_deref()
    }

    /// What `role` starts with.
    pub(super) fn start(&self, role: Role) -> &[u8] {
        match role {
            Role::Path => &self.path,
            Role::Line => &self.line,
            Role::Column => &self.column,
            Role::Match => self.matched.as_deref().unwrap_or(RESET),
        }
    }
}

impl Specs {
    fn apply(&mut self, change: &str) -> Result<(), ColorError> {
        let parts: Vec<&str> = change.split(':').collect();
        let (role, what, value) = match *parts.as_slice() {
            [role, what] => (role, what, None),
            [role, what, value] => (role, what, Some(value)),
            _ => return Err(no_change(change)),
        };
        let spec = match role.to_lowercase().as_str() {
            "path" => &mut self.path,
            "line" => &mut self.line,
            "column" => &mut self.column,
            "match" => &mut self.matched,
            "highlight" => &mut self.highlight,
            _ => {
                return Err(ColorError(format!(
                    "`{role}` has no colour: path, line, column, match and highlight have"
                )));
            }
        };
        match (what.to_lowercase().as_str(), value) {
            ("none", _) => spec.clear(),
            ("fg", Some(value)) => {
                spec.set_fg(Some(color(value)?));
            }
            ("bg", Some(value)) => {
                spec.set_bg(Some(color(value)?));
            }
            ("style", Some(value)) => style(spec, value)?,
            _ => return Err(no_change(change)),
        }
        Ok(())
    }
}

fn no_change(change: &str) -> ColorError {
    ColorError(format!(
        "`{change}` is no colour: write `(path|line|column|match|highlight):(fg|bg|style):VALUE`, or `none` for the last two"
    ))
}

fn color(value: &str) -> Result<Color, ColorError> {
    value
        .parse()
        .map_err(|error: termcolor::ParseColorError| ColorError(error.to_string()))
}

fn style(spec: &mut ColorSpec, value: &str) -> Result<(), ColorError> {
    match value.to_lowercase().as_str() {
        "bold" => spec.set_bold(true),
        "nobold" => spec.set_bold(false),
        "intense" => spec.set_intense(true),
        "nointense" => spec.set_intense(false),
        "underline" => spec.set_underline(true),
        "nounderline" => spec.set_underline(false),
        "italic" => spec.set_italic(true),
        "noitalic" => spec.set_italic(false),
        _ => {
            return Err(ColorError(format!(
                "`{value}` is no style: bold, intense, underline and italic are, and each with `no` before it"
            )));
        }
    };
    Ok(())
}

fn sequence(spec: &ColorSpec) -> Vec<u8> {
    let mut ansi = Ansi::new(Vec::new());
    // Memory takes whatever is written.
    let _ = ansi.set_color(spec);
    ansi.into_inner()
}

/// Writes `bytes` in `role`'s colour.
#[inline]
pub(super) fn write(out: &mut Out<'_>, options: &PrintOptions, role: Role, bytes: &[u8]) {
    if let Some(colors) = &options.colors {
        out.decorate(colors.start(role));
        out.write(bytes);
        out.decorate(RESET);
    } else {
        out.write(bytes);
    }
}

/// Writes a path alone.
pub(in super::super) fn write_path(out: &mut Out<'_>, options: &PrintOptions, path: &[u8]) {
    write(out, options, Role::Path, path);
    out.write(if options.null { b"\0" } else { b"\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_followed_in_their_order() {
        let colors = Colors::new(&["match:none", "path:fg:0x10", "line:style:underline"]).unwrap();
        assert!(colors.hides_matches() && colors.highlight().is_none());
        assert_eq!(colors.start(Role::Path), b"\x1b[0m\x1b[38;5;16m");
        assert_eq!(colors.start(Role::Line), b"\x1b[0m\x1b[4m\x1b[32m");
        assert_eq!(colors.start(Role::Column), b"\x1b[0m");
        let none: [&str; 0] = [];
        assert_eq!(
            Colors::new(&none).unwrap().start(Role::Match),
            b"\x1b[0m\x1b[1m\x1b[31m"
        );
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for wrong in [
            "",
            "path",
            "path:fg",
            "path:fg:",
            "path:fg:purplish",
            "path:fg:1,2",
            "path:style:loud",
            "path:size:3",
            "column:fg:red:bg",
            "file:fg:red",
        ] {
            let said = Colors::new(&[wrong]).map(|_| ()).unwrap_err();
            assert!(!said.to_string().is_empty(), "{wrong}");
        }
    }
}
