//! Several needles in any bytes: leftmost-first and overlapping matches are those of a plain comparison.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    underpin_tests::search::patterns(bytes);
});
