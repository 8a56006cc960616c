//! Any bytes as text: validation, pieces, characters, UTF-16, words and lines are the standard library's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    underpin_tests::search::text(bytes);
});
