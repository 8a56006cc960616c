//! The process's own input and output, through threads for [`blocking`](super::blocking) work: a console or a file knows no readiness that
//! all systems tell, and making them non-blocking would do so for every process that shares them.
//!
//! Each output keeps at most one call on a thread, and all of the input's readers together one: a read that waits for a console occupies that
//! thread until something comes.
#![forbid(unsafe_code)]

use super::blocking::{Blocking, blocking};
use super::io::{PollRead, PollWrite};
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::io::{self, Read as _, Write as _};
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// Bytes that one call on a thread moves at most.
const CALL_BYTES: usize = 16 << 10;

/// The process's input. All values of this type share one call on a thread and what it brings, so dropping futures that read, or values,
/// loses nothing: it is for the next. Who reads at the same time as another gets what the other does not.
#[derive(Debug)]
pub struct Stdin {
    number: u64,
}

/// What all values share.
#[derive(Debug)]
struct Input {
    call: Option<Blocking<io::Result<Vec<u8>>>>,
    /// Bytes that came and were not taken, from `start` on.
    held: Vec<u8>,
    start: usize,
    /// Who waits, by the value's number.
    waiting: Vec<(u64, Waker)>,
    next: u64,
}

static INPUT: Mutex<Input> = Mutex::new(Input {
    call: None,
    held: Vec::new(),
    start: 0,
    waiting: Vec::new(),
    next: 0,
});

fn input() -> MutexGuard<'static, Input> {
    INPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake_all(waiting: Vec<(u64, Waker)>) {
    for (_, waker) in waiting {
        // One that panics must not cost the others theirs. A payload's drop could panic again.
        core::mem::forget(catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
}

/// Wakes all who wait for the input: the call knows one waker only.
struct WakeAll;

impl Wake for WakeAll {
    fn wake(self: Arc<Self>) {
        let waiting = core::mem::take(&mut input().waiting);
        wake_all(waiting);
    }
}

/// The process's input.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin::default()
}

impl Default for Stdin {
    fn default() -> Self {
        let mut input = input();
        input.next += 1;
        Self { number: input.next }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        let mut input = input();
        let mine = input.waiting.iter();
        let mine = mine.take_while(|(number, _)| *number != self.number);
        let index = mine.count();
        let gone = (index < input.waiting.len()).then(|| input.waiting.swap_remove(index));
        drop(input);
        drop(gone);
    }
}

impl Stdin {
    /// Remembers whom to wake for this value; gives back whom it was to wake.
    fn wait(&self, input: &mut Input, waker: Waker) -> Option<Waker> {
        let mine = input
            .waiting
            .iter_mut()
            .find(|(number, _)| *number == self.number);
        if let Some((_, old)) = mine {
            return Some(core::mem::replace(old, waker));
        }
        input.waiting.push((self.number, waker));
        None
    }
}

impl PollRead for Stdin {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Before the lock: wakers are foreign code.
        let waker = cx.waker().clone();
        let mut input = input();
        let came = if input.start == input.held.len() {
            input.held.clear();
            input.start = 0;
            let call = input.call.get_or_insert_with(|| {
                blocking(|| {
                    let mut bytes = vec![0; CALL_BYTES];
                    let count = io::stdin().lock().read(&mut bytes)?;
                    bytes.truncate(count);
                    Ok(bytes)
                })
            });
            let all = Waker::from(Arc::new(WakeAll));
            let Poll::Ready(came) = Pin::new(call).poll(&mut Context::from_waker(&all)) else {
                let old = self.wait(&mut input, waker);
                drop(input);
                drop(old);
                return Poll::Pending;
            };
            input.call = None;
            came.map(|bytes| input.held = bytes)
        } else {
            Ok(())
        };
        let result = came.map(|()| {
            let held = &input.held[input.start..];
            let count = held.len().min(buffer.len());
            buffer[..count].copy_from_slice(&held[..count]);
            input.start += count;
            count
        });
        let others = core::mem::take(&mut input.waiting);
        drop(input);
        // What is left, or the next call, is theirs.
        wake_all(others);
        Poll::Ready(result)
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
    use std::io::BufRead as _;
    use std::process::{Command, Stdio};

    /// In a process of its own, whose input and output are its own.
    #[test]
    fn lines_of_the_input_go_to_the_output_though_reads_are_dropped() {
        if std::env::var_os("UNDERPIN_ALONE").is_some() {
            let copied = rt::block_on(async {
                let (mut output, mut errors) = (stdout(), stderr());
                // Values that are dropped while their call waits lose nothing.
                let (mut first, mut filled) = ([0; 4], 0);
                while filled < first.len() {
                    let mut fresh = stdin();
                    let read = poll_fn(|cx| fresh.poll_read(cx, &mut first[filled..]));
                    if let Ok(count) = rt::timeout(Duration::from_millis(1), read).await {
                        filled += count?;
                    }
                }
                write_all(&mut output, format!("{first:?}\n").as_bytes()).await?;
                write_all(&mut errors, b"!").await?;
                let mut input = BufReader::new(stdin());
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
        assert!(
            text.contains("[111, 110, 101, 10]\n<two>\n<three>\n"),
            "{text}"
        );
        assert!(output.stderr.ends_with(b"!!!"), "{output:?}");
        assert!(output.status.success());
    }

    /// Who waits for the input, and panics when woken.
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in the waker, on purpose");
        }
    }

    /// In a process of its own, as above.
    #[test]
    fn a_waker_that_panics_costs_no_other_reader_its_wake() {
        if std::env::var_os("UNDERPIN_ALONE").is_some() {
            let (mut first, mut second) = (stdin(), stdin());
            let mut cx = Context::from_waker(Waker::noop());
            // A value has one waker, the last.
            assert!(first.poll_read(&mut cx, &mut [0; 9]).is_pending());
            let waker = Waker::from(Arc::new(Panics));
            let mut cx = Context::from_waker(&waker);
            assert!(first.poll_read(&mut cx, &mut [0; 9]).is_pending());
            let mut byte = [0];
            let read = poll_fn(|cx| {
                let polled = second.poll_read(cx, &mut byte);
                if polled.is_pending() {
                    let mut output = io::stdout().lock();
                    let told = output.write_all(b"both wait\n");
                    told.and_then(|()| output.flush()).expect("told");
                }
                polled
            });
            // Long, so that a lost wake is a failure and not a hang.
            let read = rt::block_on(async { rt::timeout(Duration::from_secs(60), read).await });
            let read = read.expect("a runtime").expect("woken");
            assert_eq!((read.expect("read"), byte), (1, *b"a"));
            // What is left is the first's, who is not woken again.
            let mut rest = [0; 9];
            let polled = first.poll_read(&mut cx, &mut rest);
            assert!(matches!(polled, Poll::Ready(Ok(1))) && rest[0] == b'b');
            return;
        }
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--nocapture", "a_waker_that_panics_costs_no_other_reader"])
            .env("UNDERPIN_ALONE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut input = child.stdin.take().expect("piped");
        let mut lines = io::BufReader::new(child.stdout.take().expect("piped")).lines();
        let told = lines.any(|line| line.is_ok_and(|line| line.ends_with("both wait")));
        assert!(told, "both wait");
        input.write_all(b"ab").expect("written");
        for line in lines {
            line.expect("its output");
        }
        assert!(child.wait().expect("ended").success());
    }
}
