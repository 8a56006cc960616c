//! One face for all runtimes.

use crate::case::{Sample, Subject, locked_version};
use core::future::Future;
use core::task::Poll;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::Sender;
use std::time::Duration;
use underpin::sys::RingBackend;

/// A runtime on one thread.
pub(super) trait Runtime: 'static {
    const NAME: &'static str;
    /// The package whose version is shown; empty for us.
    const PACKAGE: &'static str;

    /// Makes a runtime and runs `future` on it.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// A task of the runtime that runs.
    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static;

    /// The runtime's own timer.
    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static;

    /// Listens on a port, says where, accepts so many connections and answers each, in a task of its own,
    /// with what it sends, through a buffer of `buffer` bytes if the runtime wants one. Ends when all of them have ended.
    fn serve(
        where_it_is: Sender<SocketAddr>,
        connections: usize,
        buffer: usize,
    ) -> impl Future<Output = ()>;
}

/// A subject that runs `body` for a runtime.
pub(super) fn subject<R: Runtime>(
    mut body: impl FnMut() -> Result<Sample, String> + 'static,
) -> Subject {
    let version = if R::PACKAGE.is_empty() {
        env!("CARGO_PKG_VERSION").to_owned()
    } else {
        locked_version(R::PACKAGE)
    };
    Subject::new(R::NAME, version, move |_| body())
}

