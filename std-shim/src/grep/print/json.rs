//! Lines as JSON, one object a line: `begin`, `match` and `context`, `end` for each input with a match, `summary` at the end.
//!
//! Bytes that are UTF-8 are `{"text":".."}`, others `{"bytes":".."}` in base64.

use super::super::matcher::Matcher;
use super::super::search::{Binary, LineTerminator, Lines, Sink};
use super::replace::Replaced;
use super::{Out, PrintOptions, Stats, collect_matches};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Writes the lines of one input.
#[derive(Debug)]
pub(in super::super) struct Json<'p, 'o> {
    options: &'p PrintOptions,
    matcher: &'p Matcher,
    out: &'p mut Out<'o>,
    path: &'p [u8],
    terminator: LineTerminator,
    inverted: bool,
    started: Instant,
    matches: Vec<Range<usize>>,
    replaced: Replaced,
    begun: bool,
    pub(in super::super) count: u64,
    pub(in super::super) stats: Stats,
}

impl<'p, 'o> Json<'p, 'o> {
    pub(in super::super) fn new(
        options: &'p PrintOptions,
        matcher: &'p Matcher,
        out: &'p mut Out<'o>,
        path: &'p [u8],
        _: Binary,
        terminator: LineTerminator,
        inverted: bool,
    ) -> Self {
        out.begin();
        Self {
            options,
            matcher,
            out,
            path,
            terminator,
            inverted,
            started: Instant::now(),
            matches: Vec::new(),
            replaced: Replaced::default(),
            begun: false,
            count: 0,
            stats: Stats::default(),
        }
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.out.write(br#"{"type":"begin","data":{"path":"#);
            data(self.out, self.path);
            self.out.write(b"}}\n");
        }
    }

    fn record(&mut self, buffer: &[u8], range: &Range<usize>) {
        collect_matches(
            buffer,
            range,
            self.matcher,
            self.terminator,
            &mut self.matches,
        );
        if self
            .matches
            .last()
            .is_some_and(|last| last.is_empty() && range.start + last.start >= buffer.len())
        {
            self.matches.pop();
        }
        if let Some(replacement) = &self.options.replacement {
            self.replaced
                .fill(buffer, range, self.matcher, self.terminator, replacement);
        }
    }

