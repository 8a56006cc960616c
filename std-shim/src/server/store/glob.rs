//! Glob patterns of `KEYS`, `SCAN MATCH` and `CONFIG GET`: `*`, `?`, `[abc]`, `[^a-z]`, `\` before a byte.
//!
//! One pass with a single point to go back to, the last `*`: at most pattern times text steps, where the usual
//! recursion takes exponential time on `a*a*a*a*b`.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

/// Whether the whole of `text` matches `pattern`; letters compare without case if `fold_case`.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8], fold_case: bool) -> bool {
    let (mut rest, mut unread) = (pattern, text);
    // What to try next if this attempt fails: the pattern after the last `*`, and the text that it then starts at.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match rest {
            [b'*', after @ ..] => {
                if after.is_empty() {
                    return true;
                }
                retry = Some((after, unread));
                rest = after;
                continue;
            }
            [] if unread.is_empty() => return true,
            _ => {}
        }
        if let (false, Some((byte, after))) = (rest.is_empty(), unread.split_first())
            && let Some(next) = one(rest, *byte, fold_case)
        {
            rest = next;
            unread = after;
            continue;
        }
        match retry {
            Some((after_star, from)) if !from.is_empty() => {
                unread = from.get(1..).unwrap_or_default();
                rest = after_star;
                retry = Some((after_star, unread));
            }
            _ => return false,
        }
    }
}

/// Matches `byte` against the first item of `pattern`, which is not `*`; the rest of the pattern if it fits.
fn one(pattern: &[u8], byte: u8, fold_case: bool) -> Option<&[u8]> {
    let same = |wanted: u8| wanted == byte || (fold_case && wanted.eq_ignore_ascii_case(&byte));
    match pattern {
        [b'?', after @ ..] => Some(after),
        [b'[', after @ ..] => {
            let (found, after) = class(after, byte, fold_case);
            found.then_some(after)
        }
        [b'\\', wanted, after @ ..] | [wanted, after @ ..] => same(*wanted).then_some(after),
        [] => None,
    }
}

/// Reads a class up to its `]` or the end of the pattern: whether `byte` is in it, and what follows.
fn class(pattern: &[u8], byte: u8, fold_case: bool) -> (bool, &[u8]) {
    let fold = |byte: u8| {
        if fold_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    let (negated, mut rest) = match pattern {
        [b'^', after @ ..] => (true, after),
        _ => (false, pattern),
    };
    let byte = fold(byte);
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b']', after @ ..] => return (found != negated, after),
            [b'\\', escaped, after @ ..] => {
                found |= fold(*escaped) == byte;
                after
            }
            [low, b'-', high, after @ ..] => {
                let (low, high) = (fold(*low.min(high)), fold(*low.max(high)));
                found |= (low..=high).contains(&byte);
                after
            }
            [single, after @ ..] => {
                found |= fold(*single) == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("*b*", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[\\]]", "]", true),
            ("[abc", "c", true),
            ("**a", "ba", true),
            ("a\\", "a\\", true),
            ("[]a", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(matches(b"MAX[M-P]emory", b"maxmemory", true));
    }

    #[test]
    fn hostile_pattern_takes_no_exponential_time() {
        let pattern = "a*".repeat(1000) + "b";
        assert!(!matches(pattern.as_bytes(), &[b'a'; 2000], false));
    }
}
