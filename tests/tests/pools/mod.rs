//! The pools that the tests of the iterators' names run in.

use underpin::pool::ThreadPoolBuilder;

/// Runs `check` in pools of no, one and three threads.
pub(crate) fn pools(check: impl Fn() + Sync) {
    ThreadPoolBuilder::new()
        .without_threads()
        .build()
        .expect("a pool")
        .enter(|_| check());
    for threads in [1, 3] {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        for _ in 0..5 {
            pool.install(&check);
        }
    }
}
