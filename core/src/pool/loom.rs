//! The pool's protocols under the model checker, each alone: the split stack, the hand-over of a stolen half, the sleep.
#![allow(unsafe_code, reason = "jobs are raw pointers")]

use super::latch::Latch;
use super::sleep::{Parker, Sleep};
use super::split::{Kin, SplitStack, Stolen};
use crate::platform::{Instant, Park, Woken};
use crate::sync::asymmetric::{self, Meeting};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use crate::sync::light_fence;
use ::loom::sync::Arc;
use ::loom::thread;
use std::vec::Vec;

/// A park over loom's own lock and condition variable, with one queue for all words.
#[derive(Clone)]
struct LoomPark(Arc<(::loom::sync::Mutex<()>, ::loom::sync::Condvar)>);

impl LoomPark {
    fn new() -> Self {
        Self(Arc::new((
            ::loom::sync::Mutex::new(()),
            ::loom::sync::Condvar::new(),
        )))
    }
}

impl Park for LoomPark {
    fn wait(&self, word: &AtomicU32, expected: u32, _until: Option<Instant>) -> Woken {
        let guard = self.0.0.lock().unwrap();
        if word.load(Ordering::SeqCst) != expected {
            return Woken::Changed;
        }
        drop(self.0.1.wait(guard).unwrap());
        Woken::Woken
    }

    fn wake(&self, _word: *const AtomicU32, _count: u32) -> u32 {
        let _guard = self.0.0.lock().unwrap();
        self.0.1.notify_all();
        0
    }
}

/// A job that is run exactly once.
struct Job(AtomicUsize);

impl Job {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
    fn run(&self) {
        assert_eq!(self.0.fetch_add(1, Ordering::Relaxed), 0, "run twice");
    }
}

struct Stack(SplitStack<Job>);
// SAFETY: the tests call the owner's methods on one thread.
unsafe impl Sync for Stack {}
// SAFETY: as above.
unsafe impl Send for Stack {}

fn stack() -> Arc<Stack> {
    Arc::new(Stack(SplitStack::new(true)))
}

/// Steals once. Whether there was a job.
fn steal(stack: &Stack) -> bool {
    match stack.0.steal() {
        Stolen::Job(job) => {
            // SAFETY: jobs outlive the model's threads.
            unsafe { &*job }.run();
            true
        }
        Stolen::Lost | Stolen::Nothing => false,
    }
}

/// As a join does: whether the newest job is the owner's to run.
fn pop(stack: &Stack) -> bool {
    stack.0.pop() || stack.0.reclaim()
}

/// The owner takes back two public jobs while thieves steal: each job is run once, and its runner sees what the owner wrote before.
fn take_back(thieves: usize) {
    ::loom::model(move || {
        let jobs = Arc::new([Job::new(), Job::new()]);
        let stack = stack();
        for job in jobs.iter() {
            stack.0.push_anyway(&raw const *job);
        }
        assert!(stack.0.share(true, |_| {}));
        let threads: Vec<_> = (0..thieves)
            .map(|_| {
                let (stack, jobs) = (stack.clone(), jobs.clone());
                thread::spawn(move || {
                    let stolen = usize::from(steal(&stack));
                    drop(jobs);
                    stolen
                })
            })
            .collect();
        let mut own = 0;
        for job in jobs.iter().rev() {
            if pop(&stack) {
                job.run();
                own += 1;
            }
        }
        let stolen: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(own + stolen, 2);
    });
}

#[test]
fn loom_split_one_thief() {
    take_back(1);
}

#[test]
fn loom_split_two_thieves() {
    take_back(2);
}

/// A thief's question is never lost while the owner moves its limit: it shares for it, or it is there still.
#[test]
fn loom_split_keeps_the_question() {
    ::loom::model(|| {
        let jobs = Arc::new([Job::new(), Job::new()]);
        let stack = stack();
        stack.0.push_anyway(&raw const jobs[0]);
        assert!(stack.0.share(false, |_| {}));
        let thief = {
            let (stack, jobs) = (stack.clone(), jobs.clone());
            thread::spawn(move || {
                stack.0.ask();
                drop(jobs);
            })
        };
        assert!(stack.0.pop() || stack.0.reclaim());
        stack.0.push_anyway(&raw const jobs[1]);
        stack.0.strain();
        let _private = stack.0.pop();
        thief.join().unwrap();
        assert!(stack.0.is_asked());
    });
}

