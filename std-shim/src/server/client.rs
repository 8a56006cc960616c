//! What the server knows about a client: its name, its version of the protocol, its transaction.
#![forbid(unsafe_code)]

use super::resp::{Args, Protocol};
use core::fmt::Write as _;
use core::net::SocketAddr;

/// Which replies a client wants (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Not to the next command; then `SkipThis`, then on again.
    SkipNext,
    SkipThis,
}

/// What the answer to a client's last request waits for; until it is there the client has no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The count of the keys.
    Count,
    /// The end of a `CLIENT PAUSE`. The request has not been run.
    Pause,
}

/// A command kept for `EXEC`: its arguments in one piece of memory.
#[derive(Debug)]
pub(crate) struct Queued {
    bytes: Box<[u8]>,
    args: Box<[super::resp::Arg]>,
}

impl Queued {
    pub(crate) fn new(args: Args<'_>) -> Self {
        let mut bytes = Vec::with_capacity(args.iter_from(0).map(<[u8]>::len).sum());
        let args = args
            .iter_from(0)
            .map(|arg| {
                let start = bytes.len();
                bytes.extend_from_slice(arg);
                super::resp::Arg {
                    start,
                    bytes: arg.len(),
                }
            })
            .collect();
        Self {
            bytes: bytes.into(),
            args,
        }
    }

    pub(crate) fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.args)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.args) + size_of::<Self>()
    }
}

/// A `MULTI` without its `EXEC` yet.
#[derive(Debug, Default)]
pub(crate) struct Multi {
    pub(crate) queue: Vec<Queued>,
    pub(crate) bytes: usize,
    /// A command was refused when it was queued: `EXEC` will refuse all.
    pub(crate) broken: bool,
    /// One of the commands writes.
    pub(crate) writes: bool,
}

/// The keys that a client watches, and their memory: it is asked for in every turn, and there may be millions.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    keys: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Watched {
    /// Memory of a key beside its bytes, here and among the watchers.
    const KEY_BYTES: usize = 96;

    pub(crate) fn push(&mut self, key: &[u8]) {
        self.bytes += key.len() + Self::KEY_BYTES;
        self.keys.push(key.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(|key| &**key)
    }
}

/// A client. See the [module](self).
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) since_ms: u64,
    pub(crate) active_ms: u64,
    pub(crate) protocol: Protocol,
    pub(crate) name: Vec<u8>,
    pub(crate) library_name: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    pub(crate) last_command: &'static str,
    pub(crate) multi: Option<Multi>,
    pub(crate) watched: Watched,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) no_evict: bool,
    /// It may run commands.
    pub(crate) authenticated: bool,
    /// Its unsent replies are over the soft limit since then.
    pub(crate) over_soft_since_ms: Option<u64>,
    pub(crate) waits: Option<Wait>,
    /// Close once what it was told has been sent.
    pub(crate) closing: bool,
    /// Bytes of input and output that are held for it, as of its last turn.
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
}

impl Client {
    pub(crate) fn new(id: u64, peer: SocketAddr, local: SocketAddr, now_ms: u64) -> Self {
        Self {
            id,
            peer,
            local,
            since_ms: now_ms,
            active_ms: now_ms,
            protocol: Protocol::Resp2,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            last_command: "NULL",
            multi: None,
            watched: Watched::default(),
            reply_mode: ReplyMode::On,
            no_evict: false,
            authenticated: true,
            over_soft_since_ms: None,
            waits: None,
            closing: false,
            input_bytes: 0,
            output_bytes: 0,
        }
    }

    /// Memory that it can make the server hold beside its buffers.
    pub(crate) fn state_bytes(&self) -> usize {
        let queued = self.multi.as_ref().map_or(0, |multi| multi.bytes);
        self.watched.bytes
            + queued
            + self.name.len()
            + self.library_name.len()
            + self.library_version.len()
    }

    /// Its line in `CLIENT LIST`, without an end.
    pub(crate) fn describe(&self, now_ms: u64) -> String {
        let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
        let text = String::from_utf8_lossy;
        let mut flags = String::new();
        if self.multi.is_some() {
            flags.push('x');
        }
        if self.waits.is_some() {
            flags.push('b');
        }
        if self.closing {
            flags.push('c');
        }
        if self.no_evict {
            flags.push('e');
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let multi = self.multi.as_ref().map_or(-1, |multi| {
            i64::try_from(multi.queue.len()).unwrap_or(i64::MAX)
        });
        let mut line = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={flags} db=0 sub=0 psub=0 ssub=0 \
             multi={multi} qbuf={} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl=0 oll=0 omem={} tot-mem={} \
             events=r cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.peer,
            self.local,
            text(&self.name),
            seconds(self.since_ms),
            seconds(self.active_ms),
            self.input_bytes,
            self.multi.as_ref().map_or(0, |multi| multi.bytes),
            self.output_bytes,
            self.input_bytes + self.output_bytes + self.state_bytes(),
            self.last_command,
            self.protocol.number(),
            text(&self.library_name),
            text(&self.library_version),
        );
        line
    }
}
