//! Any bytes as a file of values: an error or values, never a panic, never without end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = underpin_core::db::fuzzing::values(bytes);
});
