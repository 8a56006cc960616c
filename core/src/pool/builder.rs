//! How a pool is set up.
#![forbid(unsafe_code)]

use super::Pool;
use super::env::{Env, Payload};
use super::metrics::Trace;
use super::registry::Registry;
use super::scope::drop_quietly;
use super::start::ThreadStart;
use crate::error::Result;
use crate::platform::{CpuSet, Threads};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Called on a thread of the pool with its index.
pub type ThreadHandler = Box<dyn Fn(usize) + Send + Sync>;
/// Names a thread by its index.
type ThreadName = Box<dyn Fn(usize) -> String + Send + Sync>;
/// Called with what a detached job panicked with.
pub type PanicHandler = Box<dyn Fn(Payload) + Send + Sync>;

/// How long a worker without work spins before it sleeps, by default: about what a sleep and a wake cost.
const SPIN_NS: u64 = 20_000;

/// Spare threads by default; see [`Builder::spares`].
const SPARES: usize = 16;

pub(super) struct Settings {
    pub(super) threads: usize,
    pub(super) spares: usize,
    pub(super) stack_bytes: usize,
    name: Option<ThreadName>,
    /// Whether the thread that builds is the pool's first one.
    pub(super) adopts: bool,
    pub(super) pin: Option<Vec<CpuSet>>,
    pub(super) spin_ns: u64,
    pub(super) asymmetric: bool,
    pub(super) lean: bool,
    pub(super) trace: Option<Trace>,
    start: Option<ThreadHandler>,
    exit: Option<ThreadHandler>,
    panic: Option<PanicHandler>,
}

impl Settings {
    /// What the thread is called. A function that panics gives it no name: the thread may be a spare, which nobody waits for.
    pub(super) fn name<E: Env>(&self, env: &E, index: usize) -> Option<String> {
        let name = self.name.as_ref()?;
        match env.catch(|| name(index)) {
            Ok(name) => Some(name),
            Err(payload) => {
                drop_quietly(env, payload);
                None
            }
        }
    }

    pub(super) fn start<E: Env>(&self, env: &E, index: usize) {
        call(env, self.start.as_ref(), index);
    }

    pub(super) fn exit<E: Env>(&self, env: &E, index: usize) {
        call(env, self.exit.as_ref(), index);
    }

    pub(super) fn panic<E: Env>(&self, env: &E, payload: Payload) {
        match &self.panic {
            Some(handler) => {
                if let Err(second) = env.catch(|| handler(payload)) {
                    drop_quietly(env, second);
                }
            }
            None => drop_quietly(env, payload),
        }
    }
}

/// A handler's panic must not end the thread that the pool counts on.
fn call<E: Env>(env: &E, handler: Option<&ThreadHandler>, index: usize) {
    if let Some(handler) = handler
        && let Err(payload) = env.catch(|| handler(index))
    {
        drop_quietly(env, payload);
    }
}

/// Sets up a [`Pool`].
#[must_use = "nothing is started before `build`"]
pub struct Builder<E: Env> {
    env: E,
    settings: Settings,
}

impl<E: Env> fmt::Debug for Builder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.settings.threads)
            .finish_non_exhaustive()
    }
}

impl<E: Env> Builder<E> {
    /// A pool with a thread for each processor.
    pub fn new(env: E) -> Self {
        let threads = env.platform().parallelism();
        // Spinning gains nothing where whoever is waited for needs the same processor.
        let spin_ns = if threads > 1 { SPIN_NS } else { 0 };
        Self {
            env,
            settings: Settings {
                threads,
                spares: SPARES,
                stack_bytes: 0,
                name: None,
                adopts: false,
                pin: None,
                spin_ns,
                asymmetric: true,
                lean: true,
                trace: None,
                start: None,
                exit: None,
                panic: None,
            },
        }
    }

    /// How many threads; 0 for one per processor, which is the default.
    pub fn num_threads(mut self, count: usize) -> Self {
        let processors = self.env.platform().parallelism();
        self.settings.threads = if count == 0 { processors } else { count };
        if self.settings.threads > processors {
            // Threads that spin would take the place of threads that work.
            self.settings.spin_ns = 0;
        }
        self
    }

    /// No thread: whoever calls runs everything.
    pub fn without_threads(mut self) -> Self {
        self.settings.threads = 0;
        self.settings.spares = 0;
        self.settings.spin_ns = 0;
        self
    }

    /// How many spare threads may run in the place of blocked ones; default 16.
    pub fn spares(mut self, count: usize) -> Self {
        self.settings.spares = count;
        self
    }

