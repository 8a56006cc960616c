//! Unmodified crates on the runtime: hyper's server and client, readers and streams of the futures world.

use core::convert::Infallible;
use core::future::poll_fn;
use core::time::Duration;
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt as _, AsyncReadExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use std::io::{IoSlice, IoSliceMut};
use underpin::rt::net::{TcpListener, TcpStream};
use underpin::rt::{self, HyperTimer};
use underpin::sys::ShutdownHow;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let mut listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let connecting = rt::spawn(async move { TcpStream::connect(address).await });
    let (accepted, _) = listener.accept().await.expect("accepted");
    (
        accepted,
        connecting.await.expect("no panic").expect("connected"),
    )
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let mut text = format!("{path} {} ", body.len()).into_bytes();
    text.extend_from_slice(&body);
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// Serves so many connections.
async fn serve(mut listener: TcpListener, connections: usize) {
    let mut tasks = rt::TaskSet::new();
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.expect("accepted");
        tasks.spawn_on(
            &rt::handle(),
            hyper::server::conn::http1::Builder::new()
                .timer(HyperTimer)
                .header_read_timeout(Duration::from_secs(60))
                .serve_connection(stream, service_fn(answer)),
        );
    }
    while let Some(served) = tasks.join_next().await {
        served.expect("no panic").expect("served");
    }
}

#[test]
fn several_buffers_are_filled_in_turn_and_several_slices_sent() {
    rt::block_on(async {
        let (mut server, mut client) = pair().await;
        let words = [&b"one "[..], b"", b"two ", b"three"];
        let sent = client.write_vectored(&words).await.expect("sent");
        assert_eq!(sent, 13, "a connection has room for so little");
        let (mut first, mut none, mut rest) = ([0; 3], [], [0; 20]);
        let mut got = 0;
        while got < sent {
            let mut buffers = [
                &mut first[got.min(3)..],
                &mut none,
                &mut rest[got.saturating_sub(3)..],
            ];
            let count = server.read_vectored(&mut buffers).await.expect("read");
            assert!(count > 0, "not the end");
            got += count;
        }
        assert_eq!((&first, &rest[..10]), (b"one", &b" two three"[..]));
        // What fills the first buffer says nothing of what is left.
        client.write_all(b"abcdef").await.expect("sent");
        let mut buffers = [&mut first[..]];
        assert_eq!(server.read_vectored(&mut buffers).await.expect("read"), 3);
        let mut buffers = [&mut rest[..]];
        assert_eq!(server.read_vectored(&mut buffers).await.expect("read"), 3);
        drop(client);
        let mut buffers = [&mut rest[..]];
        assert_eq!(server.read_vectored(&mut buffers).await.expect("end"), 0);
    })
    .expect("a runtime");
}

/// More than one call takes, here and below.
const EMPTY: usize = 100;

#[test]
fn empty_buffers_before_others_are_neither_the_end_nor_a_write_of_nothing() {
    rt::block_on(async {
        let (mut server, mut client) = pair().await;
        let none = [IoSlice::new(b""); EMPTY];
        let slices: Vec<_> = none.into_iter().chain([IoSlice::new(b"abc")]).collect();
        let sent = poll_fn(|cx| client.poll_write_vectored(cx, &slices)).await;
        assert_eq!(sent.expect("sent"), 3);
        let slices: Vec<_> = slices.iter().map(|slice| &**slice).collect();
        assert_eq!(client.write_vectored(&slices).await.expect("sent"), 3);
        assert_eq!(
            client
                .write_vectored(&slices[..EMPTY])
                .await
                .expect("nothing"),
            0
        );
        drop(client);
        let mut got = Vec::new();
        // By the standard library's buffers and by plain ones in turn, until the end.
        loop {
            let mut bytes = [0; 2];
            let mut empty: Vec<[u8; 0]> = vec![[]; EMPTY];
            let count = if got.len() % 4 == 0 {
                let mut buffers: Vec<_> =
                    empty.iter_mut().map(|one| IoSliceMut::new(one)).collect();
                buffers.push(IoSliceMut::new(&mut bytes));
                poll_fn(|cx| server.poll_read_vectored(cx, &mut buffers)).await
            } else {
                let mut buffers: Vec<_> = empty.iter_mut().map(|one| &mut one[..]).collect();
                buffers.push(&mut bytes);
                server.read_vectored(&mut buffers).await
            };
            match count.expect("read") {
                0 => break,
                count => got.extend_from_slice(&bytes[..count]),
            }
        }
        assert_eq!(got, b"abcabc");
    })
    .expect("a runtime");
}

