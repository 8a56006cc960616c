//! Who starts a pool's threads.
#![forbid(unsafe_code)]

use super::Std;
use crate::sys::ResultExt;
use std::{io, thread};
use underpin_core::error::{Error, Kind, Operation};
use underpin_core::pool::{Builder, Pool, ThreadStart};

/// A thread of a pool before it starts. Dropping it is as if the thread had ended at once.
#[derive(Debug)]
pub struct ThreadBuilder(ThreadStart<Std>);

impl ThreadBuilder {
    /// The thread's index in its pool.
    pub fn index(&self) -> usize {
        self.0.index()
    }

    /// What the pool's builder says that the thread is called.
    pub fn name(&self) -> Option<String> {
        self.0.name()
    }

    /// What the pool's builder says of the thread's stack, in bytes.
    pub fn stack_size(&self) -> Option<usize> {
        Some(self.0.stack_bytes()).filter(|bytes| *bytes != 0)
    }

    /// Works as that thread, until the pool ends. Returns at once if building the pool has failed.
    ///
    /// # Panics
    /// If this thread works in a pool already.
    pub fn run(self) {
        self.0.run();
    }

    /// The standard library's builder with this name and stack.
    pub(super) fn to_std(&self) -> thread::Builder {
        let mut thread = thread::Builder::new();
        if let Some(name) = self.name() {
            thread = thread.name(name);
        }
        if let Some(bytes) = self.stack_size() {
            thread = thread.stack_size(bytes);
        }
        thread
    }
}

/// How a pool's threads are started.
pub(super) trait Start {
    /// Builds the pool.
    fn start(self, builder: Builder<Std>) -> io::Result<Pool<Std>>;
}

/// By the pool itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnThreads;

impl Start for OwnThreads {
    fn start(self, builder: Builder<Std>) -> io::Result<Pool<Std>> {
        builder.build().into_io()
    }
}

/// By a function of the program's.
#[derive(Debug)]
pub struct SpawnHandler<F>(pub(super) F);

impl<F: FnMut(ThreadBuilder) -> io::Result<()>> Start for SpawnHandler<F> {
    fn start(mut self, builder: Builder<Std>) -> io::Result<Pool<Std>> {
        let mut refusal = None;
        let built = builder.build_with(|start| {
            (self.0)(ThreadBuilder(start)).map_err(|error| {
                refusal = Some(error);
                Error::new(Operation::Spawn, Kind::Other)
            })
        });
        built.or_else(|error| refusal.map_or(Err(error).into_io(), Err))
    }
}
