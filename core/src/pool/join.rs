//! Fork and join: two closures, perhaps at the same time.
//!
//! The second half's closure lies in the caller's frame; a pointer to it goes onto the worker's stack. Nobody else sees it
//! unless a thief asks: then the join makes the oldest pending halves public. Without a thief a join is a few plain loads and stores.
//!
//! ```text
//!   push b -> asked? share -> run a -> pop b -- private -----------------> run b here
//!                                        |- public, taken back ----------> run b here
//!                                        '- stolen: help the thief, wait -> its result
//! ```
//!
//! Both halves end, whatever panics; the panic of the first goes on, else that of the second.
#![allow(
    unsafe_code,
    reason = "lends a frame to other threads until it is done"
)]

use super::env::Env;
use super::job::{Half, StackHalf};
use super::split::Mark;
use super::worker::{State, Worker};
use core::mem::forget;

impl<E: Env> Worker<'_, E> {
    /// Runs `a` here, and `b` here after it or on another worker meanwhile. The order on one thread is that of the source: `a`, then `b`.
    ///
    /// # Panics
    /// If a closure panics, after both have ended: with the payload of `a` if both do.
    #[inline]
    pub fn join<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Worker<'w, E>) -> RA,
        B: for<'w> FnOnce(Worker<'w, E>) -> RB + Send,
        RB: Send,
    {
        let state = self.state;
        let half = StackHalf::<E, B, RB>::new(b);
        let Some(mark) = state.stack.push(&raw const half.half) else {
            // Deeper than any sharing needs: in turn.
            // SAFETY: the half was never pushed.
            return (a(self), unsafe { half.closure() }(self));
        };
        if state.stack.is_asked() {
            state.share();
        }
        let unwinding = Unwinding {
            state,
            half: &raw const half.half,
            mark,
        };
        let ra = a(self);
        forget(unwinding);
        if state.stack.pop(mark) || take_back(state, mark) {
            // SAFETY: J3: it is private again.
            return (ra, unsafe { half.closure() }(self));
        }
        wait(state, &raw const half.half, mark);
        // SAFETY: the latch was set.
        match unsafe { half.result() } {
            Ok(rb) => (ra, rb),
            Err(payload) => {
                drop(ra);
                state.env().resume(payload)
            }
        }
    }
}

#[cold]
fn take_back<E: Env>(state: &State<E>, mark: Mark<Half<E>>) -> bool {
    state.env().preempt();
    let back = state.stack.reclaim(mark);
    if back {
        state.reclaimed();
    }
    back
}

#[cold]
fn wait<E: Env>(state: &State<E>, half: *const Half<E>, mark: Mark<Half<E>>) {
    state.stack.hold(mark);
    state.wait_for_half(half);
    state.stack.release(mark);
}

/// Ends the second half while the first one's panic unwinds through the frame (J1).
struct Unwinding<'a, E: Env> {
    state: &'a State<E>,
    half: *const Half<E>,
    mark: Mark<Half<E>>,
}

impl<E: Env> Drop for Unwinding<'_, E> {
    // Inlined, so that the three stay in registers while the first half runs.
    #[inline(always)]
    fn drop(&mut self) {
        abandon(self.state, self.half, self.mark);
    }
}

#[cold]
#[inline(never)]
fn abandon<E: Env>(state: &State<E>, half: *const Half<E>, mark: Mark<Half<E>>) {
    if state.stack.pop(mark) || take_back(state, mark) {
        // SAFETY: J3; its own panic is caught in there. The result stays where it is: nobody will take it.
        unsafe { ((*half).run)(half, state) };
    } else {
        wait(state, half, mark);
    }
}
