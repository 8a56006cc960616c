//! Sockets: not here yet. Every call that could make one is `Unsupported`, so there is no socket to
//! use.
#![allow(unsafe_code, reason = "the trait is unsafe to implement")]

use crate::Windows;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use underpin_core::platform::absent::NoSocket;
use underpin_core::platform::{ListenOptions, Net, ShutdownHow};
use underpin_core::{Error, Operation, Result};

// SAFETY: nothing is ever received.
unsafe impl Net for Windows {
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