/// A slot is used again after its stolen job is done, while another thief is in the middle of its attempt.
#[test]
fn loom_split_reuses_slots() {
    ::loom::model(|| {
        let jobs = Arc::new([Job::new(), Job::new()]);
        let stack = stack();
        let latch = Arc::new(Latch::new());
        stack.0.push_anyway(&raw const jobs[0]);
        assert!(stack.0.share(false, |_| {}));
        let thief = {
            let (stack, jobs, latch) = (stack.clone(), jobs.clone(), latch.clone());
            thread::spawn(move || {
                let first = steal(&stack);
                if first {
                    let _sleeps = latch.set();
                }
                let second = steal(&stack);
                drop(jobs);
                usize::from(first) + usize::from(second)
            })
        };
        let mut own = 0;
        if pop(&stack) {
            jobs[0].run();
            own += 1;
        } else {
            stack.0.hold();
            while !latch.is_set() {
                thread::yield_now();
            }
            stack.0.release();
        }
        stack.0.push_anyway(&raw const jobs[1]);
        assert!(stack.0.share(false, |_| {}));
        if pop(&stack) {
            jobs[1].run();
            own += 1;
        }
        assert_eq!(own + thief.join().unwrap(), 2);
    });
}

/// Whoever waits for a job gets descendants of it only, also those of a job on top of it that is one, though strangers take the same
/// positions before and after, and though the job itself began on top of a stranger at that position.
#[test]
fn loom_split_keeps_strangers_out() {
    for (below_it, stranger) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(move || {
            let jobs = Arc::new([Job::new(), Job::new(), Job::new()]);
            let stack = stack();
            let latch = Arc::new(Latch::new());
            if below_it {
                stack.0.begin(0, Kin::Stranger);
            }
            let (memo, below) = stack.0.begin(0, Kin::Descendant);
            let thief = {
                let (stack, jobs, latch) = (stack.clone(), jobs.clone(), latch.clone());
                thread::spawn(move || {
                    let got = stack.0.steal_kin(memo, || !latch.is_set());
                    if let Stolen::Job(job) = got {
                        // SAFETY: jobs outlive the model's threads.
                        unsafe { &*job }.run();
                    }
                    drop(jobs);
                })
            };
            // On top of the job.
            let kin = if stranger {
                Kin::Stranger
            } else {
                Kin::Descendant
            };
            let (_, below_top) = stack.0.begin(0, kin);
            let taken = share_one(&stack, &jobs[0]);
            assert!(!(taken && stranger), "a stranger's job");
            stack.0.end(below_top);
            stack.0.end(below);
            let _sleeps = latch.set();
            // After it.
            if !taken {
                assert!(!share_one(&stack, &jobs[1]), "a later job");
                let (_, below) = stack.0.begin(0, Kin::Descendant);
                assert!(!share_one(&stack, &jobs[2]), "a later stranger's job");
                stack.0.end(below);
            }
            thief.join().unwrap();
        });
    }
}

/// Whether a thief got it.
fn share_one(stack: &Stack, job: &Job) -> bool {
    stack.0.push_anyway(&raw const *job);
    assert!(stack.0.share(false, |_| {}));
    !pop(stack)
}

/// The waiter sees the result, and sleeps at most until the latch is set.
#[test]
fn loom_latch_hands_over() {
    ::loom::model(|| {
        let shared = Arc::new((
            Latch::new(),
            Parker::new(),
            LoomPark::new(),
            AtomicUsize::new(0),
        ));
        let runner = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.3.store(7, Ordering::Relaxed);
                shared.0.set_and_unpark(&shared.1, &shared.2);
            })
        };
        while !shared.0.is_set() {
            shared.1.prepare();
            if shared.0.announce_sleep() {
                shared.1.park(&shared.2, None);
            } else {
                shared.1.cancel();
            }
        }
        assert_eq!(shared.3.load(Ordering::Relaxed), 7);
        runner.join().unwrap();
    });
}

