//! Splits an inline request, a line as typed into `telnet`, into arguments.
//!
//! Words are separated by white space. `"..."` understands `\n \r \t \b \a \xHH` and `\` before any other byte;
//! `'...'` understands `\'` alone. A closing quote must be followed by white space or the end.
#![forbid(unsafe_code)]

use super::parser::Arg;

/// Where the reader is in a word.
enum Quote {
    None,
    Single,
    Double,
}

/// Splits `line` into `args`, whose bytes go one after another to `bytes`. `None`: the quotes do not balance.
pub(super) fn split(line: &[u8], bytes: &mut Vec<u8>, args: &mut Vec<Arg>) -> Option<()> {
    bytes.clear();
    args.clear();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start_c();
        if rest.is_empty() {
            return Some(());
        }
        let start = bytes.len();
        rest = word(rest, bytes)?;
        args.push(Arg {
            start,
            bytes: bytes.len().saturating_sub(start),
        });
    }
}

/// Reads one word into `bytes` and returns what follows it.
fn word<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut quote = Quote::None;
    loop {
        match (&quote, rest) {
            (Quote::None, [] | [0, ..]) => return Some(&[]),
            (Quote::Single | Quote::Double, []) => return None,
            (Quote::None, [byte, after @ ..]) => {
                match byte {
                    b'"' => quote = Quote::Double,
                    b'\'' => quote = Quote::Single,
                    byte if is_space(*byte) => return Some(after),
                    byte => bytes.push(*byte),
                }
                rest = after;
            }
            (Quote::Double, [b'\\', b'x', high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                bytes.push(hex(*high).wrapping_shl(4) | hex(*low));
                rest = after;
            }
            (Quote::Double, [b'\\', escaped, after @ ..]) => {
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = after;
            }
            (Quote::Single, [b'\\', b'\'', after @ ..]) => {
                bytes.push(b'\'');
                rest = after;
            }
            (Quote::Double, [b'"', after @ ..]) | (Quote::Single, [b'\'', after @ ..]) => {
                return match after {
                    [] => Some(after),
                    [next, ..] if is_space(*next) => Some(after),
                    _ => None,
                };
            }
            (_, [byte, after @ ..]) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
}

/// C's `isspace`, which has the vertical tab that Rust's ASCII white space lacks.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn hex(digit: u8) -> u8 {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .unwrap_or(0)
}

trait TrimStart {
    fn trim_ascii_start_c(&self) -> &Self;
}

impl TrimStart for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let mut rest = self;
        while let [first, after @ ..] = rest
            && is_space(*first)
        {
            rest = after;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let (mut bytes, mut args) = (Vec::new(), Vec::new());
        split(line.as_bytes(), &mut bytes, &mut args)?;
        Some(
            args.iter()
                .map(|arg| {
                    String::from_utf8_lossy(bytes.get(arg.start..arg.start + arg.bytes).unwrap())
                        .into_owned()
                })
                .collect(),
        )
    }

    #[test]
    fn words_quotes_and_escapes() {
        for (line, expected) in [
            ("", Some(vec![])),
            ("  PING  ", Some(vec!["PING"])),
            ("SET a \"b c\"", Some(vec!["SET", "a", "b c"])),
            (r#"SET a "\x41\n\"\q""#, Some(vec!["SET", "a", "A\n\"q"])),
            (r"SET a 'it\'s \x41'", Some(vec!["SET", "a", r"it's \x41"])),
            ("SET a \"\"", Some(vec!["SET", "a", ""])),
            ("SET a \"open", None),
            ("SET a 'open", None),
            ("SET a \"b\"c", None),
            ("SET a 'b'c", None),
            ("a\tb\x0bc", Some(vec!["a", "b", "c"])),
        ] {
            let expected =
                expected.map(|words: Vec<&str>| words.iter().map(ToString::to_string).collect());
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
