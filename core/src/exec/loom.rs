//! The task's remote word, the inbox and the doorbell under the model checker: every interleaving of an executor's thread with
//! others that wake, clone and drop.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p underpin-core --release --lib loom`. The owner's cells are loom's, so that two
//! threads in one of them at once is a failure too.
#![allow(unsafe_code, reason = "drives the scheduler by hand")]

use super::scheduler::Scheduler;
use super::task::{JoinHandle, Task};
use super::{FutureSet, Host};
use ::loom::sync::atomic::{AtomicUsize, Ordering};
use ::loom::sync::{Arc, Condvar, Mutex};
use ::loom::thread;
use alloc::boxed::Box;
use core::future::poll_fn;
use core::ptr::NonNull;
use core::task::{Context, Poll, Waker};

struct LoomHost;

::loom::thread_local! {
    static TOKEN: Box<u8> = Box::new(0);
}

// SAFETY: threads that live at once have different boxes.
unsafe impl Host for LoomHost {
    fn thread_token() -> usize {
        TOKEN.with(|token| core::ptr::from_ref(&**token).addr())
    }
}

/// The scheduler with a bell that loom knows, and a count of tasks that were freed.
#[repr(C)]
struct Bell {
    scheduler: Scheduler,
    rung: Mutex<bool>,
    heard: Condvar,
    released: Arc<AtomicUsize>,
}

unsafe fn ring(this: NonNull<Scheduler>) {
    // SAFETY: the first field of a live bell.
    let bell = unsafe { this.cast::<Bell>().as_ref() };
    *bell.rung.lock().unwrap() = true;
    bell.heard.notify_one();
}

unsafe fn release(this: NonNull<Scheduler>) {
    // SAFETY: the last use.
    let bell = unsafe { Box::from_raw(this.cast::<Bell>().as_ptr()) };
    bell.released.fetch_add(1, Ordering::Relaxed);
}

/// An executor's thread, by hand.
struct Owner {
    bell: NonNull<Bell>,
    released: Arc<AtomicUsize>,
}

impl Owner {
    fn new() -> Self {
        let released = Arc::new(AtomicUsize::new(0));
        let bell = Box::new(Bell {
            scheduler: Scheduler::new(ring, release),
            rung: Mutex::new(false),
            heard: Condvar::new(),
            released: released.clone(),
        });
        bell.scheduler.open(LoomHost::thread_token());
        Self {
            bell: NonNull::from(Box::leak(bell)),
            released,
        }
    }

    fn scheduler(&self) -> &Scheduler {
        // SAFETY: the owner's reference keeps it.
        unsafe { &self.bell.as_ref().scheduler }
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        // SAFETY: the owner's thread, and the scheduler is open.
        unsafe { Task::<F, LoomHost>::spawn(self.bell.cast(), future) }
    }

    fn run_ready(&self) {
        // SAFETY: the owner's thread.
        unsafe {
            self.scheduler().receive_all();
            while self.scheduler().run_one::<LoomHost>() {}
        }
    }

    /// Runs and sleeps until `done`.
    fn run_until(&self, done: impl Fn() -> bool) {
        // SAFETY: as in `scheduler`.
        let bell = unsafe { self.bell.as_ref() };
        loop {
            self.run_ready();
            if done() {
                return;
            }
            if self.scheduler().try_sleep() {
                let mut rung = bell.rung.lock().unwrap();
                while !*rung {
                    rung = bell.heard.wait(rung).unwrap();
                }
                *rung = false;
            }
        }
    }

    fn close(self) {
        // SAFETY: the owner's thread, once; then its reference.
        unsafe {
            Scheduler::close(self.bell.cast());
            Scheduler::drop_ref(self.bell.cast());
        }
    }
}

/// A task that gives its waker away and ends when the flag is set; counts when it is dropped.
fn waiting(
    owner: &Owner,
    flag: &Arc<AtomicUsize>,
    dropped: &Arc<AtomicUsize>,
    wakers: usize,
) -> (JoinHandle<()>, std::vec::Vec<Waker>) {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let given = std::rc::Rc::new(std::cell::RefCell::new(std::vec::Vec::new()));
    let (give, flag, counts) = (given.clone(), flag.clone(), Counts(dropped.clone()));
    let handle = owner.spawn(poll_fn(move |cx| {
        let _ = &counts;
        if flag.load(Ordering::Acquire) != 0 {
            return Poll::Ready(());
        }
        if give.borrow().is_empty() {
            *give.borrow_mut() = (0..wakers).map(|_| cx.waker().clone()).collect();
        }
        Poll::Pending
    }));
    owner.run_ready();
    let wakers = given.take();
    (handle, wakers)
}

/// A model with a bound on preemptions: three threads' full tree takes hours.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

