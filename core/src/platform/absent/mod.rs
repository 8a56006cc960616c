//! Ready-made parts for what a system does not have.
//!
//! | you have | take | and get |
//! |---|---|---|
//! | a block of RAM | [`FixedMemory`] | `Memory` |
//! | one core, no scheduler | [`SpinPark`] | `Park` that relaxes and returns |
//! | no source of randomness | [`NoEntropy`] | `Entropy` that says so |
//! | the four base parts | [`Bundle`] | a whole `Platform` |
//! | a platform without threads | [`NoThreads`] | `Threads` and `ThreadSlots` that refuse to spawn and to make a slot |
//! | a platform without files | [`NoFiles`] | `Files` and `Map` that refuse to open |
//! | a platform without sockets | [`NoNet`] | `Net` and `Reactor` that refuse to listen |
//!
//! The last three pass on whatever else the platform has, so they stack: `NoThreads<NoNet<P>>` still has `P`'s files.
//!
//! Refusing means [`Kind::Unsupported`](crate::Kind::Unsupported). The handle types are uninhabited, so what
//! would need one can't be called at all and costs nothing.

mod bundle;
mod entropy;
mod files;
mod fixed_memory;
mod forward;
mod net;
mod spin_park;
mod threads;

pub use bundle::Bundle;
pub use entropy::NoEntropy;
pub use files::{NoFile, NoFiles, NoMapping};
pub use fixed_memory::{FixedMemory, RESERVATIONS_MAX};
pub use net::{NoNet, NoRing, NoSocket, NoWaker};
pub use spin_park::SpinPark;
pub use threads::{NoThread, NoThreads};
