//! hyper's hello server, unmodified, on the runtime: HTTP/1.1 at one port, HTTP/2 at another, both told on the first line. The leg
//! `clients` aims wrk and h2load at it.
#![allow(clippy::print_stdout, reason = "says where it listens")]

use core::convert::Infallible;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::io;
use underpin::rt::net::TcpListener;
use underpin::rt::{self, HyperExecutor, HyperTimer};

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(
        b"Hello, world!",
    ))))
}

/// Accepts for ever. A connection that breaks is its client's matter.
macro_rules! serve {
    ($listener:ident, $builder:expr) => {
        loop {
            let (stream, _) = $listener.accept().await?;
            stream.set_nodelay(true)?;
            rt::spawn($builder.serve_connection(stream, service_fn(hello))).detach();
        }
    };
}

async fn serve_1(mut listener: TcpListener) -> io::Result<Infallible> {
    let mut builder = http1::Builder::new();
    builder.timer(HyperTimer);
    serve!(listener, builder)
}

async fn serve_2(mut listener: TcpListener) -> io::Result<Infallible> {
    let mut builder = http2::Builder::new(HyperExecutor);
    builder.timer(HyperTimer);
    serve!(listener, builder)
}

fn main() -> io::Result<()> {
    rt::block_on(async {
        let (first, second) = (
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        );
        println!("{} {}", first.local_addr()?, second.local_addr()?);
        rt::try_join!(serve_1(first), serve_2(second)).map(drop)
    })?
}
