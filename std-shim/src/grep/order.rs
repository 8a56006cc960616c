//! Work done by many threads, output in one order.
//!
//! A piece of work has a key, a path in the tree of all work, and keys order both what is begun and what is written: whoever
//! is free takes the smallest piece that waits. A piece may put others under its own key before it ends. The *head* is the
//! smallest piece that is not over; it writes through. Others keep their output, and wait for their turn when too much is
//! kept.
//!
//! # Invariants
//!
//! - I1: pieces that run, wait or are over and unwritten have different keys; a new one is larger than the running piece that
//!   makes it and smaller than the waiting one after it.
//! - I2: nothing is written while a smaller piece waits or runs.
//! - I3: some thread that doesn't wait for its turn can go on. For, a thread takes the smallest piece that waits, also right
//!   after it made new ones; so the smallest of all runs, and it is the head, which never waits.
//!
//! # Bounds
//!
//! Kept output: `KEPT_BYTES_MAX`, and for each thread what one call hands over.

use super::sync::{lock, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Output that waits for its turn, over all threads.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// A place in the order.
pub(super) type Key = Vec<u32>;

/// What is written before a piece's first byte.
#[derive(Clone, Debug, Default)]
pub(super) enum Lead {
    /// Nothing.
    #[default]
    None,
    /// The separator of files.
    File,
    /// The separator and a heading, once for all parts of a file.
    Part(Arc<Prelude>),
}

/// What the parts of one file share.
#[derive(Debug, Default)]
pub(super) struct Prelude {
    /// The path above its lines.
    pub(super) heading: Vec<u8>,
    begun: AtomicBool,
    /// Nothing of this file is shown any more.
    over: AtomicBool,
}

impl Prelude {
    pub(super) fn new(heading: Vec<u8>) -> Self {
        Self {
            heading,
            ..Self::default()
        }
    }
}

/// Output with what belongs before it.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) lead: Lead,
    pub(super) bytes: Vec<u8>,
    /// It begins with a word about the file, before which nothing is written.
    pub(super) bare: bool,
    /// The file's later parts are not shown.
    pub(super) ends_file: bool,
}

struct State<W> {
    waiting: BTreeMap<Key, W>,
    running: BTreeSet<Key>,
    done: BTreeMap<Key, Output>,
    kept_bytes: usize,
    idle: usize,
}

struct Stream<'o> {
    out: &'o mut (dyn Write + Send),
    separator: Option<Vec<u8>>,
    has_written: bool,
    failed: Option<io::Error>,
}

/// The pieces of work and the stream.
pub(super) struct Queue<'o, W> {
    state: Mutex<State<W>>,
    work: Condvar,
    turn: Condvar,
    stream: Mutex<Stream<'o>>,
    stopped: AtomicBool,
}

impl<'o, W> Queue<'o, W> {
    /// A queue whose output goes to `out`, with `separator` on a line between files.
    pub(super) fn new(out: &'o mut (dyn Write + Send), separator: Option<Vec<u8>>) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: BTreeMap::new(),
                running: BTreeSet::new(),
                done: BTreeMap::new(),
                kept_bytes: 0,
                idle: 0,
            }),
            work: Condvar::new(),
            turn: Condvar::new(),
            stream: Mutex::new(Stream {
                out,
                separator,
                has_written: false,
                failed: None,
            }),
            stopped: AtomicBool::new(false),
        }
    }

    /// Adds a piece.
    pub(super) fn push(&self, key: Key, work: W) {
        let mut state = lock(&self.state);
        state.waiting.insert(key, work);
        if state.idle > 0 {
            self.work.notify_one();
        }
    }

    /// Adds pieces.
    pub(super) fn push_all(&self, pieces: impl Iterator<Item = (Key, W)>) {
        let mut state = lock(&self.state);
        let before = state.waiting.len();
        state.waiting.extend(pieces);
        if state.idle > 0 && state.waiting.len() > before {
            self.work.notify_all();
        }
    }

    /// The smallest piece, once there is one; `None` when all is over or stopped.
    pub(super) fn next(&self) -> Option<(Key, W)> {
        let mut state = lock(&self.state);
        loop {
            if self.is_stopped() {
                return None;
            }
            // With much kept, only a piece that may write is begun.
            let full = state.kept_bytes >= KEPT_BYTES_MAX
                && state.running.first() < state.waiting.keys().next();
            if !full && let Some((key, work)) = state.waiting.pop_first() {
                state.running.insert(key.clone());
                return Some((key, work));
            }
            if state.running.is_empty() && state.waiting.is_empty() {
                self.work.notify_all();
                return None;
            }
            state.idle += 1;
            state = wait(&self.work, state);
            state.idle -= 1;
        }
    }

    /// Ends everything; what is kept is not written.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let _state = lock(&self.state);
        self.work.notify_all();
        self.turn.notify_all();
    }

    /// Whether all is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Takes a part of the output of `key`, which is running; keeps it with the caller if it isn't its turn.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Interrupted`] once all is to end.
    pub(super) fn pass(&self, key: &Key, output: &mut Output) -> io::Result<()> {
        let mut state = lock(&self.state);
        loop {
            if self.is_stopped() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if is_head(&state, key) {
                break;
            }
            if state.kept_bytes + output.bytes.len() < KEPT_BYTES_MAX / 2
                && output.bytes.len() < KEPT_BYTES_MAX / 8
            {
                return Ok(());
            }
            state = wait(&self.turn, state);
        }
        self.write_done_before(state, key);
        self.write(output);
        Ok(())
    }

    /// `key` is over, and this is what it still has to write.
    pub(super) fn finish(&self, key: &Key, mut output: Output) {
        let mut state = lock(&self.state);
        if !is_head(&state, key) {
            if !output.bytes.is_empty() || output.ends_file {
                state.kept_bytes += output.bytes.len();
                state.done.insert(key.clone(), output);
            }
            state.running.remove(key);
            if state.waiting.is_empty() && state.running.is_empty() {
                self.work.notify_all();
            }
            return;
        }
        self.write_done_before(state, key);
        self.write(&mut output);
        let mut state = lock(&self.state);
        loop {
            let limit = state
                .running
                .iter()
                .find(|running| *running != key)
                .into_iter()
                .chain(state.waiting.keys().next())
                .min();
            let next_is_due = match (state.done.keys().next(), limit) {
                (Some(done), Some(limit)) => done < limit,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let Some((_, mut next)) = next_is_due.then(|| state.done.pop_first()).flatten() else {
                break;
            };
            state.kept_bytes -= next.bytes.len();
            drop(state);
            self.write(&mut next);
            state = lock(&self.state);
        }
        state.running.remove(key);
        self.turn.notify_all();
        if state.idle > 0 {
            self.work.notify_all();
        }
    }

    /// Writes what is over and before `key`, which is the head.
    fn write_done_before<'q>(&'q self, mut state: MutexGuard<'q, State<W>>, key: &Key) {
        while state.done.keys().next().is_some_and(|done| done < key) {
            if let Some((_, mut output)) = state.done.pop_first() {
                state.kept_bytes -= output.bytes.len();
                drop(state);
                self.write(&mut output);
                state = lock(&self.state);
            }
        }
    }

    fn write(&self, output: &mut Output) {
        let over = match &output.lead {
            Lead::Part(prelude) => prelude.over.load(Ordering::Relaxed),
            _ => false,
        };
        if !output.bytes.is_empty() && !over {
            let stream = &mut *lock(&self.stream);
            if let Err(error) = write_to(stream, output) {
                stream.failed = Some(error);
                self.stop();
            }
        }
        if let (true, Lead::Part(prelude)) = (output.ends_file, &output.lead) {
            prelude.over.store(true, Ordering::Relaxed);
        }
        output.bytes.clear();
    }

    /// Why writing failed.
    pub(super) fn into_error(self) -> Option<io::Error> {
        let stream = self.stream.into_inner();
        stream
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .failed
    }
}