#[test]
fn loom_exec_a_wake_is_never_lost_and_the_task_is_freed_once() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let (flag, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handle, mut wakers) = waiting(&owner, &flag, &dropped, 1);
        let waker = wakers.pop().unwrap();
        let set = flag.clone();
        let thread = thread::spawn(move || {
            set.store(1, Ordering::Release);
            waker.wake();
        });
        owner.run_until(|| handle.is_finished());
        drop(handle);
        thread.join().unwrap();
        owner.close();
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_eq!(released.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_exec_two_threads_clone_wake_and_drop() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let (flag, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handle, wakers) = waiting(&owner, &flag, &dropped, 2);
        let threads: std::vec::Vec<_> = wakers
            .into_iter()
            .enumerate()
            .map(|(index, waker)| {
                let set = flag.clone();
                thread::spawn(move || {
                    if index == 0 {
                        drop(waker.clone());
                        drop(waker);
                    } else {
                        set.store(1, Ordering::Release);
                        waker.wake_by_ref();
                        drop(waker);
                    }
                })
            })
            .collect();
        owner.run_until(|| handle.is_finished());
        drop(handle);
        for thread in threads {
            thread.join().unwrap();
        }
        owner.close();
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_eq!(released.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_exec_closing_while_others_wake_and_drop_frees_all() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let (flag, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handle, mut wakers) = waiting(&owner, &flag, &dropped, 2);
        let (first, second) = (wakers.pop().unwrap(), wakers.pop().unwrap());
        let thread = thread::spawn(move || {
            first.wake_by_ref();
            drop(first.clone());
            first.wake();
        });
        let other = thread::spawn(move || drop(second));
        owner.close();
        assert!(handle.is_finished());
        drop(handle);
        thread.join().unwrap();
        other.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_eq!(released.load(Ordering::Relaxed), 1, "the last waker frees");
    });
}

#[test]
fn loom_exec_a_task_that_ends_in_the_run_queue_is_freed_once() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let given = alloc::rc::Rc::new(core::cell::Cell::new(None));
        let give = given.clone();
        let ended = Arc::new(AtomicUsize::new(0));
        let end = ended.clone();
        let mut polled = false;
        let handle = owner.spawn(poll_fn(move |cx| {
            if !core::mem::replace(&mut polled, true) {
                give.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            // Woken in the poll that is its last: it is done while it is queued.
            cx.waker().wake_by_ref();
            end.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(())
        }));
        owner.run_ready();
        let waker = given.take().unwrap();
        let here = waker.clone();
        let thread = thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        });
        here.wake();
        // SAFETY: the owner's thread.
        unsafe { owner.scheduler().run_one::<LoomHost>() };
        drop(handle);
        owner.close();
        thread.join().unwrap();
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert_eq!(released.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_exec_a_waker_that_comes_home_settles_the_debt() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let (flag, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handle, mut wakers) = waiting(&owner, &flag, &dropped, 1);
        let waker = wakers.pop().unwrap();
        let thread = thread::spawn(move || {
            let copy = waker.clone();
            drop(waker);
            copy
        });
        flag.store(1, Ordering::Release);
        handle.waker().wake();
        owner.run_ready();
        assert!(handle.is_finished());
        drop(handle);
        let copy = thread.join().unwrap();
        owner.run_ready();
        drop(copy);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        owner.close();
        assert_eq!(released.load(Ordering::Relaxed), 1);
    });
}

/// The set's flag against what the future itself looks at: whoever wakes a node that is queued already must be seen by its poll.
#[test]
fn loom_exec_a_set_sees_what_was_said_before_a_wake_of_a_queued_future() {
    model(|| {
        let said = Arc::new(AtomicUsize::new(0));
        let given = std::rc::Rc::new(std::cell::RefCell::new(None::<Waker>));
        let mut set = FutureSet::new();
        let (looks, give) = (said.clone(), given.clone());
        set.push(poll_fn(move |cx| {
            // As futures do that keep the waker of the poll before: a plain look.
            if looks.load(Ordering::Relaxed) == 1 {
                return Poll::Ready(());
            }
            give.borrow_mut().get_or_insert_with(|| cx.waker().clone());
            Poll::Pending
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(set.poll_next(&mut cx).is_pending());
        let waker = given.take().unwrap();
        waker.wake_by_ref();
        let thread = thread::spawn(move || {
            said.store(1, Ordering::Relaxed);
            waker.wake_by_ref();
        });
        let ended = set.poll_next(&mut cx).is_ready();
        thread.join().unwrap();
        // Seen by that poll, or queued for this one.
        assert!(ended || set.poll_next(&mut cx).is_ready());
    });
}

#[test]
fn loom_exec_spawns_from_elsewhere_run_or_are_dropped() {
    model(|| {
        let owner = Owner::new();
        let released = owner.released.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let kept = ran.clone();
        owner.scheduler().add_ref();
        let scheduler = owner.bell.cast::<Scheduler>().as_ptr().expose_provenance();
        let thread = thread::spawn(move || {
            let scheduler = NonNull::new(core::ptr::with_exposed_provenance_mut::<Scheduler>(
                scheduler,
            ))
            .unwrap();
            let future = async move {
                kept.fetch_add(1, Ordering::Relaxed);
            };
            // SAFETY: the reference taken above, given up once.
            unsafe {
                spawn_remote(scheduler, future);
                Scheduler::drop_ref(scheduler);
            }
        });
        owner.run_ready();
        owner.close();
        thread.join().unwrap();
        assert!(ran.load(Ordering::Relaxed) <= 1);
        assert_eq!(Arc::strong_count(&ran), 1, "the future is gone");
        assert_eq!(released.load(Ordering::Relaxed), 1);
    });
}

unsafe fn spawn_remote<F: Future + Send>(scheduler: NonNull<Scheduler>, future: F) {
    // SAFETY: the caller's word.
    unsafe { Task::<F, LoomHost>::spawn_remote(scheduler, future) }
}
