//! Byte order marks: UTF-8's is cut off, UTF-16 becomes UTF-8.
//!
//! A lone surrogate and a cut-off last unit become U+FFFD. Memory: one block.
#![forbid(unsafe_code)]

use std::io::{self, Read};

/// What the first bytes of an input say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Utf8,
    Utf16Little,
    Utf16Big,
}

impl Mark {
    /// The mark at the start of `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xEF, 0xBB, 0xBF, ..] => Some(Self::Utf8),
            [0xFF, 0xFE, ..] => Some(Self::Utf16Little),
            [0xFE, 0xFF, ..] => Some(Self::Utf16Big),
            _ => None,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(self) -> usize {
        if self == Self::Utf8 { 3 } else { 2 }
    }
}

/// UTF-16 without its mark, read as UTF-8.
pub(super) struct Utf16<R> {
    input: R,
    big: bool,
    raw: Vec<u8>,
    odd: Option<u8>,
    high: Option<u16>,
    text: Vec<u8>,
    read: usize,
    ended: bool,
}

const BLOCK_BYTES: usize = 8 << 10;

impl<R: Read> Utf16<R> {
    pub(super) fn new(input: R, big: bool) -> Self {
        Self {
            input,
            big,
            raw: vec![0; BLOCK_BYTES],
            odd: None,
            high: None,
            text: Vec::with_capacity(BLOCK_BYTES * 2),
            read: 0,
            ended: false,
        }
    }

    fn push(&mut self, c: char) {
        let mut utf8 = [0; 4];
        self.text
            .extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
    }

    fn unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if (0xDC00..0xE000).contains(&unit) {
                let c = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                self.push(char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER));
                return;
            }
            self.push(char::REPLACEMENT_CHARACTER);
        }
        match unit {
            0xD800..0xDC00 => self.high = Some(unit),
            _ => self.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.text.clear();
        self.read = 0;
        let mut raw = std::mem::take(&mut self.raw);
        let count = self.input.read(&mut raw);
        let result = count.map(|count| {
            if count == 0 {
                self.ended = true;
                if self.high.take().is_some() || self.odd.take().is_some() {
                    self.push(char::REPLACEMENT_CHARACTER);
                }
            }
            for byte in raw.iter().take(count) {
                match self.odd.take() {
                    None => self.odd = Some(*byte),
                    Some(first) if self.big => self.unit(u16::from(first) << 8 | u16::from(*byte)),
                    Some(first) => self.unit(u16::from(*byte) << 8 | u16::from(first)),
                }
            }
        });
        self.raw = raw;
        result
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < out.len() {
            if self.read == self.text.len() {
                if self.ended {
                    break;
                }
                match self.refill() {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => result?,
                }
                continue;
            }
            let have = self.text.get(self.read..).unwrap_or_default();
            let room = out.get_mut(done..).unwrap_or_default();
            let count = have.len().min(room.len());
            if let (Some(room), Some(have)) = (room.get_mut(..count), have.get(..count)) {
                room.copy_from_slice(have);
            }
            self.read += count;
            done += count;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(units: &[u16], big: bool, tail: &[u8]) -> String {
        let mut raw: Vec<u8> = units
            .iter()
            .flat_map(|unit| {
                let (high, low) = ((unit >> 8) as u8, (unit & 0xFF) as u8);
                if big { [high, low] } else { [low, high] }
            })
            .collect();
        raw.extend(tail);
        let mut text = String::new();
        Utf16::new(raw.as_slice(), big)
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn utf16_becomes_utf8() {
        let text = "aä€\u{1F600}\n".repeat(5000);
        let units: Vec<u16> = text.encode_utf16().collect();
        assert_eq!(decoded(&units, false, &[]), text);
        assert_eq!(decoded(&units, true, &[]), text);
        assert_eq!(decoded(&[0xD800, 0x61], true, &[]), "\u{FFFD}a");
        assert_eq!(decoded(&[0xDC00, 0x61], true, &[]), "\u{FFFD}a");
        assert_eq!(decoded(&[0x61, 0xD800], true, &[]), "a\u{FFFD}");
        assert_eq!(decoded(&[0x61], true, &[0x62]), "a\u{FFFD}");
    }
}
