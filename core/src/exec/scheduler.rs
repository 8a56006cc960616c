//! What one executor's tasks share: the inbox, the run queue, the list of all tasks.
//!
//! One thread owns it. Others reach the inbox and the counter of references, which keeps the scheduler's memory until the last task
//! that somebody still refers to is gone.
//!
//! # Invariants
//! S1: `owner` is the owner's token while the executor is open, 0 before, and `CLOSED` for ever after. Tasks come only after it was opened.
//! S2: a task is in the list of all tasks from its adoption until it is freed or made an orphan.
//! S3: once `closing`, every task is marked as scheduled, so the run queue, which is empty from then on, gets no more.
#![allow(unsafe_code, reason = "shared by raw pointers")]

#[cfg(feature = "alloc")]
use super::block_pool::BlockPool;
use super::cell::Cell;
use super::host::Host;
use super::inbox::{Inbox, Pushed};
use super::run_queue::RunQueue;
use super::task::{self, Header, TaskPtr};
use crate::sync::atomic::{AtomicUsize, Ordering};
use core::ptr::{NonNull, null};

/// The token of no thread.
const CLOSED: usize = usize::MAX;

/// See the [module](self).
pub(super) struct Scheduler {
    inbox: Inbox,
    owner: AtomicUsize,
    /// The executor, each orphan, each remote handle, each doorbell that is being rung.
    refs: AtomicUsize,
    doorbell: unsafe fn(NonNull<Self>),
    release: unsafe fn(NonNull<Self>),
    queue: RunQueue,
    /// All tasks, newest first.
    all: Cell<*const Header>,
    /// Where closing has come to in the list.
    close_cursor: Cell<*const Header>,
    closing: Cell<bool>,
    spawned: Cell<u64>,
    /// Tasks that are done.
    done: Cell<u64>,
    /// In a static executor, while a turn is on.
    turning: Cell<bool>,
    #[cfg(feature = "alloc")]
    blocks: BlockPool,
}

impl Scheduler {
    /// A closed scheduler; [`open`](Self::open) gives it to a thread.
    #[cfg(any(feature = "alloc", loom))]
    pub(super) fn new(
        doorbell: unsafe fn(NonNull<Self>),
        release: unsafe fn(NonNull<Self>),
    ) -> Self {
        Self {
            inbox: Inbox::new(),
            owner: AtomicUsize::new(0),
            refs: AtomicUsize::new(1),
            doorbell,
            release,
            queue: RunQueue::new(),
            all: Cell::new(null()),
            close_cursor: Cell::new(null()),
            closing: Cell::new(false),
            spawned: Cell::new(0),
            done: Cell::new(0),
            turning: Cell::new(false),
            blocks: BlockPool::new(),
        }
    }

    /// As [`new`](Self::new), for static memory.
    #[cfg(not(loom))]
    pub(super) const fn for_static(
        doorbell: unsafe fn(NonNull<Self>),
        release: unsafe fn(NonNull<Self>),
    ) -> Self {
        Self {
            inbox: Inbox::new(),
            owner: AtomicUsize::new(0),
            refs: AtomicUsize::new(1),
            doorbell,
            release,
            queue: RunQueue::new(),
            all: Cell::new(null()),
            close_cursor: Cell::new(null()),
            closing: Cell::new(false),
            spawned: Cell::new(0),
            done: Cell::new(0),
            turning: Cell::new(false),
            #[cfg(feature = "alloc")]
            blocks: BlockPool::new(),
        }
    }

