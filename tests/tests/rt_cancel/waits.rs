//! Time, and threads for blocking work.

use super::drops::{at_each_point, in_vain};
use core::time::Duration;
use std::sync::mpsc::channel;
use underpin::rt::{self, MissedTick};

const LONG: Duration = Duration::from_secs(1000);
const SHORT: Duration = Duration::from_micros(50);

pub(super) async fn all() {
    in_vain(async || rt::sleep(LONG).await).await;
    in_vain(async || rt::sleep_until(rt::now().saturating_add(LONG)).await).await;
    in_vain(async || rt::timeout(LONG, rt::sleep(LONG)).await).await;
    at_each_point(async || rt::sleep(SHORT).await).await;
    at_each_point(async || rt::yield_now().await).await;
    let elapsed = at_each_point(async || rt::timeout(SHORT, rt::sleep(LONG)).await).await;
    elapsed.expect_err("too long");

    let mut interval = rt::interval(LONG, MissedTick::Skip);
    let first = interval.tick().await;
    in_vain(async || interval.tick().await).await;
    assert!(rt::now() < first.saturating_add(LONG), "a tick is lost");

    let (release, gate) = channel::<()>();
    let mut held = Box::pin(rt::blocking(move || gate.recv()));
    in_vain(async || held.as_mut().await).await;
    release.send(()).expect("it waits");
    held.await.expect("released");
    let number = at_each_point(async || rt::blocking(|| 7).await).await;
    assert_eq!(number, 7);
}
