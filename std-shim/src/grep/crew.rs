//! The hands that do the work: jobs of the pool, as many as there is work for.
//!
//! A search begins on the caller's thread alone: one file, or one piece after the other, is not worth a thread. The pool is
//! started when there is something for a second hand.

use super::matcher::Matcher;
use super::order::{Key, Next, Queue};
use super::run::Shared;
use super::sync::lock;
use super::work::{Work, Worker};
use crate::pool::{Scope, ThreadPool, ThreadPoolBuilder};
use std::cell::Cell;
use std::sync::Mutex;

struct Crew<'s, 'r, 'o> {
    shared: &'s Shared<'r, 'o>,
    matcher: &'s Matcher,
    /// The memory of hands that left, for those that come.
    workers: Mutex<Vec<Worker<'s, 'r, 'o>>>,
}

/// Does all that is in the queue and what comes of it, on up to `threads` threads.
pub(super) fn work(shared: &Shared<'_, '_>, matcher: &Matcher, threads: usize) {
    let crew = Crew {
        shared,
        matcher,
        workers: Mutex::new(Vec::new()),
    };
    if !shared.queue.take_hand() {
        return;
    }
    let Some(begun) = crew.alone() else {
        return;
    };
    match pool(threads) {
        Ok(pool) => pool.scope(|scope| {
            (0..begun.hands).for_each(|_| crew.call(scope));
            crew.hand(Some(scope), Some((begun.key, begun.work)));
        }),
        // One thread does the same work.
        Err(_) => crew.hand(None, Some((begun.key, begun.work))),
    }
}

/// What was begun when more hands were wanted, and how many were counted.
struct Begun {
    key: Key,
    work: Work,
    hands: usize,
}

fn pool(threads: usize) -> std::io::Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name_prefix("underpin grep ")
        .build()
}

impl<'s, 'r, 'o> Crew<'s, 'r, 'o> {
    fn worker(&self) -> Worker<'s, 'r, 'o> {
        let kept = lock(&self.workers).pop();
        kept.unwrap_or_else(|| Worker::new(self.shared, self.matcher.clone()))
    }

    /// Works until another hand is wanted; `None` at the end of all.
    fn alone(&self) -> Option<Begun> {
        let queue = &self.shared.queue;
        let mut worker = self.worker();
        let wanted = Cell::new(0);
        let wants = || wanted.set(wanted.get() + usize::from(queue.take_hand()));
        let mut next = queue.next();
        let mut begun = None;
        while let Some(Next {
            key,
            work,
            wants_hand,
        }) = next
        {
            let hands = wanted.get() + usize::from(wants_hand);
            if hands > 0 {
                begun = Some(Begun { key, work, hands });
                break;
            }
            let output = worker.run(&key, work, &wants);
            next = queue.exchange(&key, output);
        }
        lock(&self.workers).push(worker);
        begun
    }

    /// Starts the hand that was counted.
    fn call<'scope>(&'scope self, scope: &Scope<'scope>) {
        scope.spawn(move |scope| self.hand(Some(scope), None));
    }

    /// Works as long as there is something to take.
    fn hand<'scope>(&'scope self, scope: Option<&Scope<'scope>>, begun: Option<(Key, Work)>) {
        let queue = &self.shared.queue;
        let _guard = StopOnPanic(queue);
        let mut worker = self.worker();
        let call = || {
            if let Some(scope) = scope {
                self.call(scope);
            }
        };
        let wants = || {
            if queue.take_hand() {
                call();
            }
        };
        let mut next = match begun {
            Some((key, work)) => {
                let output = worker.run(&key, work, &wants);
                queue.exchange(&key, output)
            }
            None => queue.next(),
        };
        while let Some(Next {
            key,
            work,
            wants_hand,
        }) = next
        {
            if wants_hand {
                call();
            }
            let output = worker.run(&key, work, &wants);
            next = queue.exchange(&key, output);
        }
        lock(&self.workers).push(worker);
    }
}

/// Others may wait for the turn of a hand that panics.
struct StopOnPanic<'q, 'o>(&'q Queue<'o, Work>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
