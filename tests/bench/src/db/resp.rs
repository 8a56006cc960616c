//! A client for the Redis protocol that verifies what it reads: enough of RESP2 for SET, GET and PING, with pipelining.

use crate::random::{VALUE_BYTES, key, value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
    /// Bytes of `reply` that are consumed.
    used: usize,
}

/// What a command is, and so what its reply must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Set,
    Get,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .map_err(|e| e.to_string())?;
        Ok(Self {
            stream,
            request: Vec::new(),
            reply: Vec::new(),
            used: 0,
        })
    }

    /// Whether the server answers.
    pub(super) fn ping(&mut self) -> Result<(), String> {
        self.stream
            .write_all(b"*1\r\n$4\r\nPING\r\n")
            .map_err(|e| e.to_string())?;
        self.expect(b"+PONG\r\n")
    }

    /// Sends one command for each key number, all in one write.
    pub(super) fn send(&mut self, verb: Verb, indexes: &[u64]) -> Result<(), String> {
        self.request.clear();
        for &index in indexes {
            match verb {
                Verb::Set => {
                    self.request
                        .extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
                    self.request.extend_from_slice(&key(index));
                    self.request.extend_from_slice(b"\r\n$100\r\n");
                    self.request.extend_from_slice(&value(index));
                }
                Verb::Get => {
                    self.request
                        .extend_from_slice(b"*2\r\n$3\r\nGET\r\n$16\r\n");
                    self.request.extend_from_slice(&key(index));
                }
            }
            self.request.extend_from_slice(b"\r\n");
        }
        self.stream
            .write_all(&self.request)
            .map_err(|e| e.to_string())
    }

    /// Reads one reply for each key number and checks it whole.
    pub(super) fn receive(&mut self, verb: Verb, indexes: &[u64]) -> Result<(), String> {
        for &index in indexes {
            match verb {
                Verb::Set => self.expect(b"+OK\r\n")?,
                Verb::Get => {
                    let mut wanted = [0; 6 + VALUE_BYTES + 2];
                    wanted[..6].copy_from_slice(b"$100\r\n");
                    wanted[6..6 + VALUE_BYTES].copy_from_slice(&value(index));
                    wanted[6 + VALUE_BYTES..].copy_from_slice(b"\r\n");
                    self.expect(&wanted)?;
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), String> {
        while self.reply.len() - self.used < wanted.len() {
            self.reply.drain(..self.used);
            self.used = 0;
            let mut chunk = [0; 16 << 10];
            let count = self
                .stream
                .read(&mut chunk)
                .map_err(|e| format!("no reply ({e}); so far: {}", self.reply.escape_ascii()))?;
            if count == 0 {
                return Err(format!(
                    "the server closed the connection after {}",
                    self.reply.escape_ascii()
                ));
            }
            self.reply.extend_from_slice(&chunk[..count]);
        }
        let found = &self.reply[self.used..self.used + wanted.len()];
        if found != wanted {
            return Err(format!(
                "wrong reply {}, not {}",
                found.escape_ascii(),
                wanted.escape_ascii()
            ));
        }
        self.used += wanted.len();
        Ok(())
    }
}
