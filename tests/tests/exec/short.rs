//! Receives that stop short of what is there: the rest comes although nothing more is sent.

use super::{executor, system, with_completions};
use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use std::io::{IoSlice, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::{fs, process};
use underpin::sys::Native;
use underpin_core::exec::net::TcpStream;

/// Long for a byte that is there already.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_urgent_mark_ends_a_receive_and_not_the_stream() {
    if let Some(platform) = system() {
        urgent(platform);
    }
    with_completions(urgent);
}

#[test]
fn passed_handles_end_a_receive_and_not_the_stream() {
    if let Some(platform) = system() {
        passed_handles(platform);
    }
    with_completions(passed_handles);
}

/// What each receive gives, until so many bytes have come.
async fn receive(stream: &mut super::Stream<Native>, handle: &super::TestHandle<Native>) -> String {
    let mut got = String::new();
    while got.len() < 8 {
        let bytes = handle.timeout(PATIENCE, stream.receive()).await;
        let bytes = bytes.expect("it is there").expect("received");
        got += core::str::from_utf8(&bytes).expect("text");
        got += "|";
    }
    got
}

fn urgent(platform: Native) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let mut stream = TcpStream::connect(&handle, address)
            .await
            .expect("connected");
        let (mut peer, _) = listener.accept().expect("accepted");
        peer.write_all(b"abc").expect("sent");
        send(&peer, b"X", SendFlags::OOB).expect("sent");
        peer.write_all(b"defgh").expect("sent");
        // The urgent byte itself is not part of the stream.
        assert_eq!(receive(&mut stream, &handle).await, "abc|defgh|");
    });
}

fn passed_handles(platform: Native) {
    let path = std::env::temp_dir().join(format!("underpin-{}-passed", process::id()));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a place");
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let name = path.to_str().expect("text").as_bytes();
        let mut stream = TcpStream::connect_local(&handle, name).expect("connected");
        let (mut peer, _) = listener.accept().expect("accepted");
        let handles = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut more = SendAncillaryBuffer::new(&mut space);
        assert!(more.push(SendAncillaryMessage::ScmRights(&handles)));
        let none = SendFlags::empty();
        sendmsg(&peer, &[IoSlice::new(b"abc")], &mut more, none).expect("sent");
        peer.write_all(b"defgh").expect("sent");
        assert_eq!(receive(&mut stream, &handle).await, "abc|defgh|");
    });
    fs::remove_file(&path).expect("removed");
}
