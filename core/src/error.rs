//! The error of the seam: 8 bytes, `Copy`, no allocation, nothing lost.
//!
//! An [`Error`] keeps the system's own code, which numbering that code belongs to ([`Domain`]), which
//! call failed ([`Operation`]) and a portable [`Kind`] to match on. `Result<()>` is 8 bytes too.
#![forbid(unsafe_code)]

use core::fmt;

/// Result of a call across the seam.
pub type Result<T> = core::result::Result<T, Error>;

/// What went wrong, in terms that are the same on every system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// The file, directory or other object does not exist.
    NotFound = 1,
    /// It exists already and was to be made new.
    AlreadyExists,
    /// The system refuses this caller.
    PermissionDenied,
    /// The call would have to wait and was asked not to.
    WouldBlock,
    /// A signal came first; nothing was done and the call can be repeated.
    Interrupted,
    /// The deadline passed first.
    TimedOut,
    /// The operation was cancelled before it had an effect.
    Cancelled,
    /// Another holder has the lock or the object.
    Busy,
    /// No memory or address space left.
    OutOfMemory,
    /// No space left on the device, or a quota is used up.
    NoSpace,
    /// An argument is wrong; repeating the call cannot help.
    InvalidInput,
    /// This platform, kernel or file system cannot do it. Never a silent no-op.
    Unsupported,
    /// The device or the system failed; the data may be damaged.
    Io,
    /// Nobody listens at the address.
    ConnectionRefused,
    /// The peer ended the connection abruptly.
    ConnectionReset,
    /// The connection ended on this side.
    ConnectionAborted,
    /// The peer no longer reads.
    BrokenPipe,
    /// The socket has no peer.
    NotConnected,
    /// Another socket has the address.
    AddressInUse,
    /// The address is not one of this machine's.
    AddressNotAvailable,
    /// No route to the address.
    Unreachable,
    /// A file was wanted and a directory found.
    IsADirectory,
    /// A directory was wanted and something else found.
    NotADirectory,
    /// The directory still has entries.
    DirectoryNotEmpty,
    /// The file system is read-only.
    ReadOnly,
    /// The process or the system has no handle left.
    TooManyHandles,
    /// A bound of ours is reached (see [`limits`](crate::limits)).
    Limit,
    /// The file would grow past what the file system can hold.
    FileTooLarge,
    /// Source and destination are on different file systems.
    CrossDevice,
    /// The simulated machine has lost power; every handle from before is dead.
    PowerLost,
    /// Fewer bytes than promised: the file ended in the middle.
    UnexpectedEnd,
    /// Anything else; the raw code says more.
    Other,
}

impl Kind {
    /// The kind in a few words, without the operation.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::PermissionDenied => "permission denied",
            Self::WouldBlock => "would block",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Busy => "in use by another holder",
            Self::OutOfMemory => "out of memory",
            Self::NoSpace => "no space left on device",
            Self::InvalidInput => "invalid argument",
            Self::Unsupported => "not supported on this platform",
            Self::Io => "input/output error",
            Self::ConnectionRefused => "connection refused",
            Self::ConnectionReset => "connection reset by peer",
            Self::ConnectionAborted => "connection aborted",
            Self::BrokenPipe => "broken pipe",
            Self::NotConnected => "not connected",
            Self::AddressInUse => "address in use",
            Self::AddressNotAvailable => "address not available",
            Self::Unreachable => "address unreachable",
            Self::IsADirectory => "is a directory",
            Self::NotADirectory => "not a directory",
            Self::DirectoryNotEmpty => "directory not empty",
            Self::ReadOnly => "read-only file system",
            Self::TooManyHandles => "too many open handles",
            Self::Limit => "limit reached",
            Self::FileTooLarge => "file too large",
            Self::CrossDevice => "on different file systems",
            Self::PowerLost => "power lost",
            Self::UnexpectedEnd => "unexpected end of file",
            Self::Other => "unknown error",
        }
    }
}

