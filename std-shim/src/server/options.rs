//! How to serve.
#![forbid(unsafe_code)]

use super::resp::Limits;
use core::net::{Ipv4Addr, SocketAddr};

/// When a write is durable, under Redis's names. In every case a write whose reply was sent survives the end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// Before its reply is sent: survives a loss of power.
    Always,
    /// Within about a second.
    EverySec,
    /// When the operating system likes.
    No,
}

impl AppendFsync {
    const ALL: [Self; 3] = [Self::Always, Self::EverySec, Self::No];

    /// Its name in commands and settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySec => "everysec",
            Self::No => "no",
        }
    }

    /// The policy of that name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| name.eq_ignore_ascii_case(policy.name().as_bytes()))
    }
}

/// What the process uses; 0 where the system does not tell.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// The most that it was.
    pub resident_peak_bytes: u64,
    /// Memory of the machine in bytes.
    pub machine_bytes: u64,
    /// Processor time in the program, in milliseconds.
    pub cpu_user_ms: u64,
    /// Processor time in the system for the program, in milliseconds.
    pub cpu_system_ms: u64,
}

/// How to serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The database's directory.
    pub directory: Vec<u8>,
    /// Directory that `SAVE` and `BGSAVE` make copies of the database in. Default: none, they make everything durable and no copy.
    pub backups: Option<Vec<u8>>,
    /// Copies that stay there; with one more the oldest goes. Default 0: all stay.
    pub backups_kept: usize,
    /// Where to listen. Default 127.0.0.1:6379; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where to tell metrics over HTTP. Default: nowhere.
    pub metrics: Option<SocketAddr>,
    /// When writes are durable. Default: every second.
    pub appendfsync: AppendFsync,
    /// Connections at once. Default 10,000; one more is told so and closed.
    pub clients_max: usize,
    /// Connections that may wait to be accepted. Default 511.
    pub backlog: u32,
    /// Largest request. See [`Limits`].
    pub limits: Limits,
    /// Bytes of an unfinished request that are kept for one client, who is closed over it. Default 1 GiB.
    pub client_input_bytes_max: usize,
    /// Bytes of unsent replies over which a client's further requests wait. Default 1 MiB.
    pub client_output_bytes_soft: usize,
    /// Bytes of unsent replies that one client may have; a reply over it is refused. Default 1 GiB.
    pub client_output_bytes_max: usize,
    /// Bytes for the buffers of all clients; over it the largest client is closed. Default 2 GiB.
    pub clients_memory_max: usize,
    /// A client whose unsent replies are over so many bytes for so many seconds is closed. Default 0: never, as it is not read from.
    pub client_output_soft: (usize, u64),
    /// Seconds after which an idle client is closed. Default 0: never.
    pub idle_seconds_max: u64,
    /// What a client must say to `AUTH` before anything else. Default: nothing.
    pub password: Option<Vec<u8>>,
    /// Memory for values that were read lately, in bytes. Default 64 MiB; 0 for none.
    pub rows_bytes_max: usize,
    /// Tells what the process uses. Default: unknown.
    pub usage: fn() -> Usage,
    /// The process's number, for `INFO`. Default 0.
    pub process_id: u32,
    /// The program's path, for `INFO`. Default: empty.
    pub executable: String,
}

impl Options {
    /// The defaults, for a database in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<Vec<u8>>) -> Self {
        Self {
            directory: directory.into(),
            backups: None,
            backups_kept: 0,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 6379)),
            metrics: None,
            appendfsync: AppendFsync::EverySec,
            clients_max: 10_000,
            backlog: 511,
            limits: Limits::default(),
            client_input_bytes_max: 1 << 30,
            client_output_bytes_soft: 1 << 20,
            client_output_bytes_max: 1 << 30,
            clients_memory_max: 2 << 30,
            client_output_soft: (0, 0),
            idle_seconds_max: 0,
            password: None,
            rows_bytes_max: 64 << 20,
            usage: Usage::default,
            process_id: 0,
            executable: String::new(),
        }
    }
}
