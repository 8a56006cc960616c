//! Waiting for the first of a known number of futures.
#![forbid(unsafe_code)]

/// Which of two; for [`select!`](crate::select).
#[doc(hidden)]
#[derive(Debug)]
pub enum Either<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of several futures and runs its branch; the other futures are dropped before the branch runs.
///
/// ```
/// # async fn first() {
/// use core::future::{pending, ready};
/// let text = underpin_core::select! {
///     number = ready(7) => if number == 7 { "seven" } else { "another" },
///     () = pending() => "never",
/// };
/// assert_eq!(text, "seven");
/// # }
/// ```
///
/// Futures are polled in the order written, so of several that are ready the first wins: put what must not starve first. Patterns must
/// be irrefutable. Branches may `break`, `continue`, `return` and use `?`. A branch that shall only count under a condition waits for
/// `core::future::pending()` otherwise.
#[macro_export]
macro_rules! select {
    ($($pattern:pat = $future:expr => $body:expr),+ $(,)?) => {{
        let chosen = $crate::__select_poll!({} [] $($future,)+);
        $crate::__select_match!(chosen, $($pattern => $body,)+)
    }};
}

/// The futures of `select!`, each in a variable of its own, with the way to its branch.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_poll {
    ({ $(($name:ident [$($way:ident)*]))* } [$($depth:ident)*] $last:expr,) => {{
        let mut future = ::core::pin::pin!($last);
        ::core::future::poll_fn(|cx| {
            $(
                if let ::core::task::Poll::Ready(output) =
                    ::core::future::Future::poll($name.as_mut(), cx)
                {
                    return ::core::task::Poll::Ready($crate::__select_wrap!(
                        [$($way)*] $crate::exec::Either::Left(output)
                    ));
                }
            )*
            ::core::future::Future::poll(future.as_mut(), cx)
                .map(|output| $crate::__select_wrap!([$($depth)*] output))
        })
        .await
    }};
    ({ $($done:tt)* } [$($depth:ident)*] $first:expr, $($rest:expr,)+) => {{
        let mut future = ::core::pin::pin!($first);
        $crate::__select_poll!({ $($done)* (future [$($depth)*]) } [$($depth)* Right] $($rest,)+)
    }};
}

/// The output at its depth.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_wrap {
    ([] $output:expr) => { $output };
    ([$first:ident $($rest:ident)*] $output:expr) => {
        $crate::exec::Either::$first($crate::__select_wrap!([$($rest)*] $output))
    };
}

/// The branch of the output.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_match {
    ($chosen:ident, $pattern:pat => $body:expr,) => {{
        let $pattern = $chosen;
        $body
    }};
    ($chosen:ident, $pattern:pat => $body:expr, $($rest:tt)+) => {
        match $chosen {
            $crate::exec::Either::Left($pattern) => $body,
            $crate::exec::Either::Right(chosen) => $crate::__select_match!(chosen, $($rest)+),
        }
    };
}
