//! Work-stealing queues: one owner at the bottom, many thieves at the top, and a shared queue for work from outside.
//!
//! | type | capacity | allocates |
//! |---|---|---|
//! | [`ChaseLev`] | doubles as needed, keeps old buffers until it is dropped | yes (feature `alloc`) |
//! | [`BiasedDeque`] | as `ChaseLev`, without fences while no thief is there | yes (feature `alloc`) |
//! | [`FixedDeque`] | a power of two, in the type | no |
//! | [`Injector`] | bounded by an option | yes (feature `alloc`) |
//!
//! The protocol and why it is right: `README.md` beside this file. Models of its races: `loom.rs`.

#[cfg(feature = "alloc")]
mod biased;
mod chase_lev;
#[cfg(feature = "alloc")]
mod injector;
#[cfg(all(test, loom))]
mod loom;
mod protocol;
mod slot;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(feature = "alloc")]
pub use biased::BiasedDeque;
#[cfg(feature = "alloc")]
pub use chase_lev::ChaseLev;
pub use chase_lev::FixedDeque;
#[cfg(feature = "alloc")]
pub use injector::Injector;
pub use protocol::Steal;
pub use slot::{Slot, Word};
