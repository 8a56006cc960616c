//! embedded-io-async 0.7: `Read` and `Write`. As cancel-safe as the methods of the same name.
#![forbid(unsafe_code)]

use crate::rt::net::{ReadHalf, TcpStream, WriteHalf};
use embedded_io_async::{ErrorType, Read, Write};
use std::io;

macro_rules! errors {
    ($($type:ty),*) => {$(
        impl ErrorType for $type {
            type Error = io::Error;
        }
    )*};
}

macro_rules! reads {
    ($($type:ty),*) => {$(
        impl Read for $type {
            async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                <$type>::read(self, buffer).await
            }
        }
    )*};
}

macro_rules! writes {
    ($($type:ty),*) => {$(
        impl Write for $type {
            async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                <$type>::write(self, bytes).await
            }

            /// Nothing is buffered.
            async fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}

errors!(TcpStream, ReadHalf, WriteHalf);
errors!(crate::rt::net::UnixStream);
reads!(TcpStream, ReadHalf);
writes!(TcpStream, WriteHalf);
reads!(crate::rt::net::UnixStream);
writes!(crate::rt::net::UnixStream);
