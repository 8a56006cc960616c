//! Many connections at once, slow ones among them, in bounded memory; and handles that run out.
#![cfg(unix)]

use super::{executor, listen, pattern, system};
use alloc::rc::Rc;
use core::cell::Cell;
use core::time::Duration;
use underpin::sys::{Kind, raise_handle_limit};
use underpin_core::exec::net::TcpStream;

/// Connections, both of whose ends are this process's, unless `UNDERPIN_CONNECTIONS` says another number.
const CONNECTIONS: usize = 10_000;

/// Bytes that slow readers are sent.
const BACKLOG: usize = 256 * 1024;

#[test]
fn ten_thousand_connections_are_held_and_served() {
    let Some(platform) = system() else { return };
    let wanted = std::env::var("UNDERPIN_CONNECTIONS").map_or(CONNECTIONS, |text| {
        text.parse().expect("UNDERPIN_CONNECTIONS is a number")
    });
    let handles = raise_handle_limit(wanted as u64 * 2 + 200);
    let connections = wanted.min((handles as usize).saturating_sub(200) / 2);
    println!("{connections} connections, {handles} handles");

    let executor = executor(platform);
    let handle = executor.handle().clone();
    executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        let alive = Rc::new(Cell::new(0_usize));
        let (spawner, counted) = (handle.clone(), alive.clone());
        let server = handle.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accepted");
                let counted = counted.clone();
                counted.set(counted.get() + 1);
                spawner
                    .spawn(async move {
                        while let Ok(bytes) = stream.receive().await {
                            // A client that sends "more" is sent a lot, which it reads slowly.
                            let backlog;
                            let answer = if *bytes == *b"more" {
                                backlog = pattern(0, BACKLOG);
                                &backlog[..]
                            } else {
                                &bytes[..]
                            };
                            if bytes.is_empty() || stream.write_all(answer).await.is_err() {
                                break;
                            }
                        }
                        counted.set(counted.get() - 1);
                    })
                    .detach();
            }
        });

        let mut clients = Vec::with_capacity(connections);
        while clients.len() < connections {
            clients.push(
                TcpStream::connect(&handle, address)
                    .await
                    .expect("connected"),
            );
        }
        while alive.get() < connections {
            handle.sleep(Duration::from_millis(1)).await;
        }

        // Slow readers first: their answers pile up on the server's side while all others are served.
        let slow = clients.split_off(connections - 50);
        let slow: Vec<_> = slow
            .into_iter()
            .map(|mut client| {
                let inner = handle.clone();
                handle.spawn(async move {
                    client.write_all(b"more").await.expect("sent");
                    let mut got = 0;
                    let mut buffer = vec![0; 4096];
                    while got < BACKLOG {
                        let count = client.read(&mut buffer).await.expect("received");
                        assert!(count > 0 && buffer[..count] == pattern(got, count)[..]);
                        got += count;
                        if got % 3 == 0 {
                            inner.sleep(Duration::from_micros(500)).await;
                        }
                    }
                })
            })
            .collect();
        for round in 0..3 {
            for (index, client) in clients.iter_mut().enumerate() {
                client
                    .write_all(&pattern(index + round, 40))
                    .await
                    .expect("sent");
            }
            for (index, client) in clients.iter_mut().enumerate() {
                let mut back = [0; 40];
                client.read_exact(&mut back).await.expect("received");
                assert_eq!(back[..], pattern(index + round, 40)[..]);
            }
        }
        for task in slow {
            task.await.expect("no panic");
        }
        drop(clients);
        while alive.get() > 0 {
            handle.sleep(Duration::from_millis(1)).await;
        }
        server.abort();
        let _ = server.await;
    });
    let metrics = executor.handle().metrics();
    assert_eq!(metrics.tasks_alive, 1, "block_on's own: {metrics:?}");
}

/// In a process of its own, since it takes every handle that there is.
#[test]
fn accepting_goes_on_when_handles_come_back() {
    if std::env::var_os("UNDERPIN_ALONE").is_none() {
        let own = std::env::current_exe().expect("this test");
        let status = std::process::Command::new(own)
            .args(["--exact", "load::accepting_goes_on_when_handles_come_back"])
            .env("UNDERPIN_ALONE", "1")
            .status()
            .expect("started");
        assert!(status.success());
        return;
    }
    let Some(platform) = system() else { return };
    let executor = executor(platform);
    let handle = executor.handle().clone();
    let mut kept = executor.block_on(async {
        let (mut listener, address) = listen(&handle);
        let client = TcpStream::connect(&handle, address)
            .await
            .expect("connected");
        let (mut kept, address) = listen(&handle);
        let _waits = TcpStream::connect(&handle, address)
            .await
            .expect("connected");
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let error = listener.accept().await.expect_err("no handle is left");
        assert_eq!(error.kind(), Kind::TooManyHandles);
        let start = handle.now();
        let error = listener.accept().await.expect_err("still none");
        assert_eq!(error.kind(), Kind::TooManyHandles);
        let rested = handle.now().saturating_duration_since(start);
        assert!(
            rested >= Duration::from_millis(49),
            "no busy loop: {rested:?}"
        );
        let error = kept.accept().await.expect_err("still none");
        assert_eq!(error.kind(), Kind::TooManyHandles);
        hoard.clear();
        let (mut served, _) = listener.accept().await.expect("accepted");
        drop(client);
        assert!(served.receive().await.expect("the end").is_empty());
        kept
    });
    // It rests, by a timer of an executor that is gone.
    drop(executor);
    let executor = self::executor(platform);
    let handle = executor.handle().clone();
    let error = executor
        .block_on(handle.timeout(Duration::from_secs(10), kept.accept()))
        .expect("no wait for a timer that nobody turns")
        .expect_err("its executor is gone");
    assert_eq!(error.kind(), Kind::Cancelled);
}
