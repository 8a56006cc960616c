//! futures-core's `Stream` for what gives values one after another.
#![forbid(unsafe_code)]

use super::combine::{FutureSet, TaskSet};
use super::sync::{Receiver, UnboundedReceiver};
use super::task::JoinError;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;

macro_rules! receivers {
    ($($type:ident),*) => {$(
        impl<T> Stream for $type<T> {
            type Item = T;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.get_mut().poll_recv(cx)
            }
        }
    )*};
}

receivers!(Receiver, UnboundedReceiver);

impl<T> Stream for FutureSet<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        FutureSet::poll_next(self.get_mut(), cx)
    }
}

impl<T> Stream for TaskSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_join_next(cx)
    }
}
