//! How often the system is asked for each echo, as the seam sees it: each receive, send and wait is at least a system call.

use super::{executor, system, with_completions};
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::Cell;
use core::net::Ipv4Addr;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Client;
use underpin::sys::{ListenOptions, Native, Operation};
use underpin_core::exec::net::TcpListener;
use underpin_core::exec::sync::Notify;
use underpin_core::platform::middleware::{Counters, Counting};

const ROUNDS: usize = 50;

/// How many of the rounds count, those with the fewest calls: in some, messages come late to a loaded machine's sockets, and more waits find
/// a few each.
const BEST_ROUNDS: usize = 25;

#[test]
fn an_echo_costs_a_receive_a_send_and_its_share_of_a_wait() {
    if let Some(platform) = system() {
        echoes(platform);
    }
    with_completions(echoes);
}

fn echoes(platform: Native) {
    // Hundredths of calls. One connection waits for each message; of 64 that have one at once, nearly none does.
    for (connections, calls_max) in [(1, 310), (64, 205)] {
        let calls = calls_of(platform, connections) * 100 / (BEST_ROUNDS * connections);
        assert!(
            calls <= calls_max,
            "{calls} hundredths of calls at {connections} connections"
        );
    }
}

/// The calls for [`BEST_ROUNDS`] messages on each of so many connections, all of which are there before the server looks.
fn calls_of(platform: Native, connections: usize) -> usize {
    let counters = Arc::new(Counters::new());
    let server = executor(Counting::new(platform, Arc::clone(&counters)));
    let handle = server.handle().clone();
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let mut listener = TcpListener::bind(&handle, &any, &ListenOptions::default()).expect("a port");
    let address = listener.local_address().expect("an address");
    // How many are to be served yet.
    let left = Rc::new((Cell::new(0), Notify::new()));
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = Client::connect(address).expect("connected");
        let (mut stream, _) = server.block_on(listener.accept()).expect("accepted");
        let left = left.clone();
        let echoing = async move {
            loop {
                let bytes = stream.receive().await.expect("received");
                if bytes.is_empty() {
                    return;
                }
                stream.write_all(&bytes).await.expect("sent");
                left.0.set(left.0.get() - 1);
                if left.0.get() == 0 {
                    left.1.notify_one();
                }
            }
        };
        handle.spawn(echoing).detach();
        clients.push(client);
    }
    let calls = || {
        [Operation::Receive, Operation::Send, Operation::RingWait]
            .map(|operation| counters.get(operation).calls)
            .iter()
            .sum::<usize>()
    };
    let mut calls_of_rounds = Vec::new();
    // The first round wakes all, and finds out that there is nothing more.
    for round in 0..=ROUNDS {
        let before = calls();
        for client in &mut clients {
            client.write_all(&[round as u8; 100]).expect("sent");
        }
        left.0.set(connections);
        server.block_on(left.1.notified());
        for client in &mut clients {
            let mut got = [0; 100];
            client.read_exact(&mut got).expect("answered");
            assert_eq!(got, [round as u8; 100]);
        }
        if round > 0 {
            calls_of_rounds.push(calls() - before);
        }
    }
    calls_of_rounds.sort_unstable();
    calls_of_rounds[..BEST_ROUNDS].iter().sum()
}
