//! The safe `std` API of underpin.
//!
//! | module | what it is |
//! |---|---|
//! | [`sys`] | the platform that this program runs on, and the way to `std`'s types |

pub mod sys;
