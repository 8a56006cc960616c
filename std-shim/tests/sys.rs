//! The platform as a `std` program sees it, also when it is linked statically.

use underpin::sys::{Caps, Platform, native};

#[test]
fn a_std_program_has_threads_and_slots() {
    assert!(native().caps().contains(Caps::THREADS | Caps::THREAD_SLOTS));
}
