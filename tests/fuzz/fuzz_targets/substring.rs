//! One needle in any bytes: every engine and level finds what a plain comparison finds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    underpin_tests::search::substring(bytes);
});
