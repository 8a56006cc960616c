//! Child processes (Linux): [`spawn`] starts what a [`std::process::Command`] describes, and its pipes and its end are awaited.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! use std::process::{Command, Stdio};
//! use underpin::rt::{self, process};
//!
//! let output = rt::block_on(async {
//!     let child = process::spawn(Command::new("echo").arg("hello").stdout(Stdio::piped()))?;
//!     child.wait_with_output(1 << 20).await
//! })??;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! The end is told by a pidfd; where the kernel has none (before 5.3, or forbidden), the runtime looks every [`LOOK_TIME`].
//!
//! A child that is dropped goes on, unless [`kill_on_drop`](Child::kill_on_drop) was asked for. Either way it leaves no zombie for longer
//! than until the next child of this module is started or dropped.
#![forbid(unsafe_code)]

use super::watched::{Watched, set_nonblocking};
use crate::rt::io::{PollRead, PollWrite, read_to_end};
use crate::rt::runtime::with;
use crate::rt::{Sleep, sleep};
use crate::sys::Interest;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, PoisonError};

/// How often a child is looked at where the kernel tells nothing.
pub const LOOK_TIME: Duration = Duration::from_millis(10);

/// Children that were dropped before they ended; somebody must wait for them, or they stay as zombies.
static ORPHANS: Mutex<Vec<std::process::Child>> = Mutex::new(Vec::new());

/// Forgets the orphans that have ended. Linear in the orphans that run.
fn reap(more: Option<std::process::Child>) {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    orphans.extend(more);
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// A child process.
#[derive(Debug)]
pub struct Child {
    /// Taken when it is dropped.
    inner: Option<std::process::Child>,
    status: Option<ExitStatus>,
    end: End,
    kill_on_drop: bool,
    /// The writing end of its input, if the command said `piped`. Dropping it ends the input.
    pub stdin: Option<ChildStdin>,
    /// The reading end of its output, if the command said `piped`.
    pub stdout: Option<ChildStdout>,
    /// The reading end of its error output, if the command said `piped`.
    pub stderr: Option<ChildStderr>,
}

/// What tells that it has ended.
#[derive(Debug)]
enum End {
    Descriptor(Watched),
    Looks(Option<Pin<Box<Sleep>>>),
}

/// Starts a child. The call itself is `std`'s: it returns when the program runs or cannot be run.
///
/// # Errors
/// As [`Command::spawn`].
///
/// # Panics
/// As [`handle`](crate::rt::handle).
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    // First: it panics where there is no runtime, and then there is no child that nobody waits for.
    with(|_| ());
    reap(None);
    let mut inner = command.spawn()?;
    match Child::watch(&mut inner) {
        Ok((end, stdin, stdout, stderr)) => Ok(Child {
            inner: Some(inner),
            status: None,
            end,
            kill_on_drop: false,
            stdin,
            stdout,
            stderr,
        }),
        Err(error) => {
            // Nobody could talk to it.
            let _ = inner.kill();
            reap(Some(inner));
            Err(error)
        }
    }
}

type Parts = (
    End,
    Option<ChildStdin>,
    Option<ChildStdout>,
    Option<ChildStderr>,
);

impl Child {
    fn watch(inner: &mut std::process::Child) -> io::Result<Parts> {
        fn pipe(end: Option<impl Into<OwnedFd>>) -> io::Result<Option<Watched>> {
            let Some(end) = end else { return Ok(None) };
            let end: OwnedFd = end.into();
            // A pipe's ends block or not on their own, so the child does not notice.
            set_nonblocking(end.as_fd())?;
            Ok(Some(Watched::new(end)))
        }
        let end = i32::try_from(inner.id())
            .ok()
            .and_then(Pid::from_raw)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .map_or(End::Looks(None), |fd| End::Descriptor(Watched::new(fd)));
        Ok((
            end,
            pipe(inner.stdin.take())?.map(ChildStdin),
            pipe(inner.stdout.take())?.map(ChildStdout),
            pipe(inner.stderr.take())?.map(ChildStderr),
        ))
    }

    /// Has the child killed when this value is dropped before the child has ended.
    pub fn kill_on_drop(&mut self, on: bool) {
        self.kill_on_drop = on;
    }

