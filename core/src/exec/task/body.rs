//! A task as one block: header, then the future, and later its output in the same place.
#![allow(
    unsafe_code,
    reason = "a union of future and output, reached through raw pointers"
)]

use super::header::{Header, Output, TaskPtr, VTable};
use super::join_handle::{JoinError, JoinHandle, Waiting};
use super::reference::{drop_local, schedule};
use super::run::{self, run};
use super::space::TaskSpace;
use super::state::{HANDLE, OUTPUT};
use super::waker::Wakers;
use crate::exec::host::{Host, swallow};
use crate::exec::scheduler::Scheduler;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};

/// The future until `DONE`, then the output while `OUTPUT`.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Output<F::Output>>,
}

/// The whole block.
#[repr(C)]
pub(in crate::exec) struct Task<F: Future, H> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
    _host: PhantomData<fn() -> H>,
}

impl<F: Future, H: Host> Task<F, H> {
    pub(in crate::exec) const LAYOUT: Layout = Layout::new::<Self>();

    /// Where the output is, as [`JoinHandle`] finds it without knowing the future's type.
    const OUTPUT: usize = core::mem::offset_of!(Self, stage);

    #[cfg(feature = "alloc")]
    const HEAP: &'static VTable = &VTable {
        run: run::<F, H>,
        cancel: run::cancel::<F, H>,
        panicked: run::panicked::<F, H>,
        output: Self::OUTPUT,
        release: release_heap::<F, H>,
        waker: Wakers::<H>::VTABLE,
        name: core::any::type_name::<F>,
    };

    const STATIC: &'static VTable = &VTable {
        run: run::<F, H>,
        cancel: run::cancel::<F, H>,
        panicked: run::panicked::<F, H>,
        output: Self::OUTPUT,
        release: release_static,
        waker: Wakers::<H>::VTABLE,
        name: core::any::type_name::<F>,
    };

    /// Puts a task into a block from the scheduler's pool and schedules it.
    ///
    /// # Safety
    /// The caller is the scheduler's thread, and the scheduler is open. The future is only polled and dropped there.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(in crate::exec) unsafe fn spawn(
        scheduler: NonNull<Scheduler>,
        future: F,
    ) -> JoinHandle<F::Output> {
        // SAFETY: the block has the task's layout; the header's two references are the scheduler's and the handle's.
        unsafe {
            let block = scheduler
                .as_ref()
                .blocks()
                .take(Self::LAYOUT)
                .cast::<Self>();
            Self::write(block, Header::local(Self::HEAP, scheduler), future);
            scheduler.as_ref().adopt(block.cast());
            JoinHandle::new(block.cast())
        }
    }

    /// As [`spawn`](Self::spawn), in memory that is there for ever.
    ///
    /// # Safety
    /// As `spawn`; `space` is claimed, large enough and aligned.
    pub(in crate::exec) unsafe fn spawn_in(
        scheduler: NonNull<Scheduler>,
        space: NonNull<u8>,
        future: F,
    ) -> JoinHandle<F::Output> {
        // SAFETY: as in `spawn`.
        unsafe {
            let block = space.cast::<Self>();
            Self::write(block, Header::local(Self::STATIC, scheduler), future);
            scheduler.as_ref().adopt(block.cast());
            JoinHandle::new(block.cast())
        }
    }

    /// Makes a task on another thread and puts it into the scheduler's inbox.
    ///
    /// # Safety
    /// The scheduler is alive; the future may move to its thread.
    #[cfg(feature = "alloc")]
    pub(in crate::exec) unsafe fn spawn_remote(scheduler: NonNull<Scheduler>, future: F)
    where
        F: Send,
    {
        // SAFETY: the block has the task's layout; the header has one reference, the scheduler's, and POSTED is set.
        unsafe {
            let block = crate::exec::block_pool::allocate(Self::LAYOUT).cast::<Self>();
            Self::write(block, Header::posted(Self::HEAP, scheduler), future);
            if !Scheduler::try_receive(scheduler, block.cast()) {
                // Closed: nobody saw it.
                ManuallyDrop::drop(&mut (*block.as_ref().stage.get()).future);
                release_heap::<F, H>(block.cast(), None);
            }
        }
    }

    /// # Safety
    /// `block` is memory for a task that nobody uses.
    unsafe fn write(block: NonNull<Self>, header: Header, future: F) {
        // SAFETY: the caller's word. Field by field, so that the future is moved once.
        unsafe {
            let block = block.as_ptr();
            (&raw mut (*block).header).write(header);
            (&raw mut (*block).stage).write(UnsafeCell::new(Stage {
                future: ManuallyDrop::new(future),
            }));
        }
    }
}

