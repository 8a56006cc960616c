//! `underpin serve`.
#![forbid(unsafe_code)]

use super::console::{self, Failure};
use super::signal;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use underpin::server::{AppendFsync, EventLoop, Options};
use underpin::sys::{Native, native, path_bytes, raise_handle_limit};

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
        signal::stop_on_signals(&server)?;
        console::say(&format!("listening on {}", server.address()))?;
        server.run().map_err(Failure::new)?;
        Ok(ExitCode::SUCCESS)
    }
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
