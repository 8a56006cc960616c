//! Waiting for all of a known number of futures.
#![allow(unsafe_code, reason = "a pinned field of an enum")]

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A future, then its output, then nothing; for [`join!`](crate::join).
#[doc(hidden)]
#[derive(Debug)]
pub enum MaybeDone<F: Future> {
    Pending(F),
    Done(F::Output),
    Taken,
}

impl<F: Future> MaybeDone<F> {
    pub const fn new(future: F) -> Self {
        Self::Pending(future)
    }

    /// Polls, unless it is done; whether it is done now.
    pub fn poll_done(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        // SAFETY: the future is pinned with `self`, and dropped in place when its output takes its place.
        unsafe {
            let Self::Pending(future) = self.as_mut().get_unchecked_mut() else {
                return true;
            };
            let Poll::Ready(output) = Pin::new_unchecked(future).poll(cx) else {
                return false;
            };
            self.set(Self::Done(output));
        }
        true
    }

    /// The output, if it is there.
    pub fn output(self: Pin<&mut Self>) -> Option<&mut F::Output> {
        // SAFETY: an output is not pinned.
        match unsafe { self.get_unchecked_mut() } {
            Self::Done(output) => Some(output),
            _ => None,
        }
    }

    /// Takes the output.
    ///
    /// # Panics
    /// If it is not there.
    pub fn take(mut self: Pin<&mut Self>) -> F::Output {
        // SAFETY: only an output, which is not pinned, is moved.
        unsafe {
            let this = self.as_mut().get_unchecked_mut();
            if matches!(this, Self::Done(_))
                && let Self::Done(output) = core::mem::replace(this, Self::Taken)
            {
                return output;
            }
        }
        panic!("the output of a future that is not done was taken");
    }
}

/// Waits for all of the futures, which run by turns in this task, and gives the tuple of their outputs.
///
/// ```
/// # async fn numbers() {
/// let (one, two) = underpin_core::join!(async { 1 }, async { 2 });
/// assert_eq!(one + two, 3);
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => { $crate::__join!({} $($future,)+) };
}

/// The futures of `join!`, each in a variable of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ({ $($name:ident)* } $first:expr, $($rest:expr,)*) => {{
        let mut future = ::core::pin::pin!($crate::exec::MaybeDone::new($first));
        $crate::__join!({ $($name)* future } $($rest,)*)
    }};
    ({ $($name:ident)+ }) => {
        ::core::future::poll_fn(|cx| {
            let mut done = true;
            $( done &= $name.as_mut().poll_done(cx); )+
            if done {
                ::core::task::Poll::Ready(($( $name.as_mut().take(), )+))
            } else {
                ::core::task::Poll::Pending
            }
        })
        .await
    };
}

/// As [`join!`](crate::join) for futures that give a `Result`: `Ok` with the tuple of what they gave, or the first `Err`, upon which the
/// others are dropped.
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {{ $crate::__try_join!({} $($future,)+) }};
}

/// The futures of `try_join!`, each in a variable of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! __try_join {
    ({ $($name:ident)* } $first:expr, $($rest:expr,)*) => {{
        let mut future = ::core::pin::pin!($crate::exec::MaybeDone::new($first));
        $crate::__try_join!({ $($name)* future } $($rest,)*)
    }};
    ({ $($name:ident)+ }) => {
        ::core::future::poll_fn(|cx| {
            let mut done = true;
            $(
                done &= $name.as_mut().poll_done(cx);
                if let ::core::option::Option::Some(::core::result::Result::Err(_)) =
                    $name.as_mut().output()
                    && let ::core::result::Result::Err(error) = $name.as_mut().take()
                {
                    return ::core::task::Poll::Ready(::core::result::Result::Err(error));
                }
            )+
            if done {
                ::core::task::Poll::Ready(::core::result::Result::Ok(($(
                    match $name.as_mut().take() {
                        ::core::result::Result::Ok(output) => output,
                        ::core::result::Result::Err(error) => {
                            return ::core::task::Poll::Ready(::core::result::Result::Err(error));
                        }
                    },
                )+)))
            } else {
                ::core::task::Poll::Pending
            }
        })
        .await
    };
}
