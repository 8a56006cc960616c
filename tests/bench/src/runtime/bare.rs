//! Echo loops over the system's own queues: what the system asks at least.
#![allow(unsafe_code, reason = "entries of an io_uring point to buffers")]

use super::echo::BUFFER_BYTES;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use rustix::event::epoll;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One thread, level-triggered epoll, one buffer for all.
pub(super) fn epoll(listener: &TcpListener, connections: usize) {
    const LISTENER: u64 = u64::MAX;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    let watch = |fd: BorrowedFd<'_>, data| {
        let data = epoll::EventData::new_u64(data);
        epoll::add(&epoll, fd, data, epoll::EventFlags::IN).expect("watched");
    };
    watch(listener.as_fd(), LISTENER);
    let mut streams = Vec::with_capacity(connections);
    let mut open = connections;
    let mut events = Vec::with_capacity(128);
    let mut buffer = [0; BUFFER_BYTES];
    while open > 0 {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).expect("events");
        for event in &events {
            if event.data.u64() == LISTENER {
                while streams.len() < connections
                    && let Ok((stream, _)) = listener.accept()
                {
                    stream.set_nodelay(true).expect("set");
                    stream.set_nonblocking(true).expect("set");
                    watch(stream.as_fd(), streams.len() as u64);
                    streams.push(Some(stream));
                }
                continue;
            }
            let slot = &mut streams[event.data.u64() as usize];
            let Some(stream) = slot else { continue };
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => stream.write_all(&buffer[..count]).expect("sent"),
                _ => {
                    *slot = None;
                    open -= 1;
                }
            }
        }
    }
}

const ACCEPT: u64 = u64::MAX;
/// Set in the number of an entry that sends.
const SENDS: u64 = 1 << 63;

struct Connection {
    fd: OwnedFd,
    buffer: Box<[u8; BUFFER_BYTES]>,
}

/// One thread; a receive, and then a send, with the kernel for each connection.
pub(super) fn uring(listener: &TcpListener, connections: usize) {
    // A queue that this thread alone fills, whose work is done when it waits, as far as the kernel knows that.
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(256)
        .or_else(|_| IoUring::new(256))
        .expect("io_uring");
    listener.set_nonblocking(false).expect("set");
    let accept = || {
        let fd = types::Fd(listener.as_raw_fd());
        let (address, len) = (std::ptr::null_mut(), std::ptr::null_mut());
        let entry = opcode::Accept::new(fd, address, len).flags(libc::SOCK_CLOEXEC);
        entry.build().user_data(ACCEPT)
    };
    let receive = |number: usize, connection: &mut Connection| {
        let fd = types::Fd(connection.fd.as_raw_fd());
        let entry = opcode::Recv::new(fd, connection.buffer.as_mut_ptr(), BUFFER_BYTES as u32);
        entry.build().user_data(number as u64)
    };
    let mut streams: Vec<Option<Connection>> = Vec::with_capacity(connections);
    let mut open = connections;
    push(&mut ring, &accept());
    let mut done: Vec<cqueue::Entry> = Vec::new();
    while open > 0 {
        ring.submit_and_wait(1).expect("submitted");
        done.extend(ring.completion());
        for entry in done.drain(..) {
            let result = entry.result();
            if entry.user_data() == ACCEPT {
                assert!(result >= 0, "accepting: {result}");
                // SAFETY: the kernel has just made it for us.
                let fd = unsafe { OwnedFd::from_raw_fd(result) };
                rustix::net::sockopt::set_tcp_nodelay(&fd, true).expect("set");
                let buffer = Box::new([0; BUFFER_BYTES]);
                let mut connection = Connection { fd, buffer };
                push(&mut ring, &receive(streams.len(), &mut connection));
                streams.push(Some(connection));
                if streams.len() < connections {
                    push(&mut ring, &accept());
                }
                continue;
            }
            let number = (entry.user_data() & !SENDS) as usize;
            let slot = &mut streams[number];
            let Some(connection) = slot else { continue };
            if entry.user_data() & SENDS != 0 {
                push(&mut ring, &receive(number, connection));
            } else if result > 0 {
                let fd = types::Fd(connection.fd.as_raw_fd());
                let entry = opcode::Send::new(fd, connection.buffer.as_ptr(), result as u32);
                push(&mut ring, &entry.build().user_data(number as u64 | SENDS));
            } else {
                *slot = None;
                open -= 1;
            }
        }
    }
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    // SAFETY: what the entry points to is a connection's buffer, which stays where it is until the connection's last answer came.
    while unsafe { ring.submission().push(entry) }.is_err() {
        ring.submit().expect("submitted");
    }
}
