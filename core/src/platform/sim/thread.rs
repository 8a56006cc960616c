//! Simulated threads: a host's stack each, one of them running at a time.
#![allow(unsafe_code, reason = "a thread's entry takes a raw argument")]

use super::Sim;
use super::machine::Power;
use super::scheduler::{On, ThreadId};
use crate::error::{Error, Kind, Operation, Result};
use crate::limits::THREAD_NAME_BYTES_MAX;
use crate::platform::{CpuSet, ThreadEntry, ThreadOptions, Threads};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

/// A started thread.
#[derive(Debug)]
pub struct SimThread {
    sim: Sim,
    id: ThreadId,
}

impl Drop for SimThread {
    fn drop(&mut self) {
        self.sim.state().scheduler.detach(self.id);
    }
}

/// The argument of a thread on its way to it.
struct Argument(*mut u8);

// SAFETY: the caller of spawn promises that the entry may be called with it on another thread.
unsafe impl Send for Argument {}

impl Sim {
    fn usable(&self, cpus: &CpuSet) -> bool {
        cpus.iter().any(|cpu| cpu < self.0.options.processors)
    }
}

/// The part of `name` that a system keeps.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(THREAD_NAME_BYTES_MAX)]
}

// SAFETY: the entry is called when the baton comes to the body, once, since a body is; and it comes only to a thread that the host
// took. `join` returns success only for a thread whose phase is `Ended`, which it sets after its entry and hooks.
unsafe impl Threads for Sim {
    type Thread = SimThread;

    /// `Unsupported` on a machine that was made without a host.
    unsafe fn spawn(
        &self,
        options: &ThreadOptions<'_>,
        entry: ThreadEntry,
        argument: *mut u8,
    ) -> Result<SimThread> {
        let error = |kind| Error::new(Operation::Spawn, kind);
        let Some(host) = &self.0.host else {
            return Err(error(Kind::Unsupported));
        };
        let mut state = self.enter(Operation::Spawn)?;
        let name = options.name.unwrap_or("");
        if name.contains('\0') || options.affinity.is_some_and(|cpus| !self.usable(cpus)) {
            return Err(error(Kind::InvalidInput));
        }
        let (id, baton) = state.scheduler.add(String::from(cut(name)));
        state.trace.detail([id, 0]);
        drop(state);
        let sim = self.clone();
        let argument = Argument(argument);
        let body = Box::new(move || {
            let argument = argument;
            sim.take_baton(&baton);
            // SAFETY: called once, on another thread, as the caller of spawn allows.
            unsafe { entry(argument.0) };
            sim.run_slot_hooks();
            sim.end_thread();
        });
        if let Err(refused) = host.host_start(body, options.stack_bytes) {
            self.state().scheduler.remove(id);
            return Err(refused);
        }
        drop(self.preempt(self.state()));
        Ok(SimThread {
            sim: self.clone(),
            id,
        })
    }

    /// Succeeds on a machine that is off too, once the thread has ended; `PowerLost` if it was frozen.
    fn join(&self, thread: SimThread) -> Result<()> {
        let mut state = self.step(Operation::Join);
        state.trace.detail([thread.id, 0]);
        if state.scheduler.current() == thread.id {
            return Err(Error::new(Operation::Join, Kind::InvalidInput));
        }
        if !Arc::ptr_eq(&self.0, &thread.sim.0) {
            return Err(Error::new(Operation::Join, Kind::InvalidInput));
        }
        while !state.scheduler.is_over(thread.id) {
            state = self.block(state, On::End(thread.id), None).0;
            if state.power != Power::On {
                state = self.linger(state);
            }
        }
        let frozen = state.scheduler.is_frozen(thread.id);
        drop(state);
        // The handle's drop forgets the thread.
        drop(thread);
        if frozen {
            return Err(Error::new(Operation::Join, Kind::PowerLost));
        }
        Ok(())
    }

    fn set_name(&self, name: &str) -> Result<()> {
        let mut state = self.enter(Operation::ThreadName)?;
        if name.contains('\0') {
            return Err(Error::new(Operation::ThreadName, Kind::InvalidInput));
        }
        state.scheduler.set_name(cut(name));
        Ok(())
    }

    fn set_affinity(&self, cpus: &CpuSet) -> Result<()> {
        let _state = self.enter(Operation::Affinity)?;
        if self.usable(cpus) {
            Ok(())
        } else {
            Err(Error::new(Operation::Affinity, Kind::InvalidInput))
        }
    }

    fn thread_id(&self) -> u64 {
        self.state().scheduler.current()
    }

    fn parallelism(&self) -> usize {
        self.0.options.processors.max(1)
    }

    fn yield_now(&self) {
        let state = self.step(Operation::Yield);
        drop(self.yield_to_any(state));
    }

    /// Threads run one at a time here, so their writes are in one order already.
    fn fence_others(&self) -> bool {
        let can = self.0.options.fence_others && !self.state().fences_forbidden;
        if can {
            self.yield_now();
        }
        can
    }
}
