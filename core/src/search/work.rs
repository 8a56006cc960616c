//! Counts what searches do, for the tests that bound it: nothing outside of them.
#![forbid(unsafe_code)]

/// So many bytes, positions or comparisons more were looked at.
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn add(_: usize) {}

#[cfg(test)]
std::thread_local! {
    static WORK: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

#[cfg(test)]
pub(super) fn add(units: usize) {
    WORK.with(|work| work.set(work.get() + units));
}

/// How much work `run` is.
#[cfg(test)]
pub(super) fn of(run: impl FnOnce()) -> usize {
    WORK.with(|work| work.set(0));
    run();
    WORK.with(core::cell::Cell::get)
}