    /// Names threads `prefix` and their index.
    pub fn thread_name_prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.thread_name(move |index| format!("{prefix}{index}"))
    }

    /// Names each thread, spare ones included, by its index. One whose name panics has none.
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.settings.name = Some(Box::new(name));
        self
    }

    /// Makes the thread that calls [`build`](Self::build) the pool's first one, with index 0; one thread less is started. It stays what else it
    /// is, and works for the pool while it is inside of it: in joins, scopes, loops, and where it gives way. A broadcast waits until it is.
    ///
    /// Dropping the pool on that thread waits for its jobs and ends the other threads, as ever; also in the middle of what the thread itself began:
    /// a join, a loop, a scope. What is left of that then runs on this thread alone, which is none of the pool's any more. Dropped elsewhere, or
    /// within another job that the thread took on where it gave way, the pool and its threads stay until the program ends, since the first one
    /// still belongs to it.
    ///
    /// In either case the pool's memory stays, some hundred KiB with the default number of spares: this is for a pool that is built once, not
    /// for one that is built again and again.
    pub fn use_current_thread(mut self) -> Self {
        self.settings.adopts = true;
        self
    }

    /// Stack of each thread in bytes; default 0: the system's own.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_bytes = bytes;
        self
    }

    /// Binds thread `i` to `cpus[i]`; threads past the list stay free.
    pub fn pin(mut self, cpus: Vec<CpuSet>) -> Self {
        self.settings.pin = Some(cpus);
        self
    }

    /// How long a worker without work spins before it sleeps, in nanoseconds. Default 20 us; 0 when there are more threads
    /// than processors.
    pub fn spin_ns(mut self, ns: u64) -> Self {
        self.settings.spin_ns = ns;
        self
    }

    /// Whether threads that steal or go to sleep have all others pass a fence (`membarrier` on Linux), so that those that spawn jobs need none.
    /// Default: where the system can. Without, spawning and running a job costs some ten nanoseconds more, and no thread of the
    /// program is ever interrupted for the pool: for programs with threads that must not be, and for those that will forbid themselves the
    /// call. (If that happens while a pool uses it, the pool stops for some milliseconds once, and does without from then on.)
    pub fn asymmetric_fences(mut self, yes: bool) -> Self {
        self.settings.asymmetric = yes;
        self
    }

    /// Whether joins deep in a tree may keep their second halves to themselves while no thread wants any. Default: yes. Without, a join costs some
    /// nanosecond more, and every second half can be taken by a thread without work, also during
    /// [`block_in_place`](Pool::block_in_place): for programs whose first halves wait for second ones. That holds for the first 4,096 pending
    /// halves of a thread, 256 where words have 32 bits; those within them wait for the thread itself.
    pub fn lean_joins(mut self, yes: bool) -> Self {
        self.settings.lean = yes;
        self
    }

    /// Called on each thread when it starts.
    pub fn start_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.start = Some(Box::new(handler));
        self
    }

    /// Called on each thread when it ends.
    pub fn exit_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.settings.exit = Some(Box::new(handler));
        self
    }

    /// Called with the payload of a detached job's panic. Without one the payload is dropped; the pool goes on.
    pub fn panic_handler(mut self, handler: impl Fn(Payload) + Send + Sync + 'static) -> Self {
        self.settings.panic = Some(Box::new(handler));
        self
    }

    /// Hears of events off the fast path.
    pub fn trace(mut self, hook: Trace) -> Self {
        self.settings.trace = Some(hook);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// `Limit` for more workers than a pool can have (32,000 with 64-bit words); what starting a thread may say, then those that had started
    /// have ended again; with [`use_current_thread`](Self::use_current_thread) `AlreadyExists` if this thread works in a pool, and `InvalidInput`
    /// for a pool without threads.
    pub fn build(self) -> Result<Pool<E>> {
        Ok(Pool {
            registry: Registry::start(self.env, self.settings, None)?,
        })
    }

    /// As [`build`](Self::build), with threads that `spawn` starts: it is called once for each, and has a thread call
    /// [`run`](ThreadStart::run). Such a pool has no spare threads, and binds none to processors. Dropping it waits until `run` has returned
    /// on each of them: one whose `ThreadStart` is neither run nor dropped is waited for without end.
    ///
    /// # Errors
    /// As [`build`](Self::build); what `spawn` says. Threads that ran have ended by then; those that come to `run` later return from it at once.
    ///
    /// # Panics
    /// If `spawn` does, once those threads that ran have ended.
    pub fn build_with(
        mut self,
        mut spawn: impl FnMut(ThreadStart<E>) -> Result<()>,
    ) -> Result<Pool<E>> {
        self.settings.spares = 0;
        Ok(Pool {
            registry: Registry::start(self.env, self.settings, Some(&mut spawn))?,
        })
    }
}
