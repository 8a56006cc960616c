//! Connections: TCP whole and in halves, streams within the machine, datagrams, and the readers and writers above them.

use super::drops::{at_each_point, dropped_after, in_vain};
use core::net::Ipv4Addr;
use core::time::Duration;
use underpin::rt::io::{BufReader, BufWriter};
use underpin::rt::net::{TcpListener, TcpStream, lookup};
use underpin::rt::{self, try_join};

const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const LONG: Duration = Duration::from_secs(1000);

pub(super) async fn all() {
    accepting().await;
    connecting().await;
    reading().await;
    halves().await;
    writing().await;
    lines_and_frames().await;
    #[cfg(target_os = "linux")]
    datagrams().await;
    #[cfg(target_os = "linux")]
    within_the_machine().await;
}

async fn pair() -> (TcpStream, TcpStream) {
    let mut listener = TcpListener::bind(ANY).expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepted = async { Ok(listener.accept().await?.0) };
    try_join!(TcpStream::connect(address), accepted).expect("connected")
}

async fn accepting() {
    let mut listener = TcpListener::bind(ANY).expect("a port");
    let address = listener.local_addr().expect("an address");
    for _ in 0..3 {
        in_vain(async || listener.accept().await).await;
        let client = TcpStream::connect(address).await.expect("connected");
        let here = client.local_addr().expect("an address");
        let (_, peer) = listener.accept().await.expect("accepted");
        assert_eq!(peer, here, "another connection is lost");
    }
}

