//! `underpin serve`.
#![forbid(unsafe_code)]

use super::console::{self, Failure};
use super::signal;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use underpin::kv::create_directories;
use underpin::server::{AppendFsync, EventLoop, Options, Usage};
use underpin::sys::{Native, native, path_bytes, raise_handle_limit};

/// Handles that the database's files and the reactor need beside the connections.
const HANDLES_RESERVED: u64 = 128;

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Directory of the database; made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Directory, of this server alone, in which SAVE and BGSAVE make a copy of the database each, on the same file system for speed;
    /// without it they only make everything durable
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
    /// Copies that stay in the backup directory; with one more the oldest goes. 0: all stay, and so does the space of their tables
    #[arg(long, value_name = "N", default_value_t = 0, requires = "backup_dir")]
    backups_kept: usize,
    /// Address and port to listen at; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6379")]
    listen: SocketAddr,
    /// Tell metrics in Prometheus's format at http://ADDR:PORT/metrics; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT")]
    metrics: Option<SocketAddr>,
    /// When a write is safe from a loss of power (all are safe from the end of the process)
    #[arg(long, value_enum, default_value_t = Policy::Everysec)]
    appendfsync: Policy,
    /// Connections at once; one more is told so and closed
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    maxclients: u32,
    /// Password that clients must give (AUTH); also from UNDERPIN_REQUIREPASS, where the list of processes does not show it
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "UNDERPIN_REQUIREPASS",
        hide_env_values = true
    )]
    requirepass: Option<String>,
    /// Memory for values that were read lately, in MiB; 0 for none
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    read_cache: u32,
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
        options.metrics = self.metrics;
        if let Some(path) = &self.backup_dir {
            create_directories(path).map_err(|error| {
                Failure::new(format_args!("cannot make {}: {error}", path.display()))
            })?;
            // Copies among the database's own files would be taken for them, or removed with them.
            if let (Ok(copies), Ok(own)) = (path.canonicalize(), self.dir.canonicalize())
                && copies == own
            {
                return Err(Failure::new(format_args!(
                    "{} is the database's directory; --backup-dir needs another one",
                    path.display()
                )));
            }
            options.backups = Some(path_bytes(path).to_vec());
        }
        options.backups_kept = self.backups_kept;
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
        options.password = self
            .requirepass
            .filter(|text| !text.is_empty())
            .map(String::into_bytes);
        options.rows_bytes_max =
            usize::try_from(u64::from(self.read_cache) << 20).unwrap_or(usize::MAX);
        options.usage = usage;
        if !self.listen.ip().is_loopback() && options.password.is_none() {
            console::complain(&format!(
                "{} is open to other machines and no password is needed; set one with --requirepass",
                self.listen
            ));
        }
        options.process_id = std::process::id();
        options.executable = std::env::current_exe()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default();
        let server = EventLoop::<Native>::open_threaded(native(), options).map_err(Failure::new)?;
        signal::stop_on_signals(&server)?;
        console::say(&format!("listening on {}", server.address()))?;
        if let Some(address) = server.metrics_address() {
            console::say(&format!("metrics on http://{address}/metrics"))?;
        }
        server.run().map_err(Failure::new)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What this process uses, where the system tells it in files.
fn usage() -> Usage {
    /// Length of the kernel's clock tick in its own files, whatever its timer's is.
    const TICK_MS: u64 = 10;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kilobytes = |text: &str, name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.trim().parse::<u64>().ok())
            .map_or(0, |kilobytes| kilobytes * 1024)
    };
    let status = read("/proc/self/status");
    let mut usage = Usage::default();
    usage.resident_bytes = kilobytes(&status, "VmRSS:");
    usage.resident_peak_bytes = kilobytes(&status, "VmHWM:");
    usage.machine_bytes = kilobytes(&read("/proc/meminfo"), "MemTotal:");
    // The name in parentheses may hold spaces; fields are counted after it.
    let stat = read("/proc/self/stat");
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |index: usize| {
        let field = fields.split_whitespace().nth(index);
        field.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    usage.cpu_user_ms = ticks(11) * TICK_MS;
    usage.cpu_system_ms = ticks(12) * TICK_MS;
    usage
}
