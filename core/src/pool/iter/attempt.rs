//! What the `try_` methods understand as success and failure.
#![forbid(unsafe_code)]

use core::ops::ControlFlow;

/// A [`Result`], an [`Option`] or a [`ControlFlow`].
pub trait Attempt: Sized {
    /// What a success holds.
    type Output;
    /// What a failure holds.
    type Failure: Send;
    /// Takes it apart.
    fn branch(self) -> ControlFlow<Self::Failure, Self::Output>;
    /// A success.
    fn from_output(output: Self::Output) -> Self;
    /// A failure.
    fn from_failure(failure: Self::Failure) -> Self;
}

impl<T, X: Send> Attempt for Result<T, X> {
    type Output = T;
    type Failure = X;
    fn branch(self) -> ControlFlow<X, T> {
        match self {
            Ok(output) => ControlFlow::Continue(output),
            Err(failure) => ControlFlow::Break(failure),
        }
    }
    fn from_output(output: T) -> Self {
        Ok(output)
    }
    fn from_failure(failure: X) -> Self {
        Err(failure)
    }
}

impl<T> Attempt for Option<T> {
    type Output = T;
    type Failure = ();
    fn branch(self) -> ControlFlow<(), T> {
        self.map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }
    fn from_output(output: T) -> Self {
        Some(output)
    }
    fn from_failure((): ()) -> Self {
        None
    }
}

impl<T, X: Send> Attempt for ControlFlow<X, T> {
    type Output = T;
    type Failure = X;
    fn branch(self) -> Self {
        self
    }
    fn from_output(output: T) -> Self {
        Self::Continue(output)
    }
    fn from_failure(failure: X) -> Self {
        Self::Break(failure)
    }
}
