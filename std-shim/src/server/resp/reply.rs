//! Replies in protocol 2 or 3: each method spells its value as the client's version wants it.
#![forbid(unsafe_code)]

/// The protocol's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What a connection starts with.
    Resp2,
    /// After `HELLO 3`: maps, nulls, doubles and verbatim text have types of their own.
    Resp3,
}

impl Protocol {
    /// Its number.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// Appends replies to a buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    /// The version to spell in.
    pub protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// A writer at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// Bytes in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the buffer is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status: text without line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error: `text` starts with its code, such as `ERR`. Line ends in it become spaces.
    pub fn error(&mut self, text: &[u8]) {
        self.out.push(b'-');
        self.out.extend(text.iter().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            byte => *byte,
        }));
        self.end();
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A truth value as `1` or `0`.
    pub fn flag(&mut self, value: bool) {
        self.integer(i64::from(value));
    }

    /// Bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.count(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.end();
    }

    /// An integer as bytes.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa(value, &mut [0; 20]));
    }

    /// Bytes, or null.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Text for people; verbatim in protocol 3.
    pub fn verbatim(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.count(b'=', text.len().saturating_add(4));
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.end();
            }
        }
    }

    /// Nothing, where there could be bytes.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// Nothing, where there could be an array.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array of `count` elements, which follow.
    pub fn array(&mut self, count: usize) {
        self.count(b'*', count);
    }

    /// The head of a map of `count` pairs, which follow; a flat array in protocol 2.
    pub fn map(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.count(b'*', count.saturating_mul(2)),
            Protocol::Resp3 => self.count(b'%', count),
        }
    }

    /// The head of a set of `count` elements, which follow; an array in protocol 2.
    pub fn set(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.count(b'*', count),
            Protocol::Resp3 => self.count(b'~', count),
        }
    }

    fn count(&mut self, kind: u8, count: usize) {
        self.header(kind, i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn header(&mut self, kind: u8, value: i64) {
        self.line(kind, itoa(value, &mut [0; 20]));
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.end();
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes `value` in decimal to the end of `buffer`.
pub(crate) fn itoa(value: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut digits = 0usize;
    for slot in buffer.iter_mut().rev() {
        let digit = u8::try_from(rest % 10).unwrap_or(0);
        *slot = b'0'.wrapping_add(digit);
        digits = digits.saturating_add(1);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut start = buffer.len().saturating_sub(digits);
    if value < 0 {
        start = start.saturating_sub(1);
        if let Some(slot) = buffer.get_mut(start) {
            *slot = b'-';
        }
    }
    buffer.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_by_version() {
        let spell = |protocol, write: fn(&mut Reply<'_>)| {
            let mut out = Vec::new();
            write(&mut Reply::new(&mut out, protocol));
            String::from_utf8(out).unwrap()
        };
        let both = |write| (spell(Protocol::Resp2, write), spell(Protocol::Resp3, write));
        let same = |text: &str| (text.to_string(), text.to_string());
        assert_eq!(both(|r| r.ok()), same("+OK\r\n"));
        assert_eq!(both(|r| r.error(b"ERR a\r\nb")), same("-ERR a  b\r\n"));
        assert_eq!(
            both(|r| r.integer(i64::MIN)),
            same(":-9223372036854775808\r\n")
        );
        assert_eq!(both(|r| r.bulk_integer(-7)), same("$2\r\n-7\r\n"));
        assert_eq!(both(|r| r.array(3)), same("*3\r\n"));
        assert_eq!(both(|r| r.null()), ("$-1\r\n".into(), "_\r\n".into()));
        assert_eq!(both(|r| r.null_array()), ("*-1\r\n".into(), "_\r\n".into()));
        assert_eq!(both(|r| r.map(2)), ("*4\r\n".into(), "%2\r\n".into()));
        assert_eq!(both(|r| r.set(2)), ("*2\r\n".into(), "~2\r\n".into()));
        assert_eq!(
            both(|r| r.verbatim("hi")),
            ("$2\r\nhi\r\n".into(), "=6\r\ntxt:hi\r\n".into())
        );
    }

    #[test]
    fn integers_print_as_the_standard_library_prints_them() {
        for value in [0, 1, -1, 9, 10, 99, 100, -100, i64::MAX, i64::MIN] {
            assert_eq!(itoa(value, &mut [0; 20]), value.to_string().as_bytes());
        }
    }
}