fn write_to(stream: &mut Stream<'_>, output: &mut Output) -> io::Result<()> {
    if stream.failed.is_some() {
        return Ok(());
    }
    let (separate, heading): (bool, &[u8]) = match &output.lead {
        _ if output.bare => (false, b""),
        Lead::None => (false, b""),
        Lead::File => (true, b""),
        Lead::Part(prelude) if prelude.begun.swap(true, Ordering::Relaxed) => (false, b""),
        Lead::Part(prelude) => (true, &prelude.heading),
    };
    if let (true, true, Some(separator)) = (separate, stream.has_written, &stream.separator) {
        stream.out.write_all(separator)?;
        stream.out.write_all(b"\n")?;
    }
    stream.out.write_all(heading)?;
    stream.has_written = true;
    stream.out.write_all(&output.bytes)?;
    if matches!(output.lead, Lead::File) {
        output.lead = Lead::None;
    }
    output.bare = false;
    Ok(())
}

/// Whether nothing smaller than `key` waits or runs.
fn is_head<W>(state: &State<W>, key: &Key) -> bool {
    state.running.first().is_none_or(|first| first >= key)
        && state.waiting.keys().next().is_none_or(|first| first >= key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of work; every leaf writes its number some times.
    enum Work {
        Inner(u32, u32),
        Leaf(u64),
    }

    fn expected(depth: u32, width: u32, prefix: u64, into: &mut String) {
        for child in 0..width {
            let number = prefix * 10 + u64::from(child);
            if depth == 0 {
                for _ in 0..child + 1 {
                    into.push_str(&format!("{number}\n"));
                }
            } else {
                expected(depth - 1, width, number, into);
            }
        }
    }

    #[test]
    fn output_is_in_the_order_of_keys_however_many_threads_there_are() {
        let mut want = String::new();
        expected(3, 5, 1, &mut want);
        for threads in [1, 2, 7] {
            let mut out: Vec<u8> = Vec::new();
            let queue = Queue::new(&mut out, None);
            queue.push(vec![1], Work::Inner(3, 5));
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        while let Some((key, work)) = queue.next() {
                            let mut output = Output::default();
                            match work {
                                Work::Inner(depth, width) => {
                                    queue.push_all((0..width).map(|child| {
                                        let mut below = key.clone();
                                        below.push(child);
                                        let number = below
                                            .iter()
                                            .fold(0, |n, digit| n * 10 + u64::from(*digit));
                                        let work = if depth == 0 {
                                            Work::Leaf(number)
                                        } else {
                                            Work::Inner(depth - 1, width)
                                        };
                                        (below, work)
                                    }))
                                }
                                Work::Leaf(number) => {
                                    for _ in 0..number % 10 + 1 {
                                        output.bytes.extend(format!("{number}\n").bytes());
                                        queue.pass(&key, &mut output).unwrap();
                                    }
                                }
                            }
                            queue.finish(&key, output);
                        }
                    });
                }
            });
            assert!(queue.into_error().is_none());
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn a_stream_that_fails_stops_everything() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Broken;
        let queue = Queue::new(&mut out, None);
        queue.push(vec![1], ());
        queue.push(vec![2], ());
        let (key, ()) = queue.next().unwrap();
        let mut output = Output {
            bytes: b"x".to_vec(),
            ..Output::default()
        };
        queue.pass(&key, &mut output).unwrap();
        assert!(queue.next().is_none());
        assert!(queue.pass(&key, &mut output).is_err());
        queue.finish(&key, output);
        assert_eq!(
            queue.into_error().unwrap().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