    /// As [`open`](Self::open), once; false if some thread has it.
    #[cfg(not(loom))]
    pub(super) fn open_once(&self, token: usize) -> bool {
        self.owner
            .compare_exchange(0, token, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Marks a static executor's turn; says whether one was on.
    #[cfg(not(loom))]
    pub(super) fn set_turning(&self, on: bool) -> bool {
        self.turning.replace(on)
    }

    /// Gives the scheduler to the thread with this token.
    #[cfg(feature = "alloc")]
    pub(super) fn open(&self, token: usize) {
        self.owner.store(token, Ordering::Relaxed);
    }

    /// The owner's token; of a closed scheduler no thread's.
    #[inline]
    pub(super) fn owner(&self) -> usize {
        // Relaxed: a thread reads its own token only if it is the owner, which wrote it.
        self.owner.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.owner(), 0 | CLOSED)
    }

    /// Tasks that are not done.
    pub(super) fn alive(&self) -> usize {
        (self.spawned.get() - self.done.get()) as usize
    }

    /// Tasks spawned since the start.
    pub(super) fn spawned(&self) -> u64 {
        self.spawned.get()
    }

    /// Tasks in the run queue, which are gone through for it.
    pub(super) fn queued(&self) -> usize {
        self.queue.count()
    }

    #[cfg(feature = "alloc")]
    pub(super) fn blocks(&self) -> &BlockPool {
        &self.blocks
    }

    /// Takes a new task in and lets it be polled; cancels it if the executor is closing.
    ///
    /// # Safety
    /// The owner's thread; the task is new and marked as scheduled.
    #[inline]
    pub(super) unsafe fn adopt(&self, task: TaskPtr) {
        // SAFETY: the caller's word.
        unsafe {
            self.link(task);
            if !self.closing.get() {
                self.queue.push(task);
                return;
            }
            task::cancel(task);
            if !self.is_open() {
                // Nobody walks the list any more.
                self.unlink(task);
                task::orphan(task, self);
            }
        }
    }

    /// # Safety
    /// The owner's thread; the task is not in the list.
    unsafe fn link(&self, task: TaskPtr) {
        self.spawned.set(self.spawned.get() + 1);
        // SAFETY: S2: what is in the list is alive.
        unsafe {
            let first = self.all.get();
            task.as_ref().all_next.set(first);
            if let Some(first) = first.as_ref() {
                first.all_previous.set(task.as_ptr());
            }
        }
        self.all.set(task.as_ptr());
    }

    /// # Safety
    /// The owner's thread; the task is in the list.
    #[inline]
    pub(super) unsafe fn unlink(&self, task: TaskPtr) {
        // SAFETY: S2: what is in the list is alive.
        unsafe {
            let (previous, next) = (
                task.as_ref().all_previous.get(),
                task.as_ref().all_next.get(),
            );
            match previous.as_ref() {
                Some(previous) => previous.all_next.set(next),
                None => self.all.set(next),
            }
            if let Some(next) = next.as_ref() {
                next.all_previous.set(previous);
            }
            if self.close_cursor.get() == task.as_ptr().cast_const() {
                self.close_cursor.set(next);
            }
        }
    }

    pub(super) fn count_done(&self) {
        self.done.set(self.done.get() + 1);
    }

    /// Puts a task into the run queue.
    ///
    /// # Safety
    /// The owner's thread; the task was marked as scheduled for this.
    #[inline]
    pub(super) unsafe fn enqueue(&self, task: TaskPtr) {
        // SAFETY: the mark says that it was not in the queue; it stays alive since it has the scheduler's reference until it is taken out.
        unsafe { self.queue.push(task) }
    }

    /// Receives what other threads left.
    ///
    /// # Safety
    /// The owner's thread.
    #[inline]
    pub(super) unsafe fn receive_all(&self) {
        if !self.inbox.is_empty() {
            // SAFETY: the caller's word.
            unsafe { self.receive_taken(self.inbox.take()) }
        }
    }

    unsafe fn receive_taken(&self, taken: super::inbox::Taken) {
        for task in taken {
            // SAFETY: just taken out.
            unsafe {
                if task::take_new(task.as_ref()) {
                    self.link(task);
                }
                task::received(task);
            }
        }
    }

    /// Takes the task at the head out of the queue, to run it.
    ///
    /// # Safety
    /// The owner's thread, not from inside a poll.
    #[inline]
    pub(super) unsafe fn take_first(&self) -> Option<TaskPtr> {
        // SAFETY: the caller's word.
        unsafe { self.queue.pop() }
    }

    /// Polls the task at the head of the queue, if there is one.
    ///
    /// # Safety
    /// The owner's thread, not from inside a poll.
    #[inline]
    pub(super) unsafe fn run_one<H: Host>(&self) -> bool {
        // SAFETY: the caller's word.
        unsafe {
            let Some(task) = self.take_first() else {
                return false;
            };
            if let Err(payload) = H::catch(|| task::run(task)) {
                task::panicked(task, payload);
            }
            true
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Goes to sleep if nothing is queued or left by others; then the caller waits for the doorbell and calls
    /// [`receive_all`](Self::receive_all).
    pub(super) fn try_sleep(&self) -> bool {
        self.queue.is_empty() && self.inbox.try_sleep()
    }

    /// Calls `visit` for each task that is not done.
    pub(super) fn for_each_alive(&self, mut visit: impl FnMut(&Header)) {
        let mut next = self.all.get();
        // SAFETY: S2, and the owner's thread, since a scheduler is not `Sync`; `visit` gets no way to free a task.
        while let Some(header) = unsafe { next.as_ref() } {
            if !task::is_done(header) {
                visit(header);
            }
            next = header.all_next.get();
        }
    }

    /// Puts a task that another thread posted into the inbox.
    ///
    /// # Safety
    /// The caller set its `POSTED` bit.
    pub(super) unsafe fn receive(this: NonNull<Self>, task: TaskPtr) {
        // SAFETY: the caller's word; a push that failed leaves the bit to be taken back.
        unsafe {
            if !Self::try_receive(this, task) {
                task::unpost(task);
            }
        }
    }

    /// As [`receive`](Self::receive); false if the executor is gone.
    ///
    /// # Safety
    /// As `receive`.
    pub(super) unsafe fn try_receive(this: NonNull<Self>, task: TaskPtr) -> bool {
        // SAFETY: `POSTED` keeps the task, and so the scheduler, until it is in the inbox; after that the reference taken for the
        // doorbell does.
        unsafe {
            let scheduler = this.as_ref();
            let mut pinned = false;
            let pushed = scheduler.inbox.push(task, || {
                pinned = true;
                scheduler.add_ref();
            });
            if pushed == Pushed::Ring {
                (scheduler.doorbell)(this);
            }
            if pinned {
                Self::drop_ref(this);
            }
            pushed != Pushed::Closed
        }
    }

    /// One more who keeps the memory.
    pub(super) fn add_ref(&self) {
        self.refs.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an [`add_ref`](Self::add_ref) back, by somebody who has another.
    pub(super) fn forget_ref(&self) {
        self.refs.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives a reference up; the last one frees.
    ///
    /// # Safety
    /// The caller has one and does not use the scheduler again.
    pub(super) unsafe fn drop_ref(this: NonNull<Self>) {
        // SAFETY: the caller's word.
        unsafe {
            let (refs, release) = (&this.as_ref().refs, this.as_ref().release);
            if refs.fetch_sub(1, Ordering::AcqRel) == 1 {
                release(this);
            }
        }
    }

    /// Drops every future, and hands tasks that are still referred to over to those who do. The executor's reference stays.
    ///
    /// # Safety
    /// The owner's thread, once, not from inside a poll.
    pub(super) unsafe fn close(this: NonNull<Self>) {
        // SAFETY: the caller's word; the executor's reference keeps the scheduler.
        unsafe {
            let scheduler = this.as_ref();
            scheduler.closing.set(true);
            scheduler.receive_taken(scheduler.inbox.close());
            while let Some(task) = scheduler.queue.pop() {
                if task::is_done(task.as_ref()) {
                    // Woken in its last poll: the queue had the scheduler's reference.
                    task::drop_local(task);
                }
            }
            scheduler.for_each_alive(task::keep_out);
            // Dropping a future runs foreign code, which may spawn (and is cancelled) or free other tasks (and moves the cursor).
            scheduler.close_cursor.set(scheduler.all.get());
            while let Some(task) = NonNull::new(scheduler.close_cursor.get().cast_mut()) {
                scheduler.close_cursor.set(task.as_ref().all_next.get());
                if !task::is_done(task.as_ref()) {
                    task::cancel(task);
                }
            }
            scheduler.owner.store(CLOSED, Ordering::Relaxed);
            let mut next = scheduler.all.replace(null());
            while let Some(task) = NonNull::new(next.cast_mut()) {
                next = task.as_ref().all_next.get();
                task::orphan(task, scheduler);
            }
        }
    }
}