/// Whose numbering [`Error::raw`] follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Domain {
    /// No system code: the seam itself found the fault.
    Seam,
    /// `errno` of a Unix system.
    Errno,
    /// `GetLastError` on Windows.
    Win32,
    /// `NTSTATUS` on Windows.
    NtStatus,
    /// Winsock's numbers.
    Wsa,
    /// A board's own numbers.
    Firmware,
    /// Injected by the simulator or by the `Faulty` middleware.
    Injected,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The call of the seam that failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Operation { $($(#[$doc])* $name,)* }
        impl Operation {
            /// Every operation, in declaration order; `ALL[op as usize] == op`.
            pub const ALL: &[Operation] = &[$(Operation::$name,)*];
            /// The operation's name in error messages and traces.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

operations! {
    /// Reading a clock.
    Clock = "clock",
    /// Filling a buffer with random bytes.
    Entropy = "entropy",
    /// Reserving address space.
    Reserve = "reserve",
    /// Committing memory.
    Commit = "commit",
    /// Decommitting memory.
    Decommit = "decommit",
    /// Releasing address space.
    Release = "release",
    /// Changing memory protection.
    Protect = "protect",
    /// The huge-page hint.
    AdviseHuge = "advise huge pages",
    /// Giving memory back and keeping the range committed.
    Discard = "discard",
    /// Moving pages to another address.
    MovePages = "move pages",
    /// Waiting on a word.
    ParkWait = "park",
    /// Waking waiters of a word.
    ParkWake = "unpark",
    /// Starting a thread.
    Spawn = "spawn thread",
    /// Waiting for a thread's end.
    Join = "join thread",
    /// Naming a thread.
    ThreadName = "name thread",
    /// Binding a thread to processors.
    Affinity = "set affinity",
    /// Letting another thread run.
    Yield = "yield",
    /// Making or using a per-thread slot.
    Slot = "thread slot",
    /// Opening a file.
    Open = "open",
    /// Closing a file.
    Close = "close",
    /// Reading at an offset.
    ReadAt = "read",
    /// Writing at an offset.
    WriteAt = "write",
    /// Writing at the end.
    Append = "append",
    /// Asking for size or kind.
    Metadata = "metadata",
    /// Changing a file's length.
    SetLength = "set length",
    /// Reserving disk space.
    Preallocate = "preallocate",
    /// Punching a hole.
    Punch = "punch hole",
    /// Making a file durable.
    Sync = "sync",
    /// Making a directory durable.
    SyncDirectory = "sync directory",
    /// Renaming.
    Rename = "rename",
    /// Making a hard link.
    HardLink = "hard link",
    /// Removing a file.
    RemoveFile = "remove file",
    /// Making a directory.
    CreateDirectory = "create directory",
    /// Removing a directory.
    RemoveDirectory = "remove directory",
    /// Listing a directory.
    List = "list directory",
    /// Taking an advisory lock.
    Lock = "lock",
    /// Giving an advisory lock back.
    Unlock = "unlock",
    /// Mapping a file into memory.
    Map = "map",
    /// Writing a mapping back.
    FlushMap = "flush map",
    /// Listening at an address.
    Listen = "listen",
    /// Accepting a connection.
    Accept = "accept",
    /// Connecting to an address.
    Connect = "connect",
    /// Reading from a socket.
    Receive = "receive",
    /// Writing to a socket.
    Send = "send",
    /// Ending one or both directions.
    Shutdown = "shutdown",
    /// Reading or setting a socket option or address.
    SocketOption = "socket option",
    /// Making a reactor's ring.
    Ring = "open ring",
    /// Handing an operation to a ring.
    Submit = "submit",
    /// Waiting for completions.
    RingWait = "wait for completions",
    /// Waiting for readiness.
    Ready = "poll readiness",
}

/// An error from across the seam. See the [module](self).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error {
    raw: i32,
    operation: Operation,
    kind: Kind,
    domain: Domain,
}

const _: () = {
    assert!(size_of::<Error>() == 8, "an error fits one register");
    assert!(
        size_of::<Result<()>>() == 8,
        "the niche in Kind keeps Result<()> in one register"
    );
};

impl Error {
    /// An error found by the seam itself, without a system code.
    #[must_use]
    pub const fn new(operation: Operation, kind: Kind) -> Self {
        Self {
            raw: 0,
            operation,
            kind,
            domain: Domain::Seam,
        }
    }

    /// An error that a system reported: its code, the numbering it belongs to, and what it means.
    #[must_use]
    pub const fn from_raw(operation: Operation, kind: Kind, domain: Domain, raw: i32) -> Self {
        Self {
            raw,
            operation,
            kind,
            domain,
        }
    }

    /// `Unsupported`, for the parts that a platform leaves out.
    #[must_use]
    pub const fn unsupported(operation: Operation) -> Self {
        Self::new(operation, Kind::Unsupported)
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Which call failed.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// The system's own code; 0 in [`Domain::Seam`].
    #[must_use]
    pub const fn raw(&self) -> i32 {
        self.raw
    }

    /// Whose numbering [`raw`](Self::raw) follows.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        self.domain
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation.name(), self.kind.description())?;
        match self.domain {
            Domain::Seam => Ok(()),
            Domain::Errno => write!(f, " (errno {})", self.raw),
            Domain::Win32 => write!(f, " (Windows error {})", self.raw),
            Domain::NtStatus => write!(f, " (NTSTATUS {:#010x})", self.raw),
            Domain::Wsa => write!(f, " (Winsock error {})", self.raw),
            Domain::Firmware => write!(f, " (firmware code {})", self.raw),
            Domain::Injected => write!(f, " (injected)"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn display_names_operation_kind_and_code() {
        let error = Error::from_raw(Operation::Open, Kind::NotFound, Domain::Errno, 2);
        assert_eq!(error.to_string(), "open: not found (errno 2)");
        assert_eq!(
            Error::unsupported(Operation::Punch).to_string(),
            "punch hole: not supported on this platform"
        );
    }

    #[test]
    fn operations_are_indexed_by_their_number() {
        for (index, op) in Operation::ALL.iter().enumerate() {
            assert_eq!(*op as usize, index);
        }
    }
}
