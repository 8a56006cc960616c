//! Sockets on an executor: TCP, UDP, and streams within the machine.
//!
//! # Cancel safety
//!
//! Bytes and connections move in a call that does not wait, in the same poll that gives them to the caller; what is waited for is
//! readiness, which belongs to the socket and not to the future. So every future here may be dropped at any await point: no byte and
//! no connection is lost, no buffer is held while waiting, and nothing of the caller's memory is ever the kernel's.
//! What is kept after its executor was dropped says `Cancelled`, since nobody would wake it.
//! What is dropped is closed at once, but a stream that waits when it is dropped over a ring of completions: that is closed at the end of
//! the turn, together with all others, or of `block_on`.
//! The exceptions are the loops, which say so: `read_exact` and `write_all` may have moved a part when they are dropped.

mod connect;
mod datagram;
mod listener;
mod local;
mod readiness;
mod stream;
mod watched;

pub(super) use readiness::gone;

pub use connect::Connect;
pub use datagram::UdpSocket;
pub use listener::TcpListener;
pub use local::LocalListener;
pub use stream::{ReadHalf, TcpStream, WriteHalf};
pub use watched::Watched;