async fn connecting() {
    let mut listener = TcpListener::bind(ANY).expect("a port");
    let address = listener.local_addr().expect("an address");
    let stream = at_each_point(async || TcpStream::connect(address).await).await;
    let here = stream.expect("connected").local_addr().expect("an address");
    let timed = at_each_point(async || TcpStream::connect_timeout(address, LONG).await).await;
    let timed = timed.expect("connected");
    let port = address.port();
    let found = at_each_point(async || lookup(("localhost", port)).await).await;
    assert!(
        found
            .expect("known")
            .iter()
            .all(|found| found.port() == port)
    );
    // Those that were given up read as ended, and among them is the one that was not.
    let mut seen = false;
    loop {
        let (mut stream, peer) = listener.accept().await.expect("accepted");
        seen |= peer == here;
        if peer == timed.local_addr().expect("an address") {
            break;
        }
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
    assert!(seen);
}

async fn reading() {
    let (mut one, mut other) = pair().await;
    let (mut few, mut rest) = ([0; 3], [0; 8]);
    for round in 0..3_u8 {
        in_vain(async || one.read(&mut few).await).await;
        in_vain(async || one.receive().await.map(|bytes| bytes.len())).await;
        in_vain(async || one.read_vectored(&mut [&mut few[..], &mut rest[..]]).await).await;
        in_vain(async || one.read_exact(&mut few).await).await;
        let bytes = [round; 8];
        if cfg!(target_os = "linux") {
            in_vain(async || one.peek(&mut few).await).await;
            other.write_all(&bytes).await.expect("sent");
            let count = one.peek(&mut few).await.expect("there");
            assert_eq!(few[..count], bytes[..count]);
        } else {
            other.write_all(&bytes).await.expect("sent");
        }
        let mut got = Vec::new();
        while got.len() < 8 {
            let count = match round {
                0 => one.read(&mut rest).await.expect("received"),
                1 => one
                    .read_vectored(&mut [&mut rest[..]])
                    .await
                    .expect("received"),
                _ => {
                    let lent = one.receive().await.expect("received");
                    rest[..lent.len()].copy_from_slice(&lent);
                    lent.len()
                }
            };
            got.extend_from_slice(&rest[..count]);
        }
        assert_eq!(got, bytes);
    }
    in_vain(async || one.read(&mut few).await).await;
    drop(other);
    assert_eq!(one.read(&mut few).await.expect("the end"), 0);
}

async fn halves() {
    let (one, mut other) = pair().await;
    let (mut reads, mut writes) = one.into_split();
    let mut few = [0; 8];
    in_vain(async || reads.read(&mut few).await).await;
    in_vain(async || reads.receive().await.map(|bytes| bytes.len())).await;
    writes.write_all(b"there").await.expect("sent");
    other.read_exact(&mut few[..5]).await.expect("received");
    other.write_all(b"back").await.expect("sent");
    reads.read_exact(&mut few[..4]).await.expect("received");
    assert_eq!(&few[..5], b"backe");
    in_vain(async || reads.read(&mut few).await).await;
    drop(reads);
    writes.write_all(b"still").await.expect("sent");
    other.read_exact(&mut few[..5]).await.expect("received");
}

/// What is told as written is all that comes, wherever the writes were dropped.
async fn writing() {
    let (mut one, mut other) = pair().await;
    let piece: Vec<u8> = (0..60_000_u32).map(|i| (i % 251) as u8).collect();
    let mut told = Vec::new();
    for round in 0..4 {
        // Until there is no room any more.
        loop {
            let wrote = match round % 2 {
                0 => dropped_after(1, round, one.write(&piece)).await,
                _ => dropped_after(1, round, one.write_vectored(&[&piece[..7], &piece[7..]])).await,
            };
            match wrote {
                Some(count) => told.extend_from_slice(&piece[..count.expect("sent")]),
                None => break,
            }
        }
        // Soon and later; an answer of the peer's may make room meanwhile.
        for turns in [0, 1, 2, 5] {
            if let Some(count) = dropped_after(1, turns, one.write(&piece)).await {
                told.extend_from_slice(&piece[..count.expect("sent")]);
            }
        }
        if round < 3 {
            let mut got = vec![0; told.len() / 2];
            other.read_exact(&mut got).await.expect("received");
            assert!(told.starts_with(&got));
            told.drain(..got.len());
        }
    }
    drop(one);
    let mut got = Vec::new();
    loop {
        let bytes = other.receive().await.expect("received");
        if bytes.is_empty() {
            break;
        }
        got.extend_from_slice(&bytes);
    }
    assert!(got == told, "{} bytes for {}", got.len(), told.len());
}

async fn lines_and_frames() {
    let (one, mut other) = pair().await;
    let mut reader = BufReader::new(one);
    in_vain(async || reader.next_line(99).await).await;
    other.write_all(b"half").await.expect("sent");
    in_vain(async || reader.next_line(99).await).await;
    other.write_all(b" a line\n\0\0\0").await.expect("sent");
    let line = reader.next_line(99).await.expect("read");
    assert_eq!(line.as_deref(), Some("half a line"));
    in_vain(async || reader.next_frame(99).await).await;
    other.write_all(b"\x05fra").await.expect("sent");
    in_vain(async || reader.next_frame(99).await).await;
    other.write_all(b"me").await.expect("sent");
    let frame = reader.next_frame(99).await.expect("read");
    assert_eq!(frame.as_deref(), Some(&b"frame"[..]));
    in_vain(async || reader.fill().await.map(<[u8]>::len)).await;

    let mut writer = BufWriter::new(other, 50_000);
    let mut frames = 0_u32;
    // Until nobody takes more; a frame that was given up is not in the way.
    loop {
        let bytes = vec![frames as u8; 20_000];
        match dropped_after(1, 1, writer.write_frame(&bytes)).await {
            Some(result) => result.expect("added"),
            None => break,
        }
        frames += 1;
    }
    for turns in [0, 1, 2, 5] {
        drop(dropped_after(1, turns, writer.flush()).await);
    }
    let taking = rt::spawn(async move {
        let mut count = 0;
        while let Some(frame) = reader.next_frame(20_000).await.expect("read") {
            assert!(frame == vec![count as u8; 20_000], "frame {count}");
            count += 1;
        }
        count
    });
    at_each_point(async || writer.flush().await)
        .await
        .expect("sent");
    drop(writer);
    assert_eq!(taking.await.expect("no panic"), frames);
}

#[cfg(target_os = "linux")]
async fn datagrams() {
    use underpin::rt::net::UdpSocket;
    let bind = || UdpSocket::bind(ANY).expect("a port");
    let (mut one, mut other) = (bind(), bind());
    let there = one.local_addr().expect("an address");
    let mut buffer = [0; 16];
    for round in 0..3_u8 {
        in_vain(async || one.recv_from(&mut buffer).await).await;
        let sent = at_each_point(async || other.send_to(&[round; 5], there).await).await;
        assert_eq!(sent.expect("sent"), 5);
        let got = one.recv_from(&mut buffer).await.expect("received");
        assert_eq!((got.bytes, buffer[0]), (5, round));
        // A send ends at its first poll, so each that was begun to be dropped has sent.
        while let Some(more) = dropped_after(1, 0, one.recv_from(&mut buffer)).await {
            assert_eq!((more.expect("received").bytes, buffer[0]), (5, round));
        }
    }
    other.connect(there).expect("named");
    let sent = at_each_point(async || other.send(b"peer").await).await;
    assert_eq!(sent.expect("sent"), 4);
    one.recv_from(&mut buffer).await.expect("received");
}

#[cfg(target_os = "linux")]
async fn within_the_machine() {
    use underpin::rt::net::{UnixListener, UnixStream};
    let path = std::env::temp_dir().join(format!("underpin-cancel-{}", std::process::id()));
    let mut listener = UnixListener::bind(&path).expect("a name");
    in_vain(async || listener.accept().await.map(drop)).await;
    let mut one = UnixStream::connect(&path).expect("connected");
    let mut other = listener.accept().await.expect("accepted");
    let mut few = [0; 8];
    in_vain(async || other.read(&mut few).await).await;
    in_vain(async || other.receive().await.map(|bytes| bytes.len())).await;
    in_vain(async || other.read_vectored(&mut [&mut few[..]]).await).await;
    one.write_all(b"hello").await.expect("sent");
    let count = other.read(&mut few).await.expect("received");
    assert_eq!(&few[..count], b"hello");
    let piece = vec![1; 60_000];
    let mut told = 0;
    while let Some(count) = dropped_after(1, 1, one.write(&piece)).await {
        told += count.expect("sent");
    }
    in_vain(async || one.write_vectored(&[&piece[..]]).await).await;
    let mut got = vec![0; told];
    other.read_exact(&mut got).await.expect("received");
    drop(one);
    assert_eq!(other.read(&mut few).await.expect("the end"), 0);
    std::fs::remove_file(path).expect("removed");
}