#[test]
fn a_hyper_client_talks_to_a_hyper_server() {
    const CLIENTS: usize = 8;
    rt::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = rt::spawn(serve(listener, CLIENTS));
        let mut clients = rt::TaskSet::new();
        for client in 0..CLIENTS {
            clients.spawn_on(&rt::handle(), async move {
                let stream = TcpStream::connect(address).await.expect("connected");
                let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
                    .await
                    .expect("a handshake");
                let connection = rt::spawn(connection);
                for round in 0..10_usize {
                    // From nothing to more than a socket's buffer holds.
                    let body = vec![b'x'; round * round * round * 1_000];
                    let request = Request::post(format!("/{client}/{round}"))
                        .header("host", "test")
                        .body(Full::new(Bytes::from(body.clone())))
                        .expect("a request");
                    let response = sender.send_request(request).await.expect("a response");
                    assert_eq!(response.status(), StatusCode::OK);
                    let got = response.into_body().collect().await.expect("a body");
                    let mut want = format!("/{client}/{round} {} ", body.len()).into_bytes();
                    want.extend_from_slice(&body);
                    assert!(got.to_bytes() == want, "{client} {round}");
                }
                drop(sender);
                connection.await.expect("no panic").expect("a clean end");
            });
        }
        while let Some(client) = clients.join_next().await {
            client.expect("no panic");
        }
        server.await.expect("no panic");
    })
    .expect("a runtime");
}

#[test]
fn hyper_gives_up_on_a_client_that_sends_no_head() {
    rt::block_on(async {
        let (served, mut silent) = pair().await;
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(HyperTimer)
            .header_read_timeout(Duration::from_millis(5))
            .serve_connection(served, service_fn(answer));
        silent.write_all(b"GET / HT").await.expect("sent");
        let error = serving.await.expect_err("the head never ends");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(rt::handle().metrics().timers, 0, "no sleep is left");
    })
    .expect("a runtime");
}

#[test]
fn a_sleep_that_hyper_drops_ends_its_task() {
    use hyper::rt::Timer as _;
    rt::block_on(async {
        let before = rt::handle().metrics().tasks_alive;
        let mut sleep = HyperTimer.sleep(Duration::from_secs(3600));
        assert!(futures_lite::future::poll_once(&mut sleep).await.is_none());
        rt::yield_now().await;
        assert_eq!(rt::handle().metrics().tasks_alive, before + 1);
        drop(sleep);
        rt::yield_now().await;
        rt::yield_now().await;
        assert_eq!(rt::handle().metrics().tasks_alive, before);
        HyperTimer.sleep(Duration::from_millis(1)).await;
    })
    .expect("a runtime");
}

#[test]
fn lines_come_through_a_buffered_reader_of_the_futures_world() {
    rt::block_on(async {
        let (server, client) = pair().await;
        let (read, mut write) = client.into_split();
        let echo = rt::spawn(async move {
            let (read, mut write) = server.into_split();
            let mut lines = BufReader::new(read).lines();
            while let Some(line) = lines.next().await {
                let line = line.expect("a line");
                write
                    .write_all(format!("<{line}>\n").as_bytes())
                    .await
                    .expect("sent");
            }
            futures_lite::AsyncWriteExt::close(&mut write).await
        });
        for line in ["one\n", "tw", "o\nthree\n\n", "last"] {
            write.write_all(line.as_bytes()).await.expect("sent");
            rt::sleep(Duration::from_micros(200)).await;
        }
        write.shutdown(ShutdownHow::Write).expect("ended");
        let mut text = String::new();
        BufReader::new(read)
            .read_to_string(&mut text)
            .await
            .expect("all");
        assert_eq!(text, "<one>\n<two>\n<three>\n<>\n<last>\n");
        echo.await.expect("no panic").expect("closed");
    })
    .expect("a runtime");
}

