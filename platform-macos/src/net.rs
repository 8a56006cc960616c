//! No sockets yet: they come with the runtime's reactor. [`Caps::NET`](underpin_core::platform::Caps::NET) is not set.
#![allow(unsafe_code, reason = "implements an unsafe trait")]

use crate::Macos;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use underpin_core::error::{Error, Operation, Result};
use underpin_core::platform::absent::NoSocket;
use underpin_core::platform::{ListenOptions, Net, ShutdownHow};

// SAFETY: no socket exists, so no receive ever succeeds.
unsafe impl Net for Macos {
    type Socket = NoSocket;

    fn listen(&self, _address: &SocketAddr, _options: &ListenOptions) -> Result<NoSocket> {
        Err(Error::unsupported(Operation::Listen))
    }

    fn try_accept(&self, listener: &NoSocket) -> Result<(NoSocket, SocketAddr)> {
        match *listener {}
    }

    fn try_receive(&self, socket: &NoSocket, _buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        match *socket {}
    }

    fn try_send(&self, socket: &NoSocket, _bytes: &[u8]) -> Result<usize> {
        match *socket {}
    }

    fn shutdown(&self, socket: &NoSocket, _how: ShutdownHow) -> Result<()> {
        match *socket {}
    }

    fn local_address(&self, socket: &NoSocket) -> Result<SocketAddr> {
        match *socket {}
    }

    fn peer_address(&self, socket: &NoSocket) -> Result<SocketAddr> {
        match *socket {}
    }

    fn set_no_delay(&self, socket: &NoSocket, _on: bool) -> Result<()> {
        match *socket {}
    }
}
