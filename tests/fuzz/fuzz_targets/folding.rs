//! Any text without its case: matches are those of a comparison of folded characters.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    underpin_tests::search::folding(bytes);
});
