//! ANSI sequences: magenta paths, green line numbers, bold red matches, plain columns.

use super::{Out, PrintOptions};

const RESET: &[u8] = b"\x1b[0m";

/// What a colour is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Path,
    Line,
    Column,
    Match,
}

/// Starts `role`'s colour.
pub(super) fn start(out: &mut Out<'_>, role: Role) {
    out.decorate(match role {
        Role::Path => b"\x1b[0m\x1b[35m",
        Role::Line => b"\x1b[0m\x1b[32m",
        Role::Column => RESET,
        Role::Match => b"\x1b[0m\x1b[1m\x1b[31m",
    });
}

/// Ends it.
pub(super) fn end(out: &mut Out<'_>) {
    out.decorate(RESET);
}

/// Writes `bytes` in `role`'s colour.
#[inline]
pub(super) fn write(out: &mut Out<'_>, color: bool, role: Role, bytes: &[u8]) {
    if color {
        start(out, role);
        out.write(bytes);
        end(out);
    } else {
        out.write(bytes);
    }
}

/// Writes a path alone.
pub(in super::super) fn write_path(out: &mut Out<'_>, options: &PrintOptions, path: &[u8]) {
    write(out, options.color, Role::Path, path);
    out.write(if options.null { b"\0" } else { b"\n" });
}
