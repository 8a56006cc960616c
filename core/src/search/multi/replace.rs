//! Search and replace.
#![forbid(unsafe_code)]

use super::{Match, Multi};
use alloc::vec::Vec;

impl Multi {
    /// `haystack` with every match of pattern `p` replaced by `replacements[p]`.
    ///
    /// ```
    /// use underpin_core::search::multi::Multi;
    /// let multi = Multi::new(["fox", "dog"])?;
    /// assert_eq!(multi.replace_all(b"fox and dog", &["dog", "fox"]), b"dog and fox");
    /// # Ok::<(), underpin_core::search::multi::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// If there are not as many replacements as patterns.
    #[must_use]
    pub fn replace_all<R: AsRef<[u8]>>(&self, haystack: &[u8], replacements: &[R]) -> Vec<u8> {
        assert_eq!(
            replacements.len(),
            self.len(),
            "one replacement for each pattern"
        );
        let mut out = Vec::with_capacity(haystack.len());
        self.replace_all_with(haystack, &mut out, |found, _, out| {
            out.extend_from_slice(replacements[found.pattern].as_ref());
            true
        });
        out
    }

    /// Appends `haystack` to `out`, with what `replace` appends in place of each match; it is given the match and its bytes. Once it returns
    /// false, the rest stays as it is.
    pub fn replace_all_with(
        &self,
        haystack: &[u8],
        out: &mut Vec<u8>,
        mut replace: impl FnMut(&Match, &[u8], &mut Vec<u8>) -> bool,
    ) {
        let mut done = 0;
        for found in self.find_iter(haystack) {
            out.extend_from_slice(&haystack[done..found.start]);
            done = found.end;
            if !replace(&found, &haystack[found.range()], out) {
                break;
            }
        }
        out.extend_from_slice(&haystack[done..]);
    }
}