#[test]
fn loom_latch_wakes_a_thread_from_outside() {
    ::loom::model(|| {
        let shared = Arc::new((Latch::new(), LoomPark::new()));
        let runner = {
            let shared = shared.clone();
            thread::spawn(move || shared.0.set_and_wake(&shared.1))
        };
        shared.0.wait(&shared.1);
        assert!(shared.0.is_set());
        runner.join().unwrap();
    });
}

/// Work that is published while a worker goes to sleep is seen by its last look, or wakes it.
#[test]
fn loom_sleep_misses_no_work() {
    ::loom::model(|| {
        struct Shared {
            sleep: Sleep,
            parker: Parker,
            work: AtomicUsize,
            park: LoomPark,
        }
        let shared = Arc::new(Shared {
            sleep: Sleep::new(1, 1, 0),
            parker: Parker::new(),
            work: AtomicUsize::new(0),
            park: LoomPark::new(),
        });
        let publisher = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.work.store(1, Ordering::Release);
                fence(Ordering::SeqCst);
                shared.sleep.notify(|_| &shared.parker, &shared.park, false);
            })
        };
        // As the loop of `State::work`: search, announce, look again, park.
        shared.sleep.start_search();
        loop {
            if shared.work.load(Ordering::Acquire) == 1 {
                break;
            }
            shared.sleep.announce_park(0, &shared.parker);
            if shared.work.load(Ordering::Acquire) == 1 {
                shared.sleep.cancel_park(0, &shared.parker);
                break;
            }
            shared.parker.park(&shared.park, None);
            shared.sleep.cancel_park(0, &shared.parker);
        }
        shared.sleep.end_search();
        publisher.join().unwrap();
        assert_eq!(shared.sleep.counts(), (0, 0));
    });
}

/// As above for a publisher without a fence, which the sleeper's fence of all threads meets at each place where it can.
#[test]
fn loom_sleep_misses_no_work_of_a_publisher_without_fences() {
    struct Shared {
        sleep: Sleep,
        parker: Parker,
        work: AtomicUsize,
        park: LoomPark,
    }
    // Before the publication, between it and the look, after the look.
    for point in 0..3 {
        ::loom::model(move || {
            let shared = Arc::new(Shared {
                sleep: Sleep::new(1, 1, 0),
                parker: Parker::new(),
                work: AtomicUsize::new(0),
                park: LoomPark::new(),
            });
            let meeting = Meeting::at(point);
            let sleeper = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.sleep.start_search();
                    shared.sleep.announce_park(0, &shared.parker);
                    // Before the announcement it would not do: the model then ends in a deadlock.
                    meeting.fence_others();
                    if shared.work.load(Ordering::Acquire) == 1 {
                        shared.sleep.cancel_park(0, &shared.parker);
                    } else {
                        shared.parker.park(&shared.park, None);
                        shared.sleep.cancel_park(0, &shared.parker);
                        assert_eq!(shared.work.load(Ordering::Acquire), 1);
                    }
                    shared.sleep.end_search();
                })
            };
            light_fence();
            shared.work.store(1, Ordering::Release);
            light_fence();
            if !shared.sleep.is_all_busy() {
                fence(Ordering::SeqCst);
                shared.sleep.notify(|_| &shared.parker, &shared.park, false);
            }
            asymmetric::finish();
            sleeper.join().unwrap();
            assert_eq!(shared.sleep.counts(), (0, 0));
        });
    }
}

/// A searcher that finds another job, as the last one, sees what was published while it counted, or the publisher sees that none searches:
/// one of them wakes the worker that sleeps.
#[test]
fn loom_the_last_searcher_hands_on_what_it_did_not_take() {
    ::loom::model(|| {
        let shared = Arc::new((
            Sleep::new(2, 2, 0),
            Parker::new(),
            AtomicUsize::new(0),
            LoomPark::new(),
        ));
        shared.0.start_search();
        shared.0.announce_park(1, &shared.1);
        shared.0.start_search();
        let publisher = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.2.store(1, Ordering::Release);
                fence(Ordering::SeqCst);
                shared.0.notify(|_| &shared.1, &shared.3, false);
            })
        };
        if shared.0.end_search() && shared.2.load(Ordering::Acquire) == 1 {
            shared.0.notify(|_| &shared.1, &shared.3, false);
        }
        publisher.join().unwrap();
        assert_eq!(shared.0.counts(), (1, 0), "nobody was woken");
    });
}
