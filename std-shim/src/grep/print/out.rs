//! What a search has written, on its way to the stream.
//!
//! It is kept in memory until it is large; then it goes on, which may mean to wait for a turn. `written` counts what the
//! search wrote, without colours.

use std::fmt;
use std::io;

/// Takes what was written.
pub(in super::super) type Drain<'t> = &'t mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>;

const LARGE_BYTES: usize = 64 << 10;

/// A buffer with a way out.
pub(in super::super) struct Out<'t> {
    pub(in super::super) buffer: Vec<u8>,
    written: u64,
    drain: Option<Drain<'t>>,
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<'t> Out<'t> {
    pub(in super::super) fn new(buffer: Vec<u8>, drain: Option<Drain<'t>>) -> Self {
        Self {
            buffer,
            written: 0,
            drain,
        }
    }

    /// A new search begins.
    pub(in super::super) fn begin(&mut self) {
        self.written = 0;
    }

    /// How much this search wrote.
    pub(in super::super) fn written(&self) -> u64 {
        self.written
    }

    #[inline]
    pub(in super::super) fn write(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
    }

    /// Writes what doesn't count.
    pub(super) fn decorate(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn write_decimal(&mut self, number: u64) {
        let mut digits = [0; 20];
        let text = decimal(number, &mut digits);
        self.write(text);
    }

    /// Passes a large buffer on, or any at all if that is wanted.
    #[inline]
    pub(super) fn settle(&mut self, any: bool) -> io::Result<()> {
        if self.buffer.len() >= LARGE_BYTES || (any && !self.buffer.is_empty()) {
            self.pass_on()
        } else {
            Ok(())
        }
    }

    #[cold]
    fn pass_on(&mut self) -> io::Result<()> {
        match &mut self.drain {
            Some(drain) => drain(&mut self.buffer),
            None => Ok(()),
        }
    }
}

/// `number` in decimal digits.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        at = index;
        if number == 0 {
            break;
        }
    }
    digits.get(at..).unwrap_or_default()
}
