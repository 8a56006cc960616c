//! The commit protocol under the model checker: writers, a log that is numbers, and every interleaving of them.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p underpin-core --release --lib loom`.
#![forbid(unsafe_code)]

use super::turns::{Step, Turns};
use crate::db::options::WriteLevel;
use ::loom::sync::{Arc, Condvar, Mutex};
use ::loom::thread;

/// What the commit lock guards; the file and the medium are how far they have got.
struct State {
    turns: Turns,
    sequence: u64,
    file: u64,
    medium: u64,
    sleeping: usize,
}

struct Model {
    state: Mutex<State>,
    ended: Condvar,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                turns: Turns::new(0),
                sequence: 0,
                file: 0,
                medium: 0,
                sleeping: 0,
            }),
            ended: Condvar::new(),
        })
    }

    /// As `Shared::write`: returns when the write is durable, and checks that it is.
    fn write(&self, level: WriteLevel) {
        let mut state = self.state.lock().unwrap();
        state.sequence += 1;
        let mine = state.sequence;
        loop {
            let step = state.turns.next(level, mine, 0);
            match step {
                Step::Done => break,
                Step::Wait => {
                    state.sleeping += 1;
                    state = self.ended.wait(state).unwrap();
                    state.sleeping -= 1;
                }
                Step::Write => {
                    let (from, upto) = (state.file, state.sequence);
                    drop(state);
                    state = self.state.lock().unwrap();
                    assert_eq!(state.file, from, "two writers at once");
                    state.file = upto;
                    state.turns.wrote(Some(upto));
                    self.wake(&state);
                }
                Step::Sync(level, upto) => {
                    assert!(state.file >= upto, "synced before it was written");
                    let covered = state.file;
                    drop(state);
                    state = self.state.lock().unwrap();
                    state.medium = state.medium.max(covered);
                    state.turns.synced(level, Some(upto));
                    self.wake(&state);
                }
            }
        }
        assert!(state.file >= mine);
        assert!(level < WriteLevel::Data || state.medium >= mine);
    }

    fn wake(&self, state: &State) {
        if state.sleeping > 0 {
            self.ended.notify_all();
        }
    }
}

fn race(levels: &'static [WriteLevel]) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let model = Model::new();
        let threads: std::vec::Vec<_> = levels
            .iter()
            .map(|&level| {
                let model = model.clone();
                thread::spawn(move || model.write(level))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(model.state.lock().unwrap().turns.is_quiet());
    });
}

#[test]
fn loom_commit_acknowledges_nothing_early_and_forgets_nobody() {
    race(&[WriteLevel::Full, WriteLevel::Data]);
    race(&[WriteLevel::Data, WriteLevel::Os, WriteLevel::Full]);
}
