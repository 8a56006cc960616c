//! Tasks that borrow: they run within the future that waits for them.
//!
//! Tasks of the executor may outlive whoever spawned them, so they cannot borrow; leaking a future that waits for them would leave them with
//! dangling references. The tasks of a scope are parts of its future instead: they run while it is polled and go when it goes.
#![forbid(unsafe_code)]

use super::future_set::FutureSet;
use crate::exec::sync::{Closed, OneshotReceiver, oneshot};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

/// Tasks that were spawned since the last poll; `None` once the scope is over.
type Incoming<'env> = RefCell<Option<Vec<Pin<Box<dyn Future<Output = ()> + 'env>>>>>;

/// Spawns tasks that may borrow what outlives `'env`; see [`scope`]. Clones spawn into the same scope.
#[derive(Clone)]
pub struct Scope<'env>(Rc<Incoming<'env>>);

/// Waits for a task of a scope. Dropping it lets the task go on.
pub struct ScopedJoin<T>(OneshotReceiver<T>);

/// Runs `body` and the tasks that it spawns, by turns in this task; ends with `body`'s output when all of them have ended.
///
/// ```
/// # async fn total(numbers: &[u32]) -> u32 {
/// use core::cell::Cell;
/// let sum = Cell::new(0);
/// let add = &sum;
/// underpin_core::exec::scope(|scope| async move {
///     for &number in numbers {
///         scope.spawn(async move { add.set(add.get() + number) });
///     }
/// })
/// .await;
/// sum.get()
/// # }
/// ```
///
/// Dropping the future drops the tasks. A panic of one passes through and drops the others.
pub async fn scope<'env, T, F>(body: impl FnOnce(Scope<'env>) -> F) -> T
where
    F: Future<Output = T>,
{
    let incoming = Rc::new(RefCell::new(Some(Vec::new())));
    let mut tasks = FutureSet::new();
    let mut body = pin!(body(Scope(Rc::clone(&incoming))));
    let mut output = None;
    // The last of all, and so the first to go: what the others' destructors spawn is dropped at once.
    let end = End(&incoming);
    poll_fn(|cx| {
        if output.is_none()
            && let Poll::Ready(value) = body.as_mut().poll(cx)
        {
            output = Some(value);
        }
        tasks.extend(end.take_incoming());
        // One pass a poll: tasks that wake themselves, or spawn for ever, must not keep the rest of the executor waiting.
        tasks.poll_woken(cx);
        if end.has_incoming() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !tasks.is_empty() {
            return Poll::Pending;
        }
        match output.take() {
            Some(value) => Poll::Ready(value),
            None => Poll::Pending,
        }
    })
    .await
}

/// Closes a scope however it ends. A future that waits there may hold the scope, and so itself, so somebody must drop it.
struct End<'a, 'env>(&'a Incoming<'env>);

impl<'env> End<'_, 'env> {
    fn take_incoming(&self) -> Vec<Pin<Box<dyn Future<Output = ()> + 'env>>> {
        self.0
            .borrow_mut()
            .as_mut()
            .map(core::mem::take)
            .unwrap_or_default()
    }

    fn has_incoming(&self) -> bool {
        self.0
            .borrow()
            .as_ref()
            .is_some_and(|incoming| !incoming.is_empty())
    }
}

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        let left = self.0.take();
        // With nothing borrowed: destructors may spawn.
        drop(left);
    }
}

impl<'env> Scope<'env> {
    /// Adds a task. It is first polled after the one that spawns it. When the scope is over its future is dropped at once.
    pub fn spawn<T: 'env>(&self, future: impl Future<Output = T> + 'env) -> ScopedJoin<T> {
        let (sender, receiver) = oneshot();
        let task = Box::pin(async move {
            // Nobody may wait for it.
            let _ = sender.send(future.await);
        });
        if let Some(incoming) = &mut *self.0.borrow_mut() {
            incoming.push(task);
        }
        ScopedJoin(receiver)
    }
}

impl<T> Future for ScopedJoin<T> {
    /// `Closed` if the scope ended without the task.
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoin").finish_non_exhaustive()
    }
}
