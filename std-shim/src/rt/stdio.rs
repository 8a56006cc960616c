//! The process's own input and output, through threads for [`blocking`](super::blocking) work: a console or a file knows no readiness that
//! all systems tell, and making them non-blocking would do so for every process that shares them.
//!
//! Each value keeps at most one call on a thread. A read that waits for a console occupies that thread until something comes.
#![forbid(unsafe_code)]

use super::blocking::{Blocking, blocking};
use super::io::{PollRead, PollWrite};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, Read as _, Write as _};

/// Bytes that one call on a thread moves at most.
const CALL_BYTES: usize = 16 << 10;

/// The process's input. Futures that read may be dropped: what their call brings is kept for the next. Dropping this value while a call
/// waits loses what that call brings.
#[derive(Debug, Default)]
pub struct Stdin {
    call: Option<Blocking<io::Result<Vec<u8>>>>,
    /// Bytes that came and were not taken, from `start` on.
    held: Vec<u8>,
    start: usize,
}

/// The process's input.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin::default()
}

impl PollRead for Stdin {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.start == self.held.len() {
            let call = self.call.get_or_insert_with(|| {
                blocking(|| {
                    let mut bytes = vec![0; CALL_BYTES];
                    let count = io::stdin().lock().read(&mut bytes)?;
                    bytes.truncate(count);
                    Ok(bytes)
                })
            });
            let came = ready!(Pin::new(call).poll(cx));
            self.call = None;
            (self.held, self.start) = (came?, 0);
        }
        let held = &self.held[self.start..];
        let count = held.len().min(buffer.len());
        buffer[..count].copy_from_slice(&held[..count]);
        self.start += count;
        Poll::Ready(Ok(count))
    }
}

/// The process's output or error output. A write is done when its bytes are on their way; an error of theirs comes with the next call.
/// [`poll_flush`](PollWrite::poll_flush) waits for them; what was not flushed goes out also when this value is dropped, but in no
/// order with what another one writes, and may be lost when the process ends.
#[derive(Debug)]
pub struct Stdout {
    call: Option<Blocking<io::Result<()>>>,
    is_error: bool,
}

/// The process's output.
#[must_use]
pub const fn stdout() -> Stdout {
    Stdout {
        call: None,
        is_error: false,
    }
}

/// The process's error output.
#[must_use]
pub const fn stderr() -> Stdout {
    Stdout {
        call: None,
        is_error: true,
    }
}

impl Stdout {
    /// Waits for the call before.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(Pin::new(call).poll(cx));
        self.call = None;
        Poll::Ready(result)
    }
}

impl Drop for Stdout {
    /// What was written goes out all the same.
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.detach();
        }
    }
}

impl PollWrite for Stdout {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_call(cx))?;
        let count = bytes.len().min(CALL_BYTES);
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        let (bytes, is_error) = (bytes[..count].to_vec(), self.is_error);
        self.call = Some(blocking(move || {
            if is_error {
                return io::stderr().lock().write_all(&bytes);
            }
            let mut output = io::stdout().lock();
            output.write_all(&bytes)?;
            output.flush()
        }));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_call(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::super::io::{BufReader, write_all};
    use super::*;
    use crate::rt;
    use core::future::poll_fn;
    use core::time::Duration;
    use std::process::{Command, Stdio};

    /// In a process of its own, whose input and output are its own.
    #[test]
    fn lines_of_the_input_go_to_the_output_though_reads_are_dropped() {
        if std::env::var_os("UNDERPIN_ALONE").is_some() {
            let copied = rt::block_on(async {
                let mut input = BufReader::new(stdin());
                let (mut output, mut errors) = (stdout(), stderr());
                loop {
                    let line =
                        match rt::timeout(Duration::from_millis(1), input.next_line(99)).await {
                            Ok(line) => line?,
                            Err(_) => continue,
                        };
                    let Some(line) = line else { break };
                    write_all(&mut output, format!("<{line}>\n").as_bytes()).await?;
                    write_all(&mut errors, b"!").await?;
                }
                poll_fn(|cx| errors.poll_flush(cx)).await?;
                poll_fn(|cx| output.poll_flush(cx)).await
            });
            copied.expect("a runtime").expect("copied");
            return;
        }
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--nocapture", "lines_of_the_input_go_to_the_output"])
            .env("UNDERPIN_ALONE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut input = child.stdin.take().expect("piped");
        for line in ["one\n", "two\nthree"] {
            std::thread::sleep(Duration::from_millis(5));
            input.write_all(line.as_bytes()).expect("written");
        }
        drop(input);
        let output = child.wait_with_output().expect("ended");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("<one>\n<two>\n<three>\n"), "{text}");
        assert!(output.stderr.ends_with(b"!!!"), "{output:?}");
        assert!(output.status.success());
    }
}
