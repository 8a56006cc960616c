//! The table of simple case folding against the one of `regex-syntax`.
#![allow(clippy::std_instead_of_alloc, reason = "a test on a host")]

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use std::collections::BTreeSet;
use underpin_core::search::fold::{fold_char, spellings};

#[test]
fn every_character_has_the_spellings_that_unicode_says() {
    for char in '\0'..=char::MAX {
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(char, char)]);
        if class.try_case_fold_simple().is_err() {
            panic!("regex-syntax has no table");
        }
        let expected: BTreeSet<char> = class
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .collect();
        if expected.len() == 1 && fold_char(char) == char {
            continue;
        }
        assert_eq!(
            spellings(char).collect::<BTreeSet<_>>(),
            expected,
            "{char:?}"
        );
    }
}
