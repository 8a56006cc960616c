//! Tasks of one kind, whose outputs are taken as they end.
#![forbid(unsafe_code)]

use crate::exec::executor::Handle;
use crate::exec::host::Host;
use crate::exec::sync::{UnboundedReceiver, UnboundedSender, unbounded};
use crate::exec::task::{JoinError, JoinHandle};
use crate::platform::Reactor;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// A set of tasks. Dropping it aborts them; [`detach_all`](Self::detach_all) lets them go on.
pub struct TaskSet<T> {
    tasks: Vec<Option<JoinHandle<T>>>,
    free: Vec<usize>,
    ended: UnboundedReceiver<usize>,
    tell: UnboundedSender<usize>,
    /// The task that has ended and whose output comes next.
    next: Option<usize>,
}

/// Tells the set that its task's future is gone, however it went.
struct Tell {
    to: UnboundedSender<usize>,
    index: usize,
}

impl Drop for Tell {
    fn drop(&mut self) {
        // The set may be gone.
        let _ = self.to.send(self.index);
    }
}

impl<T: 'static> TaskSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        let (tell, ended) = unbounded();
        Self {
            tasks: Vec::new(),
            free: Vec::new(),
            ended,
            tell,
            next: None,
        }
    }

    /// Starts a task of the set on an executor.
    pub fn spawn_on<P: Reactor, H: Host>(
        &mut self,
        handle: &Handle<P, H>,
        future: impl Future<Output = T> + 'static,
    ) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let tell = Tell {
            to: self.tell.clone(),
            index,
        };
        self.tasks[index] = Some(handle.spawn(async move {
            let _tell = tell;
            future.await
        }));
    }
}

impl<T> TaskSet<T> {
    /// Tasks whose output was not taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next task that ends; `None` if the set is empty. Cancel-safe.
    ///
    /// # Errors
    /// The task panicked, or was cancelled.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), for hand-written futures.
    ///
    /// # Errors
    /// As `join_next`.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        if self.next.is_none() {
            self.next = ready!(self.ended.poll_recv(cx));
        }
        let Some(index) = self.next else {
            return Poll::Ready(None);
        };
        // The output may come a little later: a task that is cancelled before its first poll tells before its future is dropped, and
        // that may be what polls here.
        let output = match &mut self.tasks[index] {
            Some(handle) => ready!(Pin::new(handle).poll(cx)),
            None => return Poll::Pending,
        };
        self.next = None;
        self.tasks[index] = None;
        self.free.push(index);
        Poll::Ready(Some(output))
    }

    /// Cancels all tasks. They still give their outputs, or that they were cancelled.
    pub fn abort_all(&self) {
        for task in self.tasks.iter().flatten() {
            task.abort();
        }
    }

    /// Cancels all tasks and waits until their futures are gone; outputs are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets the tasks go on alone.
    pub fn detach_all(&mut self) {
        self.free.clear();
        for task in core::mem::take(&mut self.tasks).into_iter().flatten() {
            task.detach();
        }
        let (tell, ended) = unbounded();
        (self.tell, self.ended) = (tell, ended);
        self.next = None;
    }
}

impl<T> Drop for TaskSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T: 'static> Default for TaskSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet")
            .field("tasks", &self.len())
            .finish_non_exhaustive()
    }
}
