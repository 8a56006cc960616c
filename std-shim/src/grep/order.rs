//! Work done by many threads, output in one order.
//!
//! A piece of work has a key, a path in the tree of all work, and keys order both what is begun and what is written: whoever
//! is free takes the smallest piece that waits. A piece may put others under its own key before it ends. The *head* is the
//! smallest piece that is not over; it writes through. Others keep their output, and wait for their turn when too much is
//! kept.
//!
//! Who does the work is a *hand*, a job of the pool. It leaves when it finds nothing to take. Whatever makes a piece one that
//! can be taken is done by a hand, which afterwards asks whether another one is wanted.
//!
//! # Invariants
//!
//! - I1: pieces that run, wait or are over and unwritten have different keys; a new one is larger than the running piece that
//!   makes it and smaller than the waiting one after it.
//! - I2: nothing is written while a smaller piece waits or runs.
//! - I3: some hand that doesn't wait for its turn can go on. For, a thread takes the smallest piece that waits, also right
//!   after it made new ones; so the smallest of all runs, and it is the head, which never waits.
//!
//! # Bounds
//!
//! Kept output: `KEPT_BYTES_MAX`, and for each hand what one call hands over.

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
    hands: usize,
    /// Who waits for a turn.
    turn_waiters: usize,
}

impl<W> State<W> {
    /// Whether a piece may be begun. With much kept, only one that may write is.
    fn has_work(&self) -> bool {
        let Some(next) = self.waiting.keys().next() else {
            return false;
        };
        self.kept_bytes < KEPT_BYTES_MAX || self.running.first().is_none_or(|first| first > next)
    }
}

struct Stream<'o> {
    out: &'o mut (dyn Write + Send),
    separator: Option<Vec<u8>>,
    has_written: bool,
    failed: Option<io::Error>,
}

/// What a hand does next.
pub(super) struct Next<W> {
    pub(super) key: Key,
    pub(super) work: W,
    /// There is more, and another hand was counted for it: the caller starts it.
    pub(super) wants_hand: bool,
}

/// The pieces of work and the stream.
pub(super) struct Queue<'o, W> {
    state: Mutex<State<W>>,
    turn: Condvar,
    stream: Mutex<Stream<'o>>,
    stopped: AtomicBool,
    hands_max: usize,
}

