//! Saying things on standard output without minding a reader who has gone: `xtask .. | head` is no failure.

/// As `println!`, but an error is ignored.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

pub(crate) use say;