/// The stage of a task.
///
/// # Safety
/// `task` is a `Task<F, H>`.
unsafe fn stage<F: Future, H>(task: TaskPtr) -> *mut Stage<F> {
    // SAFETY: the caller's word; no reference to the whole block is made, since the header is shared.
    unsafe { UnsafeCell::raw_get(&raw const (*task.cast::<Task<F, H>>().as_ptr()).stage) }
}

/// Polls the future. True: it is dropped, and its output stands in its place. A panic of the poll passes through, with the future in place.
///
/// # Safety
/// The task is a `Task<F, H>` that is not done; only the owner's thread is here, and not from inside of this.
#[inline]
pub(super) unsafe fn poll<F: Future, H: Host>(task: TaskPtr, cx: &mut Context<'_>) -> bool {
    // SAFETY: the task is not done, so the future is in place; it is pinned, since the block never moves.
    unsafe {
        let stage = stage::<F, H>(task);
        match Pin::new_unchecked(&mut *(*stage).future).poll(cx) {
            Poll::Pending => false,
            Poll::Ready(output) => {
                finish::<F, H>(stage, Ok(output));
                true
            }
        }
    }
}

/// Drops the future and puts an error in its place.
///
/// # Safety
/// As [`poll`].
pub(super) unsafe fn fail<F: Future, H: Host>(task: TaskPtr, error: JoinError) {
    // SAFETY: as in `poll`.
    unsafe { finish::<F, H>(stage::<F, H>(task), Err(error)) }
}

/// Drops the future and puts the output in its place; a panic of the drop becomes the output.
#[inline]
unsafe fn finish<F: Future, H: Host>(stage: *mut Stage<F>, output: Output<F::Output>) {
    // SAFETY: the future is in place, and is dropped once, here.
    unsafe {
        let dropped = if core::mem::needs_drop::<F>() {
            H::catch(|| ManuallyDrop::drop(&mut (*stage).future))
        } else {
            Ok(())
        };
        let output = match dropped {
            Ok(()) => output,
            Err(payload) => {
                swallow::<H>(|| drop(output));
                Err(JoinError::panicked(payload))
            }
        };
        (&raw mut (*stage).output).write(ManuallyDrop::new(output));
    }
}

/// Wakes who waits for the output, or drops the output if nobody can ask for it.
///
/// # Safety
/// The owner's thread, with a reference of its own; the task is a `Task<F, H>` that just became done.
#[inline]
pub(super) unsafe fn announce<F: Future, H: Host>(task: TaskPtr) {
    // SAFETY: the caller's word.
    unsafe {
        let header = task.as_ref();
        let flags = header.flags.get();
        if flags & HANDLE != 0 {
            match header.joiner.replace(Waiting::Task(None)) {
                Waiting::Task(None) => {}
                Waiting::Task(Some(joiner)) => {
                    schedule(joiner);
                    drop_local(joiner);
                }
                Waiting::Other(joiner) => swallow::<H>(|| joiner.wake()),
            }
        } else if flags & OUTPUT != 0 {
            header.flags.set(flags & !OUTPUT);
            swallow::<H>(|| drop_output::<F, H>(task));
        }
    }
}

unsafe fn drop_output<F: Future, H>(task: TaskPtr) {
    // SAFETY: the caller says that the output is in place, and does not use it again.
    unsafe { ManuallyDrop::drop(&mut (*stage::<F, H>(task)).output) }
}

#[cfg(feature = "alloc")]
unsafe fn release_heap<F: Future, H: Host>(task: TaskPtr, scheduler: Option<&Scheduler>) {
    // SAFETY: nobody has the task any more; the block came from an allocation with this layout.
    unsafe {
        core::ptr::drop_in_place(task.as_ptr());
        match scheduler {
            Some(scheduler) => scheduler.blocks().give(task.cast(), Task::<F, H>::LAYOUT),
            None => crate::exec::block_pool::free(task.cast(), Task::<F, H>::LAYOUT),
        }
    }
}

unsafe fn release_static(task: TaskPtr, _: Option<&Scheduler>) {
    // SAFETY: nobody has the task any more; the memory is a space's, just behind its flag.
    unsafe {
        core::ptr::drop_in_place(task.as_ptr());
        TaskSpace::<0>::release(task.cast());
    }
}
