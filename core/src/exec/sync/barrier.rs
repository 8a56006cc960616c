//! A number of tasks that wait for each other.
#![forbid(unsafe_code)]

use super::notify::Notify;
use core::cell::Cell;

/// Lets a number of tasks go on together, again and again.
#[derive(Debug)]
pub struct Barrier {
    count: usize,
    arrived: Cell<usize>,
    round: Cell<u64>,
    all: Notify,
}

impl Barrier {
    /// A barrier for `count` tasks; 0 counts as 1.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self {
            count: if count == 0 { 1 } else { count },
            arrived: Cell::new(0),
            round: Cell::new(0),
            all: Notify::new(),
        }
    }

    /// Waits until as many tasks wait here as the barrier counts. True for the last one to come. Cancel-safe: who is dropped has not come.
    pub async fn wait(&self) -> bool {
        struct Arrival<'a>(&'a Barrier, u64);
        impl Drop for Arrival<'_> {
            fn drop(&mut self) {
                if self.0.round.get() == self.1 {
                    self.0.arrived.set(self.0.arrived.get() - 1);
                }
            }
        }
        let round = self.round.get();
        self.arrived.set(self.arrived.get() + 1);
        if self.arrived.get() == self.count {
            self.arrived.set(0);
            self.round.set(round.wrapping_add(1));
            self.all.notify_all();
            return true;
        }
        let _arrival = Arrival(self, round);
        while self.round.get() == round {
            self.all.notified().await;
        }
        false
    }
}