    /// The process's number; `None` once it has been waited for, when another process may have it.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match (&self.inner, self.status) {
            (Some(inner), None) => Some(inner.id()),
            _ => None,
        }
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// The system's.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none()
            && let Some(inner) = &mut self.inner
        {
            self.status = inner.try_wait()?;
        }
        Ok(self.status)
    }

    /// Closes its input and waits for its end. Cancel-safe, and may be called again. Outputs that are piped must be read, or it may wait
    /// for room in them for ever: [`wait_with_output`](Self::wait_with_output) does both.
    ///
    /// # Errors
    /// The system's.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            match &mut self.end {
                End::Descriptor(watched) => {
                    let Some(inner) = &mut self.inner else {
                        return Poll::Pending;
                    };
                    let status = ready!(watched.poll(cx, Interest::Read, |_| {
                        inner.try_wait()?.ok_or(io::ErrorKind::WouldBlock.into())
                    }))?;
                    self.status = Some(status);
                }
                End::Looks(sleep) => {
                    let waiting = sleep.get_or_insert_with(|| Box::pin(self::sleep(LOOK_TIME)));
                    ready!(waiting.as_mut().poll(cx));
                    *sleep = None;
                }
            }
        }
    }

    /// Asks the system to kill it (`SIGKILL`); [`wait`](Self::wait) tells when it has ended.
    ///
    /// # Errors
    /// `InvalidInput` if it has been waited for; the system's.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Some(inner) if self.status.is_none() => inner.kill(),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the process has ended",
            )),
        }
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// The system's.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        if self.try_wait()?.is_none() {
            self.start_kill()?;
        }
        self.wait().await
    }

    /// Closes its input, reads its outputs, at most `bytes_max` of each, and waits for its end. Dropping the future drops the child.
    ///
    /// # Errors
    /// `InvalidData` if an output is longer; the system's.
    pub async fn wait_with_output(mut self, bytes_max: usize) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let all = async |source: Option<Watched>| match source {
            Some(source) => read_to_end(&mut ChildStdout(source), bytes_max).await,
            None => Ok(Vec::new()),
        };
        let (status, stdout, stderr) = crate::rt::try_join!(
            self.wait(),
            all(stdout.map(|end| end.0)),
            all(stderr.map(|end| end.0)),
        )?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        if self.status.is_some() {
            return;
        }
        if self.kill_on_drop {
            // If it has ended already there is nothing to do.
            let _ = inner.kill();
        }
        reap(Some(inner));
    }
}

/// The input of a child.
#[derive(Debug)]
pub struct ChildStdin(Watched);

/// The output of a child.
#[derive(Debug)]
pub struct ChildStdout(Watched);

/// The error output of a child.
#[derive(Debug)]
pub struct ChildStderr(Watched);

impl PollWrite for ChildStdin {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }
}

macro_rules! reads {
    ($($name:ident),*) => {$(
        impl PollRead for $name {
            fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
                self.0.poll_read(cx, buffer)
            }
        }
    )*};
}

reads!(ChildStdout, ChildStderr);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt;
    use crate::rt::io::{BufReader, write_all};
    use std::process::Stdio;

    #[test]
    fn a_child_answers_through_its_pipes_and_ends() {
        rt::block_on(async {
            let mut child = spawn(
                Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped()),
            )
            .expect("started");
            assert_eq!(child.try_wait().expect("asked"), None);
            let mut input = child.stdin.take().expect("piped");
            let mut output = BufReader::new(child.stdout.take().expect("piped"));
            for line in ["one", "two"] {
                write_all(&mut input, format!("{line}\n").as_bytes())
                    .await
                    .expect("written");
                let got = output.next_line(100).await.expect("read");
                assert_eq!(got.as_deref(), Some(line));
            }
            drop(input);
            assert_eq!(output.next_line(100).await.expect("the end"), None);
            let status = child.wait().await.expect("ended");
            assert!(status.success());
            assert_eq!(child.id(), None);
            assert_eq!(child.wait().await.expect("again"), status);
            assert!(child.start_kill().is_err());
        })
        .expect("a runtime");
    }

    /// More than a pipe holds, both ways at once.
    #[test]
    fn much_output_is_read_and_too_much_is_an_error() {
        rt::block_on(async {
            let much = || {
                let mut command = Command::new("head");
                command.args(["-c", "300000", "/dev/zero"]);
                command.stdout(Stdio::piped());
                spawn(&mut command).expect("started")
            };
            let output = much().wait_with_output(300_000).await.expect("ended");
            assert_eq!(output.stdout.len(), 300_000);
            let error = much()
                .wait_with_output(299_999)
                .await
                .expect_err("too much");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        })
        .expect("a runtime");
    }

    #[test]
    fn a_child_that_is_dropped_is_killed_if_asked_and_a_wait_may_be_dropped() {
        use std::os::unix::process::ExitStatusExt as _;
        rt::block_on(async {
            let start = || spawn(Command::new("sleep").arg("1000")).expect("started");
            let mut child = start();
            let soon = Duration::from_millis(1);
            rt::timeout(soon, child.wait())
                .await
                .expect_err("it sleeps");
            let status = child.kill().await.expect("killed");
            assert_eq!(status.signal(), Some(9));

            let mut child = start();
            child.kill_on_drop(true);
            let proc = format!("/proc/{}", child.id().expect("it runs"));
            assert!(std::path::Path::new(&proc).exists());
            drop(child);
            while std::path::Path::new(&proc).exists() {
                reap(None);
                sleep(soon).await;
            }

            let mut child = start();
            child.end = End::Looks(None);
            child.start_kill().expect("killed");
            let status = child.wait().await.expect("looked at");
            assert_eq!(status.signal(), Some(9));
            assert!(spawn(&mut Command::new("/no/such/program")).is_err());
        })
        .expect("a runtime");
    }
}
