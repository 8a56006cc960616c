//! What a program does with connections.

use super::{executor, listen, on_both, pair, pattern};
use core::time::Duration;
use underpin::sys::{Kind, ShutdownHow};
use underpin_core::exec::net::TcpStream;
use underpin_core::platform::Reactor;

on_both! {
    an_echo_server_answers_many_clients,
    a_large_transfer_meets_a_slow_reader,
    halves_work_in_two_tasks,
    the_end_of_one_direction_leaves_the_other,
    connecting_to_nobody_is_refused,
    read_exact_names_an_early_end,
    addresses_are_each_others,
}

fn an_echo_server_answers_many_clients<P: Reactor>(platform: P) {
    const CLIENTS: usize = 20;
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        let spawner = handle.clone();
        let server = handle.spawn(async move {
            for _ in 0..CLIENTS {
                let (mut stream, _) = listener.accept().await.expect("accepted");
                stream.set_no_delay(true).expect("set");
                spawner
                    .spawn(async move {
                        loop {
                            let bytes = stream.receive().await.expect("received");
                            if bytes.is_empty() {
                                return;
                            }
                            stream.write_all(&bytes).await.expect("sent");
                        }
                    })
                    .detach();
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let inner = handle.clone();
                handle.spawn(async move {
                    let mut stream = TcpStream::connect(&inner, address)
                        .await
                        .expect("connected");
                    for round in 0..10 {
                        let sent = pattern(client * 1000 + round, 1 + round * 97);
                        stream.write_all(&sent).await.expect("sent");
                        let mut back = vec![0; sent.len()];
                        stream.read_exact(&mut back).await.expect("received");
                        assert_eq!(back, sent);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("no panic");
        }
        server.await.expect("no panic");
    });
}

fn a_large_transfer_meets_a_slow_reader<P: Reactor>(platform: P) {
    const BYTES: usize = 3 << 20;
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut reader, mut writer) = pair(&handle).await;
        let sender = handle.spawn(async move {
            writer.write_all(&pattern(0, BYTES)).await.expect("sent");
        });
        let mut got = Vec::new();
        loop {
            let bytes = reader.receive().await.expect("received");
            if bytes.is_empty() {
                break;
            }
            got.extend_from_slice(&bytes);
            if got.len() % 7 == 0 {
                handle.sleep(Duration::from_micros(100)).await;
            }
        }
        sender.await.expect("no panic");
        assert!(got == pattern(0, BYTES), "{} bytes", got.len());
    });
}

fn halves_work_in_two_tasks<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (server, client) = pair(&handle).await;
        let (mut read, mut write) = server.into_split();
        let echo = handle.spawn(async move {
            loop {
                let bytes = read.receive().await.expect("received");
                if bytes.is_empty() {
                    return write.shutdown(ShutdownHow::Write);
                }
                write.write_all(&bytes).await.expect("sent");
            }
        });
        let (mut read, mut write) = client.into_split();
        let sender = handle.spawn(async move {
            write.write_all(&pattern(0, 300_000)).await.expect("sent");
            write.shutdown(ShutdownHow::Write).expect("ended");
            write
        });
        let mut got = Vec::new();
        let mut buffer = [0; 5000];
        loop {
            match read.read(&mut buffer).await.expect("received") {
                0 => break,
                count => got.extend_from_slice(&buffer[..count]),
            }
        }
        assert!(got == pattern(0, 300_000));
        assert_eq!(read.read(&mut buffer).await.expect("the end stays"), 0);
        sender.await.expect("no panic");
        echo.await.expect("no panic").expect("ended");
    });
}

fn the_end_of_one_direction_leaves_the_other<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        one.write_all(b"last").await.expect("sent");
        one.shutdown(ShutdownHow::Write).expect("ended");
        let mut bytes = [0; 4];
        other.read_exact(&mut bytes).await.expect("received");
        assert_eq!(&bytes, b"last");
        assert!(other.receive().await.expect("the end").is_empty());
        other.write_all(b"back").await.expect("sent");
        one.read_exact(&mut bytes).await.expect("received");
        assert_eq!(&bytes, b"back");
        let error = one.write(b"more").await.expect_err("ended");
        assert_eq!(error.kind(), Kind::BrokenPipe);
    });
}

fn connecting_to_nobody_is_refused<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (listener, address) = listen(&handle);
        drop(listener);
        let error = TcpStream::connect(&handle, address)
            .await
            .expect_err("nobody");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
    });
}

fn read_exact_names_an_early_end<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut one, mut other) = pair(&handle).await;
        one.write_all(b"abc").await.expect("sent");
        drop(one);
        let error = other.read_exact(&mut [0; 4]).await.expect_err("3 of 4");
        assert_eq!(error.kind(), Kind::UnexpectedEnd);
    });
}

fn addresses_are_each_others<P: Reactor>(platform: P) {
    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (one, other) = pair(&handle).await;
        assert_eq!(one.peer_address().ok(), other.local_address().ok());
        assert_eq!(one.local_address().ok(), other.peer_address().ok());
    });
}
