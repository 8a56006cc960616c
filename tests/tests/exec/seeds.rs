//! The echo server on hundreds of simulated machines: short reads and writes, delays, resets, connections that go away.

use super::{Stream, TestHandle, executor, listen, machine, pattern};
use alloc::rc::Rc;
use core::cell::Cell;
use core::time::Duration;
use underpin_core::exec::net::TcpStream;
use underpin_core::platform::sim::{Rng, Sim};
use underpin_tests::seeds;

/// Machines unless `UNDERPIN_SEEDS` says another number.
const SEEDS: u64 = 300;

/// Echoes until the end or an error.
async fn echo(mut stream: Stream<Sim>, served: Rc<Cell<usize>>) {
    while let Ok(bytes) = stream.receive().await {
        if bytes.is_empty() || stream.write_all(&bytes).await.is_err() {
            break;
        }
        served.set(served.get() + bytes.len());
    }
}

/// Sends and checks; some clients go away in the middle, some wait before they read.
async fn client(handle: TestHandle<Sim>, address: core::net::SocketAddr, seed: u64) -> bool {
    let mut rng = Rng::new(seed);
    let Ok(mut stream) = TcpStream::connect(&handle, address).await else {
        return false;
    };
    for round in 0..5 {
        let sent = pattern(seed as usize + round, 1 + rng.below(9_000) as usize);
        if stream.write_all(&sent).await.is_err() {
            return false;
        }
        if rng.below(10) == 0 {
            return false;
        }
        if rng.coin() {
            handle.sleep(Duration::from_micros(rng.below(500))).await;
        }
        let mut back = vec![0; sent.len()];
        if stream.read_exact(&mut back).await.is_err() {
            return false;
        }
        assert!(back == sent, "an echo of other bytes");
    }
    true
}

#[test]
fn an_echo_server_keeps_every_byte_on_machines_of_many_seeds() {
    let count = std::env::var("UNDERPIN_SEEDS").map_or(SEEDS, |text| {
        text.parse().expect("UNDERPIN_SEEDS is a number")
    });
    println!("{count} seeds");
    seeds::check(count, |seed| {
        let executor = executor(machine(seed));
        let handle = executor.handle().clone();
        let served = Rc::new(Cell::new(0));
        let done = executor.block_on(async {
            let (mut listener, address) = listen(&handle);
            let (spawner, counted) = (handle.clone(), served.clone());
            let server = handle.spawn(async move {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        spawner.spawn(echo(stream, counted.clone())).detach();
                    }
                }
            });
            let clients: Vec<_> = (0..6)
                .map(|index| handle.spawn(client(handle.clone(), address, seed * 10 + index)))
                .collect();
            let mut done = 0;
            for client in clients {
                done += usize::from(client.await.expect("no panic"));
            }
            server.abort();
            let _ = server.await;
            done
        });
        assert!(done > 0 || served.get() > 0, "nobody was served");
        let sim = handle.platform().clone();
        drop(handle);
        drop(executor);
        assert!(sim.leaks().is_empty(), "{:?}", sim.leaks());
    });
}