/// Lets others run once: the same future for all.
pub(super) fn yield_once() -> impl Future<Output = ()> {
    let mut yielded = false;
    core::future::poll_fn(move |cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A listener for the peers, which take the standard library's.
pub(super) fn listen(where_it_is: &Sender<SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    listener.set_nonblocking(true).expect("set");
    let address = listener.local_addr().expect("an address");
    where_it_is.send(address).expect("somebody asks");
    listener
}

/// Us.
pub(super) struct Underpin;

impl Runtime for Underpin {
    const NAME: &'static str = "underpin";
    const PACKAGE: &'static str = "";

    fn block_on<F: Future>(future: F) -> F::Output {
        with_ring(RingBackend::Readiness, future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let handle = underpin::rt::spawn(future);
        async move { handle.await.expect("no panic") }
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        underpin::rt::sleep(time)
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, _: usize) {
        underpin_serves(where_it_is, connections).await;
    }
}

/// Us over io_uring.
pub(super) struct UnderpinUring;

impl Runtime for UnderpinUring {
    const NAME: &'static str = "underpin";
    const PACKAGE: &'static str = "";

    fn block_on<F: Future>(future: F) -> F::Output {
        with_ring(RingBackend::Completion, future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        Underpin::spawn(future)
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        Underpin::sleep(time)
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, _: usize) {
        underpin_serves(where_it_is, connections).await;
    }
}

/// Runs `future` on us over this kind of ring.
pub(super) fn with_ring<F: Future>(backend: RingBackend, future: F) -> F::Output {
    let runtime = underpin::rt::Runtime::with_ring(backend).expect("a ring");
    assert_eq!(
        runtime.handle().ring_backend(),
        backend,
        "another kind of ring"
    );
    runtime.block_on(future)
}

async fn underpin_serves(where_it_is: Sender<SocketAddr>, connections: usize) {
    let mut listener =
        underpin::rt::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    where_it_is.send(address).expect("somebody asks");
    let mut tasks = Vec::with_capacity(connections);
    for _ in 0..connections {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("set");
        tasks.push(underpin::rt::spawn(async move {
            loop {
                let bytes = stream.receive().await.expect("received");
                if bytes.is_empty() {
                    return;
                }
                stream.write_all(&bytes).await.expect("sent");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// Tokio on one thread, with tasks that need not be `Send`.
pub(super) struct Tokio;

impl Runtime for Tokio {
    const NAME: &'static str = "tokio";
    const PACKAGE: &'static str = "tokio";

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime")
            .block_on(future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let handle = tokio::task::spawn_local(future);
        async move { handle.await.expect("no panic") }
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(time)
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, buffer: usize) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::from_std(listen(&where_it_is)).expect("a listener");
        let mut tasks = Vec::with_capacity(connections);
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("set");
            tasks.push(tokio::task::spawn_local(async move {
                let mut buffer = vec![0; buffer];
                loop {
                    let count = stream.read(&mut buffer).await.expect("received");
                    if count == 0 {
                        return;
                    }
                    stream.write_all(&buffer[..count]).await.expect("sent");
                }
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
    }
}

/// smol's executor for one thread, run by its reactor's `block_on`.
pub(super) struct Smol;

std::thread_local! {
    static SMOL: &'static smol::LocalExecutor<'static> =
        Box::leak(Box::new(smol::LocalExecutor::new()));
}

impl Runtime for Smol {
    const NAME: &'static str = "smol";
    const PACKAGE: &'static str = "smol";

    fn block_on<F: Future>(future: F) -> F::Output {
        let executor = SMOL.with(|executor| *executor);
        smol::block_on(executor.run(future))
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        SMOL.with(|executor| executor.spawn(future))
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, buffer: usize) {
        use smol::io::{AsyncReadExt, AsyncWriteExt};
        let listener = smol::Async::new(listen(&where_it_is)).expect("a listener");
        let mut tasks = Vec::with_capacity(connections);
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.get_ref().set_nodelay(true).expect("set");
            tasks.push(Self::spawn(async move {
                let mut buffer = vec![0; buffer];
                loop {
                    let count = stream.read(&mut buffer).await.expect("received");
                    if count == 0 {
                        return;
                    }
                    stream.write_all(&buffer[..count]).await.expect("sent");
                }
            }));
        }
        for task in tasks {
            task.await;
        }
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        let timer = smol::Timer::after(time);
        async move {
            timer.await;
        }
    }
}

/// monoio over io_uring.
pub(super) struct Monoio;

impl Runtime for Monoio {
    const NAME: &'static str = "monoio";
    const PACKAGE: &'static str = "monoio";

    fn block_on<F: Future>(future: F) -> F::Output {
        monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
            .enable_timer()
            .build()
            .expect("io_uring")
            .block_on(future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        monoio::spawn(future)
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(time)
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, buffer: usize) {
        use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
        let listener =
            monoio::net::TcpListener::from_std(listen(&where_it_is)).expect("a listener");
        let mut tasks = Vec::with_capacity(connections);
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("set");
            tasks.push(monoio::spawn(async move {
                let mut bytes: Vec<u8> = Vec::with_capacity(buffer);
                loop {
                    bytes.clear();
                    let (result, filled) = stream.read(bytes).await;
                    if result.expect("received") == 0 {
                        return;
                    }
                    let (result, sent) = stream.write_all(filled).await;
                    result.expect("sent");
                    bytes = sent;
                }
            }));
        }
        for task in tasks {
            task.await;
        }
    }
}

/// compio over io_uring.
pub(super) struct Compio;

impl Runtime for Compio {
    const NAME: &'static str = "compio";
    const PACKAGE: &'static str = "compio";

    fn block_on<F: Future>(future: F) -> F::Output {
        compio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(future)
    }

    fn spawn<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let handle = compio::runtime::spawn(future);
        async move { handle.await.expect("no panic") }
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(time)
    }

    async fn serve(where_it_is: Sender<SocketAddr>, connections: usize, buffer: usize) {
        use compio::io::{AsyncRead, AsyncWriteExt};
        let listener =
            compio::net::TcpListener::from_std(listen(&where_it_is)).expect("a listener");
        let mut tasks = Vec::with_capacity(connections);
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("set");
            tasks.push(compio::runtime::spawn(async move {
                let mut bytes: Vec<u8> = Vec::with_capacity(buffer);
                loop {
                    bytes.clear();
                    let compio::BufResult(result, filled) = stream.read(bytes).await;
                    if result.expect("received") == 0 {
                        return;
                    }
                    let compio::BufResult(result, sent) = stream.write_all(filled).await;
                    result.expect("sent");
                    bytes = sent;
                }
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
    }
}
