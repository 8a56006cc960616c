//! `underpin serve`.

use super::console::{self, Failure};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use underpin::server::{AppendFsync, EventLoop, Options};
use underpin::sys::{Files, Native, Reactor, native, path_bytes};

/// Handles that the database's files and the reactor need beside the connections.
const HANDLES_RESERVED: u64 = 128;

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Directory of the database; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Address and port to listen at; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6379")]
    listen: SocketAddr,
    /// When a write is safe from a loss of power (all are safe from the end of the process)
    #[arg(long, value_enum, default_value_t = Policy::Everysec)]
    appendfsync: Policy,
    /// Connections at once; one more is told so and closed
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    maxclients: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// Before its reply
    Always,
    /// Within about a second
    Everysec,
    /// When the operating system likes
    No,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut options = Options::new(path_bytes(&self.dir));
        options.listen = self.listen;
        options.appendfsync = match self.appendfsync {
            Policy::Always => AppendFsync::Always,
            Policy::Everysec => AppendFsync::EverySec,
            Policy::No => AppendFsync::No,
        };
        let handles = raise_handle_limit(u64::from(self.maxclients) + HANDLES_RESERVED);
        let clients_max = u64::from(self.maxclients).min(handles.saturating_sub(HANDLES_RESERVED));
        options.clients_max = usize::try_from(clients_max.max(1)).unwrap_or(usize::MAX);
        if clients_max < u64::from(self.maxclients) {
            console::complain(&format!(
                "the limit of {handles} open files leaves room for {clients_max} clients; raise it with ulimit -n"
            ));
        }
        options.resident_bytes = resident_bytes;
        options.process_id = std::process::id();
        options.executable = std::env::current_exe()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        let server = EventLoop::<Native>::open_threaded(native(), options).map_err(Failure::new)?;
        stop_on_signals(&server)?;
        console::say(&format!("listening on {}", server.address()))?;
        server.run().map_err(Failure::new)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Lets SIGTERM and SIGINT end the server in order; a second one ends it at once.
///
/// Generic, because the waker of a system without a reactor has no value and what follows it would be no code.
#[allow(unsafe_code, reason = "a signal handler")]
fn stop_on_signals<P: Files + Reactor>(server: &EventLoop<P>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;
    use underpin::sys::RingWaker as _;
    let second = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        let cannot = |error| Failure::new(format_args!("cannot handle signal {signal}: {error}"));
        register_conditional_shutdown(signal, 2, std::sync::Arc::clone(&second)).map_err(cannot)?;
        signal_hook::flag::register(signal, std::sync::Arc::clone(&second)).map_err(cannot)?;
        let (stop, waker) = (server.stop_flag(), server.waker());
        let handler = move || {
            stop.set();
            waker.wake();
        };
        // SAFETY: the handler stores to an atomic and wakes the ring, and `RingWaker::wake` is async-signal-safe.
        unsafe { signal_hook::low_level::register(signal, handler) }.map_err(cannot)?;
    }
    Ok(())
}

/// Raises the process's limit of open handles towards `wanted`; returns what it is then.
#[cfg(unix)]
fn raise_handle_limit(wanted: u64) -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(limit.maximum.unwrap_or(u64::MAX));
    limit.current = Some(raised);
    // Refused: then it is as it was.
    setrlimit(Resource::Nofile, limit).map_or(current, |()| raised)
}

/// Windows has no such limit.
#[cfg(not(unix))]
fn raise_handle_limit(wanted: u64) -> u64 {
    wanted
}

/// Resident memory of this process in bytes; 0 where the system does not tell in this way.
fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}