#[test]
fn channels_and_sets_are_streams() {
    rt::block_on(async {
        let (sender, receiver) = rt::sync::channel(2);
        rt::spawn(async move {
            for number in 0..10 {
                sender.send(number).await.expect("room");
            }
        })
        .detach();
        let even: Vec<_> = receiver.filter(|number| number % 2 == 0).collect().await;
        assert_eq!(even, [0, 2, 4, 6, 8]);
        let set: rt::FutureSet<'_, _> = (0..5).map(|number| async move { number }).collect();
        assert_eq!(set.fold(0, |sum, number| sum + number).await, 10);
    })
    .expect("a runtime");
}

#[test]
fn embedded_io_reads_and_writes() {
    rt::block_on(async {
        let (mut one, mut other) = pair().await;
        embedded_io_async::Write::write_all(&mut one, b"bytes")
            .await
            .expect("sent");
        embedded_io_async::Write::flush(&mut one)
            .await
            .expect("nothing to do");
        let mut bytes = [0; 5];
        embedded_io_async::Read::read_exact(&mut other, &mut bytes)
            .await
            .expect("received");
        assert_eq!(&bytes, b"bytes");
    })
    .expect("a runtime");
}

#[test]
fn a_name_connects() {
    rt::block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (connected, accepted) =
            rt::join!(TcpStream::connect(("localhost", port)), listener.accept());
        let (mut connected, (mut accepted, _)) = (
            connected.expect("one of its addresses answers"),
            accepted.expect("accepted"),
        );
        connected.write_all(b"hello").await.expect("sent");
        let mut bytes = [0; 5];
        accepted.read_exact(&mut bytes).await.expect("received");
        assert_eq!(&bytes, b"hello");
    })
    .expect("a runtime");
}

#[test]
#[cfg(target_os = "linux")]
fn a_peek_leaves_the_bytes_and_a_linger_of_zero_resets() {
    rt::block_on(async {
        let (one, mut other) = pair().await;
        one.set_keepalive(Some(Duration::from_secs(60)))
            .expect("set");
        one.set_keepalive(None).expect("set");
        let error = one
            .set_keepalive(Some(Duration::ZERO))
            .expect_err("no time");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let mut one = one;
        let mut buffer = [0; 8];
        {
            let waiting = core::pin::pin!(other.peek(&mut buffer));
            assert!(futures_lite::future::poll_once(waiting).await.is_none());
        }
        one.write_all(b"bytes").await.expect("written");
        for _ in 0..2 {
            let count = other.peek(&mut buffer[..3]).await.expect("looked");
            assert_eq!(&buffer[..count], b"byt");
        }
        assert_eq!(&*other.receive().await.expect("received"), b"bytes");
        one.set_linger(Some(Duration::ZERO)).expect("set");
        drop(one);
        let error = other.receive().await.expect_err("reset");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    })
    .expect("a runtime");
}

#[test]
fn a_slow_poll_is_told_with_the_name_of_its_task() {
    std::thread_local! {
        static TOLD: core::cell::RefCell<Vec<&'static str>> = const { core::cell::RefCell::new(Vec::new()) };
    }
    async fn dawdles() {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(3) {}
    }
    rt::block_on(async {
        let limit = Duration::from_millis(2);
        let tell = |name, _| TOLD.with_borrow_mut(|told| told.push(name));
        rt::handle().report_slow_polls(Some((limit, tell)));
        rt::spawn(dawdles()).await.expect("no panic");
        rt::handle().report_slow_polls(None);
        rt::spawn(dawdles()).await.expect("no panic");
        let told = TOLD.take();
        // A busy machine may make others slow too.
        assert!(told.iter().any(|name| name.contains("dawdles")), "{told:?}");
        assert!(told.iter().filter(|name| name.contains("dawdles")).count() == 1);
        let metrics = rt::handle().metrics();
        assert!(metrics.slow_polls >= 1 && metrics.poll_time >= limit);
    })
    .expect("a runtime");
}

