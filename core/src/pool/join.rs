//! Fork and join: two closures, perhaps at the same time.
//!
//! The second half's closure lies in the caller's frame; a pointer to it goes onto the worker's stack. Nobody else sees it
//! unless a thief asks: then the join makes the oldest pending halves public. Without a thief a join is a few plain loads and stores.
//!
//! ```text
//!   push b (asked? share) -> run a -> pop b -- private -----------------> run b here
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
use super::scope::drop_quietly;
use super::worker::{State, Worker};
use core::mem::{ManuallyDrop, forget};

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
        let limit = self.state.stack.limit();
        if self.state.stack.is_lean(limit) {
            return self.join_here(a, b);
        }
        self.join_pushed(limit, a, b)
    }

    /// Runs both here. Nobody wants `b`, and thieves that come find older halves.
    #[inline(always)]
    fn join_here<A, B, RA, RB>(self, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Worker<'w, E>) -> RA,
        B: for<'w> FnOnce(Worker<'w, E>) -> RB,
    {
        let mut second = Second {
            worker: self,
            closure: ManuallyDrop::new(b),
        };
        let ra = a(self);
        // SAFETY: it is taken once: the guard is forgotten.
        let b = unsafe { ManuallyDrop::take(&mut second.closure) };
        forget(second);
        (ra, b(self))
    }

    #[inline]
    fn join_pushed<A, B, RA, RB>(self, limit: usize, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Worker<'w, E>) -> RA,
        B: for<'w> FnOnce(Worker<'w, E>) -> RB + Send,
        RB: Send,
    {
        let state = self.state;
        let half = StackHalf::<E, B, RB>::new(b);
        if !state.stack.push(limit, &raw const half.half) {
            push_slowly(state, &raw const half.half);
        }
        let unwinding = Unwinding {
            state,
            half: &raw const half,
        };
        let ra = a(self);
        forget(unwinding);
        if state.stack.pop() || take_back(state, &raw const half.half) {
            // SAFETY: J3: it is private again.
            return (ra, unsafe { half.closure() }(self));
        }
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

/// Somebody asked; or the window is full; or the stack is deeper than any sharing needs, and this half stays out of it.
#[cold]
#[inline(never)]
fn push_slowly<E: Env>(state: &State<E>, half: *const Half<E>) {
    state.stack.push_anyway(half);
    if state.stack.is_asked() {
        state.share();
    } else {
        state.stack.strain();
    }
}

/// Ends the second half of a lean join while the first one's panic unwinds through the frame.
struct Second<'w, E: Env, B: for<'x> FnOnce(Worker<'x, E>) -> RB, RB> {
    worker: Worker<'w, E>,
    closure: ManuallyDrop<B>,
}

impl<E: Env, B: for<'x> FnOnce(Worker<'x, E>) -> RB, RB> Drop for Second<'_, E, B, RB> {
    // Inlined, so that the closure stays in registers while the first half runs.
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whoever takes it otherwise forgets the guard.
        run_quietly(self.worker, unsafe {
            ManuallyDrop::take(&mut self.closure)
        });
    }
}

#[cold]
#[inline(never)]
fn run_quietly<E: Env, B, RB>(worker: Worker<'_, E>, closure: B)
where
    B: for<'x> FnOnce(Worker<'x, E>) -> RB,
{
    let env = worker.state.env();
    drop_quietly(env, env.catch(|| closure(worker)));
}

/// The half that was popped is public: takes it back, or else waits until its thief has run it.
#[cold]
#[inline(never)]
fn take_back<E: Env>(state: &State<E>, half: *const Half<E>) -> bool {
    state.env().preempt();
    let back = state.stack.reclaim();
    if back {
        state.reclaimed();
    } else {
        state.stack.hold();
        state.wait_for_half(half);
        state.stack.release();
    }
    if state.stack.is_empty() {
        state.end_tree();
    }
    back
}

/// Ends the second half while the first one's panic unwinds through the frame (J1).
struct Unwinding<'a, E: Env, F, R> {
    state: &'a State<E>,
    half: *const StackHalf<E, F, R>,
}

impl<E: Env, F, R> Drop for Unwinding<'_, E, F, R> {
    // Inlined, so that the two stay in registers while the first half runs.
    #[inline(always)]
    fn drop(&mut self) {
        abandon(self.state, self.half);
    }
}

#[cold]
#[inline(never)]
fn abandon<E: Env, F, R>(state: &State<E>, half: *const StackHalf<E, F, R>) {
    let head: *const Half<E> = half.cast();
    if state.stack.pop() || take_back(state, head) {
        // SAFETY: J3; its own panic is caught in there.
        unsafe { ((*head).run)(head, state) };
    }
    // SAFETY: it was run, here or by a thief whose latch was seen, and nobody else takes the result.
    let result = unsafe { (*half).result() };
    drop_quietly(state.env(), result);
}