impl<'o, W> Queue<'o, W> {
    /// A queue for so many hands whose output goes to `out`, with `separator` and its line terminator between files.
    pub(super) fn new(
        out: &'o mut (dyn Write + Send),
        separator: Option<Vec<u8>>,
        hands_max: usize,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: BTreeMap::new(),
                running: BTreeSet::new(),
                done: BTreeMap::new(),
                kept_bytes: 0,
                hands: 0,
                turn_waiters: 0,
            }),
            turn: Condvar::new(),
            stream: Mutex::new(Stream {
                out,
                separator,
                has_written: false,
                failed: None,
            }),
            stopped: AtomicBool::new(false),
            hands_max,
        }
    }

    /// Adds a piece.
    pub(super) fn push(&self, key: Key, work: W) {
        lock(&self.state).waiting.insert(key, work);
    }

    /// Adds pieces.
    pub(super) fn push_all(&self, pieces: impl Iterator<Item = (Key, W)>) {
        lock(&self.state).waiting.extend(pieces);
    }

    /// Counts one more hand, if there is something for it to do and there are not too many.
    pub(super) fn take_hand(&self) -> bool {
        let mut state = lock(&self.state);
        !self.is_stopped() && self.count_hand(&mut state)
    }

    fn count_hand(&self, state: &mut State<W>) -> bool {
        let wanted = state.hands < self.hands_max && state.has_work();
        state.hands += usize::from(wanted);
        wanted
    }

    /// The smallest piece, if there is one to begin now.
    pub(super) fn take(&self) -> Option<(Key, W)> {
        self.take_from(&mut lock(&self.state))
    }

    fn take_from(&self, state: &mut State<W>) -> Option<(Key, W)> {
        if self.is_stopped() || !state.has_work() {
            return None;
        }
        let (key, work) = state.waiting.pop_first()?;
        state.running.insert(key.clone());
        Some((key, work))
    }

    /// [`take`](Self::take) for a hand that was counted; with `None` it is a hand no more.
    pub(super) fn next(&self) -> Option<Next<W>> {
        self.next_from(&mut lock(&self.state))
    }

    fn next_from(&self, state: &mut State<W>) -> Option<Next<W>> {
        let Some((key, work)) = self.take_from(state) else {
            state.hands = state.hands.saturating_sub(1);
            return None;
        };
        let wants_hand = self.count_hand(state);
        Some(Next {
            key,
            work,
            wants_hand,
        })
    }

    /// Ends everything; what is kept is not written.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let _state = lock(&self.state);
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
            state.turn_waiters += 1;
            state = wait(&self.turn, state);
            state.turn_waiters -= 1;
        }
        self.write_done_before(state, key);
        self.write(output);
        Ok(())
    }

    /// `key` is over, and this is what it still has to write.
    pub(super) fn finish(&self, key: &Key, output: Output) {
        drop(self.finished(key, output));
    }

    /// [`finish`](Self::finish) and [`next`](Self::next) at once.
    pub(super) fn exchange(&self, key: &Key, output: Output) -> Option<Next<W>> {
        self.next_from(&mut self.finished(key, output))
    }

    fn finished(&self, key: &Key, mut output: Output) -> MutexGuard<'_, State<W>> {
        let mut state = lock(&self.state);
        let has_output = !output.bytes.is_empty() || output.ends_file;
        if !is_head(&state, key) {
            if has_output {
                state.kept_bytes += output.bytes.len();
                state.done.insert(key.clone(), output);
            }
            state.running.remove(key);
            return state;
        }
        if has_output || !state.done.is_empty() {
            self.write_done_before(state, key);
            self.write(&mut output);
            state = lock(&self.state);
        }
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
        if state.turn_waiters > 0 {
            self.turn.notify_all();
        }
        state
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
    use crate::pool::{Scope, ThreadPoolBuilder};

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

    fn hand<'s>(queue: &'s Queue<'_, Work>, scope: &Scope<'s>) {
        let mut next = queue.next();
        while let Some(Next {
            key,
            work,
            wants_hand,
        }) = next
        {
            if wants_hand {
                scope.spawn(|scope| hand(queue, scope));
            }
            let mut output = Output::default();
            match work {
                Work::Inner(depth, width) => queue.push_all((0..width).map(|child| {
                    let mut below = key.clone();
                    below.push(child);
                    let number = below.iter().fold(0, |n, digit| n * 10 + u64::from(*digit));
                    let work = if depth == 0 {
                        Work::Leaf(number)
                    } else {
                        Work::Inner(depth - 1, width)
                    };
                    (below, work)
                })),
                Work::Leaf(number) => {
                    for _ in 0..number % 10 + 1 {
                        output.bytes.extend(format!("{number}\n").bytes());
                        queue.pass(&key, &mut output).unwrap();
                    }
                }
            }
            next = queue.exchange(&key, output);
        }
    }

    #[test]
    fn output_is_in_the_order_of_keys_however_many_threads_there_are() {
        let mut want = String::new();
        expected(3, 5, 1, &mut want);
        for threads in [1, 2, 7] {
            let mut out: Vec<u8> = Vec::new();
            let queue = Queue::new(&mut out, None, threads);
            queue.push(vec![1], Work::Inner(3, 5));
            assert!(queue.take_hand());
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().scope(|scope| hand(&queue, scope));
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
        let queue = Queue::new(&mut out, None, 1);
        queue.push(vec![1], ());
        queue.push(vec![2], ());
        let key = queue.next().unwrap().key;
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
