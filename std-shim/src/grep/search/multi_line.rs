//! Matches that span lines: the whole input is the haystack.
//!
//! The lines that a match touches are handed over as one piece; matches on the same or on neighbouring lines are joined first.
//! Memory: the input.

use super::super::matcher::Matcher;
use super::core::Core;
use super::lines;
use super::{Binary, SearchOptions, Sink};
use std::io;
use std::ops::Range;

/// How much of a haystack is checked for NUL before the search.
pub(super) const BINARY_HEAD_BYTES: usize = 64 << 10;

/// Searches `haystack`.
pub(super) fn search<S: Sink>(
    matcher: &Matcher,
    options: &SearchOptions,
    binary: Binary,
    haystack: &[u8],
    sink: &mut S,
) -> io::Result<()> {
    let mut core = Core::new(matcher, options, binary, sink);
    let head = 0..haystack.len().min(BINARY_HEAD_BYTES);
    if !core.is_binary(haystack, &head) {
        let mut joined: Option<Range<usize>> = None;
        let mut goes_on = true;
        while goes_on && core.pos < haystack.len() {
            goes_on = if options.invert {
                inverted(&mut core, haystack)?
            } else {
                forward(&mut core, haystack, &mut joined)?
            };
        }
        if goes_on {
            if let Some(last) = joined {
                let _ = emit(&mut core, haystack, &last)?;
            }
            if options.passthru {
                core.context_around(haystack, haystack.len())?;
            } else {
                core.after_context(haystack, haystack.len())?;
            }
        }
    }
    let searched = match core.binary_at {
        Some(at) => at.min(core.pos as u64),
        None => core.pos as u64,
    };
    let binary_at = core.binary_at;
    sink.finish(searched, binary_at)
}

fn next<S: Sink>(core: &mut Core<'_, S>, haystack: &[u8]) -> Option<Range<usize>> {
    if core.limit_reached() {
        return None;
    }
    let from = core.pos;
    let found = core.matcher.find_at(haystack.get(from..)?, 0)?;
    core.count += 1;
    Some(found.start + from..found.end + from)
}

fn advance<S: Sink>(core: &mut Core<'_, S>, haystack: &[u8], over: &Range<usize>) {
    core.pos = over.end;
    if over.is_empty() && core.pos < haystack.len() {
        core.pos += 1;
    }
}

fn emit<S: Sink>(core: &mut Core<'_, S>, haystack: &[u8], run: &Range<usize>) -> io::Result<bool> {
    if !core.context_around(haystack, run.start)? || run.is_empty() {
        return Ok(false);
    }
    core.matched(haystack, run)
}

fn forward<S: Sink>(
    core: &mut Core<'_, S>,
    haystack: &[u8],
    joined: &mut Option<Range<usize>>,
) -> io::Result<bool> {
    let Some(found) = next(core, haystack) else {
        core.pos = haystack.len();
        return Ok(true);
    };
    advance(core, haystack, &found);
    // A match within the lines that are joined already needs no search for their ends: a line may have very many.
    if let Some(before) = &*joined
        && found.start >= before.start
        && found.end < before.end
    {
        return Ok(true);
    }
    let run = lines::around(haystack, core.options.line_terminator.byte(), found);
    match joined.take() {
        None => {
            *joined = Some(run);
            Ok(true)
        }
        Some(before) if before.end >= run.start => {
            *joined = Some(before.start..run.end);
            Ok(true)
        }
        Some(before) => {
            *joined = Some(run);
            emit(core, haystack, &before)
        }
    }
}

fn inverted<S: Sink>(core: &mut Core<'_, S>, haystack: &[u8]) -> io::Result<bool> {
    let run = match next(core, haystack) {
        None => {
            let run = core.pos..haystack.len();
            core.pos = run.end;
            run
        }
        Some(found) => {
            let touched = lines::around(haystack, core.options.line_terminator.byte(), found);
            let run = core.pos..touched.start;
            advance(core, haystack, &touched);
            run
        }
    };
    if run.is_empty() {
        return Ok(true);
    }
    if !core.context_around(haystack, run.start)? {
        return Ok(false);
    }
    let mut start = run.start;
    while start < run.end {
        let line = start..lines::end(haystack, core.options.line_terminator.byte(), start);
        start = line.end;
        if !core.matched(haystack, &line)? {
            return Ok(false);
        }
    }
    Ok(true)
}
