//! Tests of the executor on the simulated machine, with the host's threads where a wake comes from elsewhere.
#![allow(unsafe_code, reason = "a host of its own")]

mod combine;
mod foreign;
mod life_cycle;
mod static_memory;
mod sync;
mod timers;
mod wakers;

use super::{Executor, Host, PanicPayload};
use crate::platform::sim::{Sim, SimOptions};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::catch_unwind;

/// The host's threads.
pub(super) struct TestHost;

std::thread_local! {
    static TOKEN: u8 = const { 0 };
}

// SAFETY: threads that live at once have different thread-locals.
unsafe impl Host for TestHost {
    fn thread_token() -> usize {
        TOKEN.with(|token| core::ptr::from_ref(token).addr())
    }

    fn catch<R>(body: impl FnOnce() -> R) -> Result<R, PanicPayload> {
        catch_unwind(AssertUnwindSafe(body))
    }

    fn resume(payload: PanicPayload) -> ! {
        std::panic::resume_unwind(payload)
    }
}

type TestExecutor = Executor<Sim, TestHost>;

fn executor() -> TestExecutor {
    Executor::new(Sim::new(SimOptions::new(1))).expect("a simulated ring")
}

/// Pending once, with a wake on its way.
fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    core::future::poll_fn(move |cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

impl Log {
    fn add(&self, what: &'static str) {
        self.0.borrow_mut().push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }

    /// Logs `what` when it is dropped.
    fn on_drop(&self, what: &'static str) -> OnDrop {
        OnDrop(self.clone(), what)
    }
}

struct OnDrop(Log, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// A boxed future, for tests that poll by hand.
type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

fn poll_once<T>(future: &mut Boxed<T>, cx: &mut Context<'_>) -> Poll<T> {
    future.as_mut().poll(cx)
}