/// An error of a datagram socket is one message, and not its end.
#[test]
#[cfg(target_os = "linux")]
fn a_datagram_socket_waits_again_after_its_peer_was_gone() {
    use underpin::rt::net::UdpSocket;
    rt::block_on(async {
        let mut socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let gone = {
            let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
            peer.local_addr().expect("an address")
        };
        socket.connect(gone).expect("named");
        let mut buffer = [0; 8];
        {
            let waiting = core::pin::pin!(socket.recv_from(&mut buffer));
            assert!(futures_lite::future::poll_once(waiting).await.is_none());
        }
        socket.send(b"anybody there?").await.expect("sent");
        let error = socket.recv_from(&mut buffer).await.expect_err("nobody is");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let before = rt::handle().metrics().turns;
        let waiting = socket.recv_from(&mut buffer);
        rt::timeout(Duration::from_millis(50), waiting)
            .await
            .expect_err("nothing comes");
        let turns = rt::handle().metrics().turns - before;
        assert!(turns < 20, "it spins: {turns} turns");
    })
    .expect("a runtime");
}

#[test]
#[cfg(target_os = "linux")]
fn datagrams_arrive_whole_and_a_dropped_receive_loses_none() {
    use underpin::rt::net::UdpSocket;
    rt::block_on(async {
        let mut one = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let mut other = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let (here, there) = (
            one.local_addr().expect("an address"),
            other.local_addr().expect("an address"),
        );
        let mut buffer = [0; 8];
        {
            let waiting = core::pin::pin!(other.recv_from(&mut buffer));
            assert!(futures_lite::future::poll_once(waiting).await.is_none());
        }
        let sender = rt::spawn(async move {
            for number in 0..50_u8 {
                one.send_to(&[number; 3], there).await.expect("sent");
                rt::yield_now().await;
            }
            one.send_to(&[7; 20], there).await.expect("sent");
            one
        });
        for number in 0..50_u8 {
            let got = loop {
                // Dropped after one poll, every other time.
                let mut waiting = core::pin::pin!(other.recv_from(&mut buffer));
                match futures_lite::future::poll_once(&mut waiting).await {
                    Some(got) => break got.expect("received"),
                    None => rt::yield_now().await,
                }
            };
            assert_eq!((got.bytes, got.whole_bytes, got.peer), (3, 3, here));
            assert_eq!(buffer[..3], [number; 3]);
        }
        let cut = other.recv_from(&mut buffer).await.expect("received");
        assert_eq!((cut.bytes, cut.whole_bytes), (8, 20));
        let mut one = sender.await.expect("no panic");
        other.connect(here).expect("named");
        other.send(b"back").await.expect("sent");
        let got = one.recv_from(&mut buffer).await.expect("received");
        assert_eq!((&buffer[..got.bytes], got.peer), (&b"back"[..], there));
    })
    .expect("a runtime");
}

#[test]
#[cfg(target_os = "linux")]
fn unix_streams_carry_hyper_and_bytes() {
    use futures_lite::AsyncWriteExt as _;
    use underpin::rt::net::{UnixListener, UnixStream};
    let path = std::env::temp_dir().join(format!("underpin-rt-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    rt::block_on(async {
        let mut listener = UnixListener::bind(&path).expect("a name");
        let again = UnixListener::bind(&path).expect_err("taken");
        assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse);
        let client = UnixStream::connect(&path).expect("connected");
        let server = listener.accept().await.expect("accepted");
        let served = rt::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(server, service_fn(answer)),
        );
        let (mut sender, connection) = hyper::client::conn::http1::handshake(client)
            .await
            .expect("a handshake");
        let connection = rt::spawn(connection);
        let request = Request::post("/local")
            .body(Full::new(Bytes::from_static(b"abc")))
            .expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes(), "/local 3 abc");
        drop(sender);
        connection.await.expect("no panic").expect("a clean end");
        served.await.expect("no panic").expect("served");

        let (mut one, mut other) = UnixStream::pair().expect("a pair");
        one.write_all(b"bytes").await.expect("sent");
        one.close().await.expect("closed");
        let mut text = String::new();
        other.read_to_string(&mut text).await.expect("all");
        assert_eq!(text, "bytes");
    })
    .expect("a runtime");
    std::fs::remove_file(&path).expect("it stays until removed");
}
