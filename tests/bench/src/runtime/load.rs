//! The load generator: many connections, one message under way on each, over epoll on the calling thread.

use rustix::event::{Timespec, epoll};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// Bytes of a message.
pub(super) const MESSAGE_BYTES: usize = 100;

/// What a page is asked for with.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What is sent, and what is an answer to it.
#[derive(Clone, Copy)]
pub(super) enum Traffic {
    /// Numbered messages that come back as they were.
    Echo,
    /// Requests for a page.
    Http,
}

impl Traffic {
    fn send(self, number: u64, stream: &mut TcpStream) -> io::Result<()> {
        let message = message(number);
        let bytes = match self {
            Self::Echo => &message[..],
            Self::Http => REQUEST,
        };
        match stream.write(bytes)? {
            count if count == bytes.len() => Ok(()),
            _ => Err(io::Error::other("a short write of one message")),
        }
    }

    fn receive(self, number: u64, stream: &mut TcpStream) -> io::Result<()> {
        let mut bytes = [0; 512];
        let count = stream.read(&mut bytes)?;
        let got = &bytes[..count];
        let is_right = match self {
            Self::Echo => got == message(number),
            Self::Http => got.starts_with(b"HTTP/1.1 200 OK") && got.ends_with(b"Hello, world!"),
        };
        if is_right {
            Ok(())
        } else {
            Err(io::Error::other(format!("a wrong answer of {count} bytes")))
        }
    }
}

/// Open connections.
pub(super) struct Load {
    traffic: Traffic,
    epoll: rustix::fd::OwnedFd,
    streams: Vec<TcpStream>,
    /// The number in the message that is under way on each connection.
    sent: Vec<u64>,
    next: u64,
}

fn message(number: u64) -> [u8; MESSAGE_BYTES] {
    let mut bytes = [0x61; MESSAGE_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[MESSAGE_BYTES - 8..].copy_from_slice(&(!number).to_le_bytes());
    bytes
}

/// Connections to one address of the loopback network; more would use its ports up.
const PER_ADDRESS: usize = 20_000;

/// Connections after which the server is waited for: fewer than wait in its queue, which would lose some, for a second each.
const AHEAD_MAX: usize = 64;

/// One message and its answer on a connection that still blocks. Whoever answers has accepted all before it.
fn round_trip(traffic: Traffic, stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    traffic.send(0, stream)?;
    traffic.receive(0, stream)
}

/// After a failure the server may still wait for connections: gives it some, until it has ended.
pub(super) fn let_go<T>(server: &ScopedJoinHandle<'_, ()>, port: u16, sample: &Result<T, String>) {
    while sample.is_err() && !server.is_finished() {
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        thread::sleep(Duration::from_millis(1));
    }
}

impl Load {
    /// Connects to a server that listens at a port of all of the loopback network's addresses.
    pub(super) fn connect(traffic: Traffic, port: u16, connections: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut streams = Vec::with_capacity(connections);
        for index in 0..connections {
            let host = Ipv4Addr::new(127, 0, 0, 1 + (index / PER_ADDRESS) as u8);
            let mut stream = TcpStream::connect((host, port))?;
            stream.set_nodelay(true)?;
            if index % AHEAD_MAX == AHEAD_MAX - 1 {
                round_trip(traffic, &mut stream)?;
            }
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            streams.push(stream);
        }
        Ok(Self {
            traffic,
            epoll,
            streams,
            sent: vec![0; connections],
            next: 0,
        })
    }

    /// Bytes that it has from the allocator.
    pub(super) fn bytes(&self) -> usize {
        self.streams.capacity() * size_of::<TcpStream>() + self.sent.capacity() * size_of::<u64>()
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        self.sent[index] = self.next;
        self.next += 1;
        self.traffic
            .send(self.sent[index], &mut self.streams[index])
    }

    /// Sends `messages` messages, a new one on each connection that was answered, and checks every answer.
    pub(super) fn run(&mut self, messages: u64) -> io::Result<()> {
        let mut to_send = messages;
        for index in 0..self.streams.len().min(messages as usize) {
            self.send(index)?;
            to_send -= 1;
        }
        let mut answered = 0;
        let wait = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let mut events = Vec::with_capacity(256);
        while answered < messages {
            events.clear();
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&wait),
            )?;
            if events.is_empty() {
                return Err(io::Error::other("no answer within ten seconds"));
            }
            for event in &events {
                let index = event.data.u64() as usize;
                self.traffic
                    .receive(self.sent[index], &mut self.streams[index])?;
                answered += 1;
                if to_send > 0 {
                    to_send -= 1;
                    self.send(index)?;
                }
            }
        }
        Ok(())
    }
}