    fn object(&mut self, kind: &[u8], lines: &Lines<'_>) {
        let out = &mut *self.out;
        out.write(br#"{"type":""#);
        out.write(kind);
        out.write(br#"","data":{"path":"#);
        data(out, self.path);
        out.write(br#","lines":"#);
        data(out, lines.bytes());
        out.write(br#","line_number":"#);
        match lines.number {
            Some(number) => out.write_decimal(number),
            None => out.write(b"null"),
        }
        out.write(br#","absolute_offset":"#);
        out.write_decimal(lines.offset);
        out.write(br#","submatches":["#);
        for (index, found) in self.matches.iter().enumerate() {
            out.write(if index == 0 {
                br#"{"match":"#
            } else {
                br#",{"match":"#
            });
            data(out, lines.bytes().get(found.clone()).unwrap_or_default());
            if let Some(range) = self.replaced.matches.get(index) {
                out.write(br#","replacement":"#);
                data(
                    out,
                    self.replaced.bytes.get(range.clone()).unwrap_or_default(),
                );
            }
            out.write(br#","start":"#);
            out.write_decimal(found.start as u64);
            out.write(br#","end":"#);
            out.write_decimal(found.end as u64);
            out.write(b"}");
        }
        out.write(b"]}}\n");
    }
}

impl Sink for Json<'_, '_> {
    fn matched(&mut self, lines: &Lines<'_>) -> io::Result<bool> {
        self.count += 1;
        self.begin();
        self.record(lines.buffer, &lines.range);
        self.stats.matches += self.matches.len() as u64;
        let bytes = lines.bytes();
        let mut start = 0;
        while start < bytes.len() {
            start = super::lines::end(bytes, self.terminator.byte(), start);
            self.stats.matched_lines += 1;
        }
        self.object(b"match", lines);
        self.out.settle(self.options.line_buffered)?;
        Ok(true)
    }

    fn context(&mut self, lines: &Lines<'_>) -> io::Result<bool> {
        self.begin();
        self.matches.clear();
        self.replaced.clear();
        if self.inverted {
            let bytes = lines.bytes();
            self.record(bytes, &(0..bytes.len()));
        }
        self.object(b"context", lines);
        self.out.settle(self.options.line_buffered)?;
        Ok(true)
    }

    fn gap(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn binary(&mut self, _: u64) {}

    fn finish(&mut self, bytes_searched: u64, binary: Option<u64>) -> io::Result<()> {
        let printed = self.out.written();
        self.stats.finish(
            self.started.elapsed(),
            self.count > 0,
            bytes_searched,
            printed,
        );
        if !self.begun {
            return Ok(());
        }
        let out = &mut *self.out;
        out.write(br#"{"type":"end","data":{"path":"#);
        data(out, self.path);
        out.write(br#","binary_offset":"#);
        match binary {
            Some(offset) => out.write_decimal(offset),
            None => out.write(b"null"),
        }
        let stats = &self.stats;
        let text = format!(
            ",\"stats\":{{\"elapsed\":{},\"searches\":{},\"searches_with_match\":{},\"bytes_searched\":{},\
             \"bytes_printed\":{},\"matched_lines\":{},\"matches\":{}}}}}}}\n",
            duration(stats.elapsed),
            stats.searches,
            stats.searches_with_match,
            stats.bytes_searched,
            stats.bytes_printed,
            stats.matched_lines,
            stats.matches,
        );
        out.write(text.as_bytes());
        self.out.settle(self.options.line_buffered)
    }
}

fn duration(time: Duration) -> String {
    format!(
        "{{\"secs\":{},\"nanos\":{},\"human\":\"{:0.6}s\"}}",
        time.as_secs(),
        time.subsec_nanos(),
        time.as_secs_f64()
    )
}

fn sorted_duration(time: Duration) -> String {
    format!(
        "{{\"human\":\"{:0.6}s\",\"nanos\":{},\"secs\":{}}}",
        time.as_secs_f64(),
        time.subsec_nanos(),
        time.as_secs()
    )
}

/// The last line of a run.
pub(in super::super) fn write_summary(out: &mut Out<'_>, stats: &Stats, total: Duration) {
    let text = format!(
        "{{\"data\":{{\"elapsed_total\":{},\"stats\":{{\"bytes_printed\":{},\"bytes_searched\":{},\"elapsed\":{},\
         \"matched_lines\":{},\"matches\":{},\"searches\":{},\"searches_with_match\":{}}}}},\"type\":\"summary\"}}\n",
        sorted_duration(total),
        stats.bytes_printed,
        stats.bytes_searched,
        sorted_duration(stats.elapsed),
        stats.matched_lines,
        stats.matches,
        stats.searches,
        stats.searches_with_match,
    );
    out.write(text.as_bytes());
}

/// Writes bytes as an object.
fn data(out: &mut Out<'_>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            out.write(br#"{"text":""#);
            escaped(out, text);
            out.write(br#""}"#);
        }
        Err(_) => {
            out.write(br#"{"bytes":""#);
            base64(out, bytes);
            out.write(br#""}"#);
        }
    }
}

fn escaped(out: &mut Out<'_>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0C => b"\\f",
            0..0x20 => b"",
            _ => continue,
        };
        out.write(bytes.get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        if short.is_empty() {
            out.write(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.write(short);
        }
    }
    out.write(bytes.get(plain_from..).unwrap_or_default());
}

fn base64(out: &mut Out<'_>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let mut digits = [b'='; 4];
        for (at, digit) in digits.iter_mut().enumerate().take(group.len() + 1) {
            let index = (bits >> (18 - 6 * at)) & 63;
            *digit = DIGITS.get(index as usize).copied().unwrap_or(b'=');
        }
        out.write(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut out = Out::new(Vec::new(), None);
        data(&mut out, bytes);
        String::from_utf8(out.buffer).unwrap()
    }

    #[test]
    fn bytes_as_objects() {
        assert_eq!(
            shown(b"a\"\\\n\x01\x7f"),
            "{\"text\":\"a\\\"\\\\\\n\\u0001\u{7f}\"}"
        );
        assert_eq!(shown(b"\xff"), r#"{"bytes":"/w=="}"#);
        assert_eq!(shown(b"\xffoo"), r#"{"bytes":"/29v"}"#);
        assert_eq!(shown(b"\xffooba"), r#"{"bytes":"/29vYmE="}"#);
    }
}
