//! hyper's hello server, the same on tokio and on us: what a request costs the server.

use super::echo::measured;
use super::load::Traffic;
use super::subject::{Runtime, Tokio, Underpin, UnderpinUring, listen, subject, with_ring};
use crate::case::{Case, Settings};
use core::convert::Infallible;
use core::net::{Ipv4Addr, SocketAddr};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::sync::mpsc::Sender;
use underpin::sys::RingBackend;

pub(super) fn cases(settings: &Settings) -> Vec<Case> {
    let requests = settings.operations(100_000, 20_000);
    [(1, requests / 4), (100, requests)]
        .map(|(connections, requests)| case(connections, requests))
        .into()
}

fn case(connections: usize, requests: u64) -> Case {
    Case {
        name: format!("hyper, {connections} connections"),
        terms: format!(
            "{requests} requests for a page of 13 bytes by HTTP/1.1, one under way a connection, sent by another thread over epoll; CPU of the server's threads a request. The same hyper; tokio's streams through hyper-util"
        ),
        ours: subject::<Underpin>(move || {
            measured(Traffic::Http, connections, requests, |address| {
                with_ring(
                    RingBackend::Readiness,
                    underpin_serves(address, connections),
                );
            })
        }),
        peers: vec![
            subject::<Tokio>(move || {
                measured(Traffic::Http, connections, requests, |address| {
                    Tokio::block_on(tokio_serves(address, connections));
                })
            }),
            subject::<UnderpinUring>(move || {
                measured(Traffic::Http, connections, requests, |address| {
                    with_ring(
                        RingBackend::Completion,
                        underpin_serves(address, connections),
                    );
                })
            })
            .called("limit: ours over io_uring"),
        ],
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let page = Bytes::from_static(b"Hello, world!");
    Ok(Response::new(Full::new(page)))
}

async fn underpin_serves(where_it_is: Sender<SocketAddr>, connections: usize) {
    let mut listener =
        underpin::rt::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    where_it_is.send(address).expect("somebody asks");
    let mut tasks = Vec::with_capacity(connections);
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("set");
        let serving = http1::Builder::new().serve_connection(stream, service_fn(hello));
        tasks.push(underpin::rt::spawn(serving));
    }
    for task in tasks {
        // That a client goes is no failure.
        let _ = task.await.expect("no panic");
    }
}

async fn tokio_serves(where_it_is: Sender<SocketAddr>, connections: usize) {
    let listener = tokio::net::TcpListener::from_std(listen(&where_it_is)).expect("a listener");
    let mut tasks = Vec::with_capacity(connections);
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("set");
        let stream = hyper_util::rt::TokioIo::new(stream);
        let serving = http1::Builder::new().serve_connection(stream, service_fn(hello));
        tasks.push(tokio::task::spawn_local(serving));
    }
    for task in tasks {
        let _ = task.await.expect("no panic");
    }
}
