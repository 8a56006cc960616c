//! The executor without an allocator.
#![forbid(unsafe_code)]

use super::{TestHost, yield_now};
use crate::Kind;
use crate::exec::{Next, StaticExecutor, TaskSpace};
use crate::platform::Instant;
use core::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn tasks_in_static_memory_run_sleep_and_free_their_space() {
    static RINGS: AtomicUsize = AtomicUsize::new(0);
    fn doorbell() {
        RINGS.fetch_add(1, Ordering::Relaxed);
    }
    static EXECUTOR: StaticExecutor = StaticExecutor::new(doorbell);
    static FIRST: TaskSpace<512> = TaskSpace::new();
    static SECOND: TaskSpace<256> = TaskSpace::new();

    let executor = EXECUTOR.start::<TestHost>().expect("the first time");
    let again = EXECUTOR.start::<TestHost>().expect_err("the second time");
    assert_eq!(again.kind(), Kind::Busy);

    let deadline = Instant::from_ns(5_000_000);
    let sleeper = executor
        .spawn(&FIRST, async move {
            yield_now().await;
            executor.sleep_until(deadline).await;
            42
        })
        .expect("free");
    let taken = executor.spawn(&FIRST, async {}).expect_err("taken");
    assert_eq!(taken.kind(), Kind::Busy);
    executor
        .spawn(&SECOND, async { yield_now().await })
        .expect("free")
        .detach();
    assert_eq!(executor.tasks(), 2);

    let mut now = Instant::from_ns(1);
    while let Next::Turn = executor.turn(now) {}
    assert!(SECOND.is_free() && !FIRST.is_free());
    assert!(matches!(executor.turn(now), Next::Sleep(Some(_))));
    let waker = sleeper.waker();
    std::thread::spawn(move || waker.wake())
        .join()
        .expect("no panic");
    assert!(RINGS.load(Ordering::Relaxed) >= 1, "it was asleep");
    assert!(matches!(executor.turn(now), Next::Sleep(Some(_))));
    now = Instant::from_ns(5_100_000);
    while let Next::Turn = executor.turn(now) {}
    assert!(sleeper.is_finished());
    static JOINER: TaskSpace<256> = TaskSpace::new();
    let joiner = executor
        .spawn(&JOINER, async move {
            assert_eq!(sleeper.await.expect("slept"), 42)
        })
        .expect("free");
    while let Next::Turn = executor.turn(now) {}
    assert!(joiner.is_finished() && FIRST.is_free());
    drop(joiner);
    assert!(JOINER.is_free());
    assert_eq!(executor.turn(now), Next::Sleep(None));
}
